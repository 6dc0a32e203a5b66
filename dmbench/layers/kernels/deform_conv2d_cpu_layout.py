"""Deformable convolution on a CPU, where things lie: sizes, chunks, and tensors as tables of rows and back.

Source and symbols: dmbench/layers/kernels/deform_conv2d_cpu.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BORDER = 2  # zeros before each row and picture, shared with what follows: at -2 and at the size all four pixels are zero
SAMPLES = 18432  # prepared at a time, up to twice that of many: fewer cost more to start, more leave the cache
COLUMNS = 5 << 18  # bytes of columns at a time, to stay near the cache
FEWEST = 512  # positions: below, packing the weights costs more than the product


@dataclass(frozen=True)
class Geometry:
    """The sizes of one call; (rows, columns) pairs."""

    image: tuple[int, int]
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    batch: int
    channels: int
    groups: int
    offset_groups: int

    @property
    def cells(self) -> int:
        """Parts of the channels that share both a group and a deformable group."""
        return math.lcm(self.groups, self.offset_groups)

    @property
    def sets(self) -> int:
        """Sets of coordinates: a group of weights reads one of them."""
        return self.groups // self.share

    @property
    def share(self) -> int:
        """Groups of weights that share a set: those of one deformable group do."""
        return self.groups // self.offset_groups if self.groups % self.offset_groups == 0 else 1

    @property
    def q(self) -> int:
        """Cells in one group of weights."""
        return self.cells // self.groups

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the table's picture."""
        return self.image[0] + BORDER, self.image[1] + BORDER

    @property
    def first(self) -> int:
        """Pixels of the table before the first of the image."""
        return BORDER * self.padded[1] + BORDER

    @property
    def rows(self) -> int:
        """Rows of one table."""
        return (self.batch * self.sets * math.prod(self.padded) + self.first) * self.q

    @property
    def taps(self) -> int:
        """K."""
        return self.kernel[0] * self.kernel[1]

    @property
    def area(self) -> int:
        """Positions of one picture."""
        return self.output[0] * self.output[1]

    @property
    def positions(self) -> int:
        """P."""
        return self.batch * self.area


@dataclass(frozen=True)
class Chunk:
    """Some positions: all of some pictures, or some of one."""

    images: slice
    places: slice
    rows: slice  # of P

    @property
    def pictures(self) -> int:
        """How many."""
        return int(self.images.stop - self.images.start)

    @property
    def each(self) -> int:
        """Positions of one picture."""
        return int(self.places.stop - self.places.start)


def chunks(g: Geometry, element_size: int) -> Iterator[Chunk]:
    """Yield the positions in parts of about SAMPLES samples; where there are sets, of COLUMNS bytes as well."""
    each = g.taps * g.sets * g.q
    size = min(max(g.positions * each // 8, SAMPLES), 2 * SAMPLES) // each
    if g.sets > 1:
        size = min(size, columns_at_a_time(g, element_size))
    size = max(size, FEWEST)
    if size < g.area:
        for image in range(g.batch):
            for part in even_parts(g.area, size):
                rows = slice(image * g.area + part.start, image * g.area + part.stop)
                yield Chunk(slice(image, image + 1), part, rows)
        return
    for images in even_parts(g.batch, size // g.area):
        yield Chunk(images, slice(0, g.area), slice(images.start * g.area, images.stop * g.area))


def columns_at_a_time(g: Geometry, element_size: int) -> int:
    """Return how many positions have COLUMNS bytes of columns."""
    return max(FEWEST, COLUMNS // (g.taps * g.channels // g.share * element_size))


def even_parts(count: int, size: int) -> Iterator[slice]:
    """Yield slices of `count`, of `size` at most and all about as long: a short last one costs as much to start."""
    size = -(-count // -(-count // size))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def index_dtype(g: Geometry) -> torch.dtype:
    """Return int32 where every row of the table fits, since half the bytes are moved; int64 otherwise."""
    return torch.int32 if g.rows < 2**31 else torch.int64


def table_of(image: Tensor, g: Geometry) -> Tensor:
    """Return the image channels last with its border, (share, N * sets * pixels * q, c)."""
    table = image.new_zeros(g.share, g.rows, g.channels // g.cells)
    for one, into in zip(image, inner(table, g), strict=True):
        pixels = pixels_of(one[None]).view(*g.image, g.sets, g.share, g.q, -1)
        into.copy_(pixels.permute(3, 2, 0, 1, 4, 5))
    return table


def inner(table: Tensor, g: Geometry) -> Tensor:
    """Return a view of the image in its table, (N, share, sets, H, W, q, c)."""
    whole = table[:, g.first * g.q :].view(g.share, g.batch, g.sets, *g.padded, g.q, -1)
    return whole[:, :, :, : g.image[0], : g.image[1]].transpose(0, 1)


def pixels_of(image: Tensor) -> Tensor:
    """Return (N, C, H, W) as contiguous (N * H * W, C)."""
    if image.is_contiguous(memory_format=torch.channels_last):
        return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])
    pixels = image.new_empty(image.shape[0], image.shape[2] * image.shape[3], image.shape[1])
    for one, into in zip(image.reshape(*image.shape[:2], -1), pixels, strict=True):
        into.copy_(one.T)  # a copy of two dimensions goes by blocks, four times as fast as one of four
    return pixels.view(-1, image.shape[1])


def put_planes(pixels: Tensor, into: Tensor) -> None:
    """Undo pixels_of: write (N * H * W, C) into (N, C, H, W)."""
    pixels = pixels.view(into.shape[0], -1, into.shape[1])
    if not into.is_contiguous():
        into.copy_(pixels.mT.reshape(into.shape))
        return
    for one, planes in zip(pixels, into.view(*into.shape[:2], -1), strict=True):
        planes.copy_(one.T)


def image_like(image: Tensor, table: Tensor, g: Geometry) -> Tensor:
    """Undo table_of: (N, C, H, W) in the layout of `image`, the border dropped."""
    result = torch.empty_like(image)
    for index, one in enumerate(inner(table, g)):
        pixels = one.permute(2, 3, 1, 0, 4, 5).reshape(-1, g.channels)
        put_planes(pixels, result[index : index + 1])
    return result


def weights_of(weight: Tensor, g: Geometry) -> Tensor:
    """Return the filters as matrices, (groups, Cout / groups, q * K * c)."""
    return weight.reshape(g.groups, -1, g.q, weight.shape[1] // g.q, g.taps).transpose(3, 4).flatten(2)


def filters_of(matrices: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """Undo weights_of, to the shape of `weight`."""
    return matrices.view(g.groups, matrices.shape[1], g.q, g.taps, -1).transpose(3, 4).reshape(weight.shape)


def by_cell(offset: Tensor, each: int, g: Geometry) -> Tensor:
    """Return (N, G * K * each, Ho, Wo) as (each, N, sets * q, K, Ho * Wo)."""
    view = offset.reshape(g.batch, g.offset_groups, g.taps, each, -1).permute(3, 0, 1, 2, 4)
    return view if g.sets * g.q == g.offset_groups else view.repeat_interleave(g.cells // g.offset_groups, 2)


def offset_of(gradient: Tensor, g: Geometry) -> Tensor:
    """Undo by_cell for gradients, (N, sets * q, K, each, Ho * Wo): shared coordinates add up."""
    shared = gradient.view(g.batch, g.offset_groups, -1, *gradient.shape[2:])
    one = shared.sum(2) if shared.shape[2] > 1 else shared
    return one.view(g.batch, -1, *g.output)


def grid(g: Geometry, like: Tensor) -> Tensor:
    """Return y and x of p0 + pn, (2, 1, 1, K, Ho * Wo)."""
    found = []
    for axis in (0, 1):
        p0 = torch.arange(g.output[axis], dtype=like.dtype) * g.stride[axis] - g.padding[axis]
        pn = torch.arange(g.kernel[axis], dtype=like.dtype) * g.dilation[axis]
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = len(pn), len(p0)
        found.append((pn.view(-1, 1) + p0).view(shape).expand(*g.kernel, *g.output))
    return torch.stack(found).view(2, 1, 1, g.taps, g.area)
