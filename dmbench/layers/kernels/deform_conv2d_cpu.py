"""Deformable convolution on a CPU: gather, one matrix product, and nothing kept for the backward pass.

Source: the equations of dmbench/layers/deform_conv2d.py, the canonical form of this file; here is only their order of
work. The image lies channels last in a table of pixels with a border of zeros: a sample is a weighted sum of four rows,
which `embedding_bag` fuses. The output is made in chunks of positions; the backward pass makes the columns again, so
that memory is the chunk's, not the picture's. The image's gradient is a stable sort by pixel and a sum per pixel: no
order of threads enters, and it is the same bit for bit each time.

Symbols: sets of coordinates (one for each deformable group, or for each group of weights where those do not divide), q
cells of c channels in a set, P = N * Ho * Wo positions, K taps, T = P * K * q samples (of a chunk, where one is meant).
Shapes: table (groups, pixels * q, c); columns (P, K * q * c), one group; y, x, mask (sets, P, K, q).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Tensors = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]  # image, offset, weight, bias, mask

BORDER = 2  # a sample is clamped to [-2, size], where its four pixels are all zero
CHUNK = 3 << 20  # bytes of columns at a time: fewer chunks cost less to start, smaller ones less memory
PARTS = 4  # at least so many chunks, so that a small picture takes little memory too
FEWEST = 256  # positions: below, packing the weights costs more than the product


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
        """Sets of coordinates; weight groups of one deformable group share theirs."""
        return self.offset_groups if self.groups % self.offset_groups == 0 else self.groups

    @property
    def q(self) -> int:
        """Cells in one group of weights."""
        return self.cells // self.groups

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the table's picture."""
        return self.image[0] + 2 * BORDER, self.image[1] + 2 * BORDER

    @property
    def taps(self) -> int:
        """K."""
        return self.kernel[0] * self.kernel[1]

    @property
    def positions(self) -> int:
        """P."""
        return self.batch * self.output[0] * self.output[1]

    def groups_of(self, index: int) -> range:
        """Return the groups of weights that read the set `index`."""
        share = self.groups // self.sets
        return range(index * share, (index + 1) * share)


class DeformConv2dCPU(torch.autograd.Function):
    """The differentiable whole. second derivatives, not worth a kernel, are `canonical`'s."""

    @staticmethod
    def forward(
        image: Tensor,
        offset: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        geometry: Geometry,
        canonical: Callable[..., Tensor],
    ) -> Tensor:
        """Return (N, Cout, Ho, Wo), channels last in memory."""
        g = geometry
        table, weights = table_of(image, g), weights_of(weight, g)
        y, x, m = coordinates(offset, mask, g)
        result = image.new_empty(g.positions, weight.shape[0])
        per_group = weight.shape[0] // g.groups
        for index in range(g.sets):
            for chunk in chunks(g, image.element_size()):
                samples = Samples.of(y[index, chunk], x[index, chunk], None if m is None else m[index, chunk], chunk, g)
                for group in g.groups_of(index):
                    columns = samples.gather(table[group]).view(-1, weights.shape[1])
                    part = result[chunk, group * per_group : (group + 1) * per_group]
                    torch.mm(columns, weights[group], out=part)
        if bias is not None:
            result += bias
        return result.view(g.batch, *g.output, -1).permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs; no columns."""
        *tensors, ctx.geometry, ctx.canonical = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that are asked for; by the canonical form where they are to be differentiated again."""
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[:5]
        if not torch.is_grad_enabled():
            return (*gradients(upstream, tensors, wanted, ctx.geometry), None, None)
        asked = [tensor for tensor, want in zip(tensors, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(ctx.canonical(*tensors), asked, upstream, create_graph=True))
        return (*(next(found) if want else None for want in wanted), None, None)


def gradients(
    upstream: Tensor,
    tensors: Tensors,
    wanted: tuple[bool, ...],
    geometry: Geometry,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of image, offset, weight, bias and mask, None where not `wanted`."""
    g = geometry
    image, offset, weight, bias, mask = tensors
    want_image, want_offset, want_weight, want_bias, want_mask = wanted
    upstream = pixels_of(upstream).view(g.positions, -1)
    table, weights = table_of(image, g), weights_of(weight, g).mT.contiguous()
    y, x, m = coordinates(offset, mask, g)
    per_group = weight.shape[0] // g.groups

    to_table = torch.zeros_like(table) if want_image else None
    to_weights = torch.zeros_like(weights) if want_weight else None
    to_y, to_x = (torch.empty_like(y), torch.empty_like(x)) if want_offset else (None, None)
    to_m = torch.empty_like(m) if want_mask and m is not None else None

    for index in range(g.sets):
        for chunk in chunks(g, image.element_size()):
            samples = Samples.of(y[index, chunk], x[index, chunk], None if m is None else m[index, chunk], chunk, g)
            order = samples.by_pixel() if to_table is not None else None
            dots: Tensor | None = None
            for group in g.groups_of(index):
                part = upstream[chunk, group * per_group : (group + 1) * per_group]
                if to_weights is not None:
                    to_weights[group].addmm_(part.T, samples.gather(table[group]).view(len(part), -1))
                if to_table is None and to_y is None and to_m is None:
                    continue
                to_columns = (part @ weights[group]).view(-1, table.shape[2])
                if to_table is not None and order is not None:
                    samples.scatter(to_columns, order, to_table[group])
                if to_y is not None or to_m is not None:
                    one = samples.dots(to_columns, table[group])
                    dots = one if dots is None else dots.add_(one)
            if dots is not None:
                samples.to_coordinates(
                    dots,
                    None if to_y is None else to_y[index, chunk],
                    None if to_x is None else to_x[index, chunk],
                    None if to_m is None else to_m[index, chunk],
                )

    return (
        None if to_table is None else image_of(to_table, g),
        None if to_y is None or to_x is None else offset_of(torch.stack([to_y, to_x], 3), g),
        None if to_weights is None else filters_of(to_weights, weight),
        upstream.sum(0) if want_bias and bias is not None else None,
        None if to_m is None else offset_of(to_m.unsqueeze(3), g),
    )


@dataclass(frozen=True)
class Samples:
    """One chunk's samples: the pixel above and to the left, the distances from it, and the weights of the four.

    first (T): row of the table; ly, lx, m (T): m None without a mask; rows (T, 4); weights (4, T).
    """

    first: Tensor
    ly: Tensor
    lx: Tensor
    m: Tensor | None
    rows: Tensor
    weights: Tensor
    steps: tuple[int, int, int, int]

    @classmethod
    def of(cls, y: Tensor, x: Tensor, m: Tensor | None, chunk: slice, g: Geometry) -> "Samples":
        """Prepare the samples at y, x, (positions, K, q), already clamped."""
        kind = index_dtype(g)
        height, width = g.padded
        # A NaN becomes any integer, hence the second clamp; the weights carry the NaN to the result.
        top, left = y.floor(), x.floor()
        first = left.to(kind).clamp_(-BORDER, g.image[1])
        first.add_(top.to(kind).clamp_(-BORDER, g.image[0]), alpha=width)
        place = torch.arange(chunk.start, chunk.start + len(y), device=y.device)
        start = place.div_(g.output[0] * g.output[1], rounding_mode="floor").mul_(height * width)
        first += start.add_(BORDER * width + BORDER).to(kind)[:, None, None]
        if g.q > 1:
            first.mul_(g.q).add_(torch.arange(g.q, dtype=kind, device=y.device))

        first, ly, lx = first.view(-1), (y - top).view(-1), (x - left).view(-1)
        steps = (0, g.q, width * g.q, (width + 1) * g.q)
        rows = first.new_empty(len(first), 4)
        for corner, step in enumerate(steps):
            torch.add(first, step, out=rows[:, corner])
        m = None if m is None else m.reshape(-1)
        low, high = ly, 1 - ly
        if m is not None:
            low, high = ly * m, high.mul_(m)
        right = 1 - lx
        weights = ly.new_empty(4, len(ly))
        for corner, (down, along) in enumerate([(high, right), (high, lx), (low, right), (low, lx)]):
            torch.mul(down, along, out=weights[corner])
        return cls(first, ly, lx, m, rows, weights, steps)

    def gather(self, table: Tensor) -> Tensor:
        """Return the columns, (T, c)."""
        return bags(table, self.rows.view(-1), self.starts(), self.weights.T.reshape(-1))

    def starts(self) -> Tensor:
        """Where each sample's four rows start."""
        return torch.arange(0, self.rows.numel(), 4, dtype=self.rows.dtype, device=self.rows.device)

    def dots(self, to_columns: Tensor, table: Tensor) -> Tensor:
        """Return the products of each sample's gradient with its four pixels, (T, 4)."""
        sample = torch.arange(len(self.rows), dtype=self.rows.dtype, device=self.rows.device)
        flat = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            to_columns, table, self.rows.view(-1), self.starts(), sample.repeat_interleave(4), 0
        )
        return flat.view(-1, 4)  # type: ignore[no-any-return]

    def by_pixel(self) -> tuple[int, Tensor, Tensor, Tensor]:
        """Return the lowest row, the samples in the order of their rows, where each row's begin, and their weights."""
        rows, order = self.first.sort(stable=True)
        lowest = int(rows[0])
        counts = torch.bincount(rows - lowest)
        return lowest, order, counts.cumsum(0).sub_(counts), self.weights.index_select(1, order)

    def scatter(self, to_columns: Tensor, order: tuple[int, Tensor, Tensor, Tensor], to_table: Tensor) -> None:
        """Add each sample's gradient to its four pixels."""
        lowest, samples, starts, weights = order
        for step, corner in zip(self.steps, weights, strict=True):
            begin = lowest + step
            to_table[begin : begin + len(starts)] += bags(to_columns, samples, starts, corner)

    def to_coordinates(self, dots: Tensor, to_y: Tensor | None, to_x: Tensor | None, to_m: Tensor | None) -> None:
        """Write the gradients of y, x and the mask, from the products with the four pixels."""
        a, b, c, d = dots.unbind(1)
        above, below = torch.lerp(a, b, self.lx), torch.lerp(c, d, self.lx)
        if to_m is not None:
            torch.lerp(above, below, self.ly, out=to_m.view(-1))
        if to_y is None or to_x is None:
            return
        torch.sub(below, above, out=to_y.view(-1))
        torch.lerp(b - a, d - c, self.ly, out=to_x.view(-1))
        if self.m is not None:
            to_y.view(-1).mul_(self.m)
            to_x.view(-1).mul_(self.m)


def bags(table: Tensor, rows: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the rows of each bag."""
    return torch.embedding_bag(table, rows, starts, False, 0, False, weights)[0]


def chunks(g: Geometry, element_size: int) -> Iterator[slice]:
    """Yield parts of the positions whose columns are at most CHUNK bytes, or FEWEST positions."""
    limit = CHUNK // (g.taps * g.channels // g.groups * element_size)
    size = max(FEWEST, min(limit, -(-g.positions // PARTS)))
    size = -(-g.positions // -(-g.positions // size))  # all of a size: a short last one costs as much to start
    for start in range(0, g.positions, size):
        yield slice(start, min(start + size, g.positions))


def index_dtype(g: Geometry) -> torch.dtype:
    """Return int32 where every row of the table fits, since half the bytes are moved; int64 otherwise."""
    rows = g.batch * math.prod(g.padded) * g.q
    return torch.int32 if rows < 2**31 else torch.int64


def table_of(image: Tensor, g: Geometry) -> Tensor:
    """Return the image channels last with its border, (groups, pixels * q, c)."""
    height, width = g.image
    table = image.new_zeros(g.groups, g.batch, *g.padded, g.q, g.channels // g.cells)
    inner = table[:, :, BORDER : BORDER + height, BORDER : BORDER + width]
    inner.copy_(pixels_of(image).view(g.batch, height, width, g.groups, g.q, -1).permute(3, 0, 1, 2, 4, 5))
    return table.view(g.groups, -1, table.shape[-1])


def pixels_of(image: Tensor) -> Tensor:
    """Return (N, C, H, W) as contiguous (N, H * W, C)."""
    batch, channels = image.shape[:2]
    if image.is_contiguous(memory_format=torch.channels_last):
        return image.permute(0, 2, 3, 1).reshape(batch, -1, channels)
    pixels = image.new_empty(batch, image.shape[2] * image.shape[3], channels)
    for one, into in zip(image.reshape(batch, channels, -1), pixels, strict=True):
        into.copy_(one.T)  # a copy of two dimensions goes by blocks, four times as fast as one of four
    return pixels


def image_of(table: Tensor, g: Geometry) -> Tensor:
    """Undo table_of: (N, C, H, W), the border dropped."""
    height, width = g.image
    inner = table.view(g.groups, g.batch, *g.padded, g.q, -1)[:, :, BORDER : BORDER + height, BORDER : BORDER + width]
    return inner.permute(1, 0, 4, 5, 2, 3).reshape(g.batch, g.channels, height, width)


def weights_of(weight: Tensor, g: Geometry) -> Tensor:
    """Return the filters as matrices, (groups, K * q * c, Cout / groups)."""
    return weight.reshape(g.groups, -1, g.q, weight.shape[1] // g.q, g.taps).permute(0, 4, 2, 3, 1).flatten(1, 3)


def filters_of(matrices: Tensor, weight: Tensor) -> Tensor:
    """Undo weights_of, from (groups, Cout / groups, K * q * c) to the shape of `weight`."""
    taps = weight.shape[2] * weight.shape[3]
    return matrices.view(*matrices.shape[:2], taps, -1).mT.reshape(weight.shape)


def coordinates(offset: Tensor, mask: Tensor | None, g: Geometry) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return y, x and mask, (sets, P, K, q), y and x clamped to the border; both infinities are outside."""
    rows, columns = g.output
    moved = by_position(offset, 2, g)
    found = []
    for axis in (0, 1):
        steps = torch.arange(g.output[axis], device=offset.device) * g.stride[axis] - g.padding[axis]
        steps = steps.view(rows, 1, 1, 1) if axis == 0 else steps.view(1, columns, 1, 1)
        taps = torch.arange(g.kernel[axis], device=offset.device) * g.dilation[axis]
        taps = taps.repeat_interleave(g.kernel[1]) if axis == 0 else taps.repeat(g.kernel[0])
        one = offset.new_empty(g.sets, g.batch, rows, columns, g.taps, g.q)
        torch.add(moved[:, :, :, :, :, axis], (steps + taps[:, None]).to(one), out=one)
        found.append(one.clamp_(-BORDER, g.image[axis]).view(g.sets, g.positions, g.taps, g.q))
    y, x = found
    m = None if mask is None else by_position(mask, 1, g).contiguous().view(g.sets, g.positions, g.taps, g.q)
    return y, x, m


def by_position(offset: Tensor, each: int, g: Geometry) -> Tensor:
    """Return a view of (N, groups * K * each, Ho, Wo) as (sets, N, Ho, Wo, K, each, q), or (..., K, q) for each = 1."""
    view = offset.reshape(g.batch, g.offset_groups, g.taps, each, *g.output)
    if g.sets != g.offset_groups:
        view = view.repeat_interleave(g.cells // g.offset_groups, 1)
    view = view.view(g.batch, g.sets, -1, *view.shape[2:]).permute(1, 0, 5, 6, 3, 4, 2)
    return view.squeeze(5) if each == 1 else view


def offset_of(gradient: Tensor, g: Geometry) -> Tensor:
    """Undo by_position for gradients (sets, P, K, each, q): shared coordinates add up."""
    each = gradient.shape[3]
    view = gradient.view(g.sets, g.batch, *g.output, g.taps, each, -1).permute(1, 0, 6, 4, 5, 2, 3).flatten(1, 2)
    if view.shape[1] != g.offset_groups:
        view = view.reshape(g.batch, g.offset_groups, -1, *view.shape[2:]).sum(2)
    return view.reshape(g.batch, -1, *g.output)
