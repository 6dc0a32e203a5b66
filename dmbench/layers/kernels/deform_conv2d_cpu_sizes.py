"""Deformable convolution on a CPU, how much: the sizes of a call, and how its work is cut into chunks and parts.

Source and symbols: dmbench/layers/kernels/deform_conv2d_cpu.py.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

BORDER = (
    2  # zeros before each row and picture, shared with what follows: at -2 and at the size all four pixels are zero
)
SAMPLES = (18432, 36864)  # prepared at a time: fewer cost more to start, more leave the cache
COLUMNS = (5 << 18, 5 << 19)  # bytes, made at a time; as above
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


def chunks(g: Geometry, element_size: int, parts: int) -> Iterator[Chunk]:
    """Yield the positions whose samples are prepared together: about 1 of `parts`, in the bounds of SAMPLES.

    Where there are sets, their columns are also made together, in the bounds of COLUMNS.
    """
    each = g.taps * g.sets * g.q
    size = between(SAMPLES[0], g.positions * each // parts, SAMPLES[1]) // each
    if g.sets > 1:
        size = min(size, columns_at_a_time(g, element_size, parts))
    size = max(size, FEWEST)
    if size < g.area:
        for image in range(g.batch):
            for part in even_parts(g.area, size):
                rows = slice(image * g.area + part.start, image * g.area + part.stop)
                yield Chunk(slice(image, image + 1), part, rows)
        return
    for images in even_parts(g.batch, size // g.area):
        yield Chunk(images, slice(0, g.area), slice(images.start * g.area, images.stop * g.area))


def columns_at_a_time(g: Geometry, element_size: int, parts: int) -> int:
    """Return how many positions have 1 of `parts` of the columns, in the bounds of COLUMNS."""
    each = g.taps * g.channels // g.share * element_size
    return max(FEWEST, between(COLUMNS[0], g.positions * each // parts, COLUMNS[1]) // each)


def even_parts(count: int, size: int) -> Iterator[slice]:
    """Yield slices of `count`, of `size` at most and all about as long: a short last one costs as much to start."""
    size = -(-count // -(-count // size))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def between(least: int, value: int, most: int) -> int:
    """Return `value`, or the bound that it exceeds."""
    return max(least, min(value, most))


def index_dtype(rows: int) -> torch.dtype:
    """Return int32 where so many rows can be counted, since half the bytes are moved; int64 otherwise."""
    return torch.int32 if rows < 2**31 else torch.int64
