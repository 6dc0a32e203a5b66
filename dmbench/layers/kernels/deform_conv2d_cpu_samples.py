"""Deformable convolution on a CPU, one chunk's samples: their four rows and weights, and what is done with these.

Source and symbols: dmbench/layers/kernels/deform_conv2d_cpu.py; and n pictures in a chunk, with p positions each.
Samples are made as (n, sets * q, K, p), the order of the offsets in memory, and used as (sets, n * p, q, K), that of
the columns. A chunk's columns are made in parts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dmbench.layers.kernels import deform_conv2d_cpu_sizes as sizes
from dmbench.layers.kernels.deform_conv2d_cpu_layout import by_cell, grid
from dmbench.layers.kernels.deform_conv2d_cpu_sizes import BORDER, Chunk, Geometry

RADIX = 1 << 15  # torch sorts integers by radix from here on, six times as fast


class Places:
    """What the samples of all chunks share; offset and mask by cell, fixed: the plain grid, starts: the cells' rows."""

    def __init__(self, offset: Tensor, mask: Tensor | None, g: Geometry, parts: int) -> None:
        self.offset, self.fixed = by_cell(offset, 2, g), grid(g, offset)
        self.mask = None if mask is None else by_cell(mask, 1, g)[0]
        self.geometry, self.parts, kind = g, parts, sizes.index_dtype(g.rows)
        blocks = torch.arange(g.batch * g.sets, dtype=kind).view(-1, 1) * (g.padded[0] * g.padded[1])
        self.starts = ((blocks + g.first) * g.q + torch.arange(g.q, dtype=kind)).view(g.batch, -1, 1, 1)
        self.steps = torch.tensor([0, 1, g.padded[1], g.padded[1] + 1], dtype=kind) * g.q

    def samples(self, chunk: Chunk) -> "Samples":
        """Prepare the samples of a chunk."""
        g = self.geometry
        moved = self.offset[:, chunk.images, ..., chunk.places]
        fraction = torch.add(moved, self.fixed[..., chunk.places], out=moved.new_empty(moved.shape))
        fraction[0].clamp_(-BORDER, g.image[0])
        fraction[1].clamp_(-BORDER, g.image[1])
        corner = fraction.floor()
        fraction -= corner
        # A NaN is read outside; its weights carry it to the result.
        corner = corner.nan_to_num_(-BORDER).to(self.starts.dtype)
        first = corner[1].add_(corner[0], alpha=g.padded[1])
        if g.q > 1:
            first *= g.q
        first += self.starts[chunk.images]
        rows = by_sample(first.unsqueeze(-2) + self.steps.view(4, 1), g)

        mask = None if self.mask is None else self.mask[chunk.images, ..., chunk.places]
        near = fraction.new_empty(*fraction.shape[:-1], 2, fraction.shape[-1])
        torch.sub(1, fraction, out=near[..., 0, :])
        near[..., 1, :] = fraction
        if mask is not None:
            near[0] *= mask.unsqueeze(-2)
        weights = by_sample((near[0].unsqueeze(-2) * near[1].unsqueeze(-3)).flatten(-3, -2), g)
        return Samples(rows, weights, fraction, mask, chunk, self)


@dataclass(frozen=True)
class Samples:
    """rows, weights: (samples, 4), of the pixels above left, above right, below left and below right.

    fraction: (2, n, sets * q, K, p), how far below and right of the first; mask: (n, sets * q, K, p) or None.
    """

    rows: Tensor
    weights: Tensor
    fraction: Tensor
    mask: Tensor | None
    chunk: Chunk
    places: Places

    def parts(self) -> list[tuple[slice, slice]]:
        """Return the positions, and the samples, of so many columns as are made at a time."""
        g, count = self.places.geometry, self.chunk.pictures * self.chunk.each
        each, begin, size = len(self.rows) // count, self.chunk.rows.start, count
        if g.sets == 1:
            size = sizes.columns_at_a_time(g, self.weights.element_size(), self.places.parts)
        return [
            (slice(begin + part.start, begin + part.stop), slice(part.start * each, part.stop * each))
            for part in sizes.even_parts(count, size)
        ]

    def gather(self, table: Tensor, part: slice) -> Tensor:
        """Return the columns of a part, (sets, its positions, q * K * c)."""
        g, rows = self.places.geometry, self.rows[part]
        starts = torch.arange(0, rows.numel(), 4, dtype=rows.dtype)
        columns = bags(table, rows.view(-1), starts, self.weights[part].view(-1))
        return columns.view(g.sets, -1, g.q * g.taps * table.shape[1])

    def add_dots(self, dots: Tensor, to_columns: Tensor, table: Tensor, part: slice) -> None:
        """Add the products of each sample's gradient with its four pixels to `dots`, (samples, 4).

        They are the elements of a large product that a sparse pattern asks for, 4 in a row: three times as fast here
        as the gradient that embedding_bag has for its weights.
        """
        rows = self.rows[part]
        starts = torch.arange(0, rows.numel() + 1, 4, dtype=rows.dtype)
        shape = len(rows), len(table)
        pattern = torch.sparse_csr_tensor(starts, rows.view(-1), dots[part].view(-1), shape, check_invariants=False)
        torch.sparse.sampled_addmm(pattern, to_columns.view(len(rows), -1), table.T, out=pattern)

    def by_pixel(self) -> "Order":
        """Sort the samples of each part by their first rows."""
        rows, count, parts = self.places.geometry.rows, len(self.rows), self.parts()
        kind = sizes.index_dtype(rows * (len(parts) + 1))
        # A key after all others fills up what is too short for the fast sort.
        keys = self.rows.new_full((RADIX if RADIX // 6 < count < RADIX else count,), rows * len(parts), dtype=kind)
        for index, (_, part) in enumerate(parts):
            torch.add(self.rows[part, 0].to(kind), rows * index, out=keys[part])
        keys, order = keys.sort(stable=True)
        ordered = self.weights.index_select(0, order[:count])
        weights = self.weights.new_empty(4, count)
        for one, into in zip(ordered.unbind(1), weights, strict=True):
            into.copy_(one)
        return Order(keys, order, weights, self.places.steps.tolist())

    def to_coordinates(self, dots: Tensor, to_offset: Tensor | None, to_mask: Tensor | None) -> None:
        """Write the gradients of offset and mask, (N, sets * q, K, 2 or 1, Ho * Wo)."""
        images, places = self.chunk.images, self.chunk.places
        down, along = self.fraction
        near = from_samples(dots, self.chunk, self.places.geometry)
        above, below = torch.lerp(near[..., 0, :], near[..., 1, :], along.unsqueeze(-2)).unbind(-2)
        if to_mask is not None:
            torch.lerp(above, below, down, out=to_mask[images, :, :, 0, places])
        if to_offset is None:
            return
        to_y, to_x = to_offset[images, ..., places].unbind(3)
        torch.sub(below, above, out=to_y)
        above, below = (near[..., 1, :] - near[..., 0, :]).unbind(-2)
        torch.lerp(above, below, down, out=to_x)
        if self.mask is not None:
            to_y *= self.mask
            to_x *= self.mask


@dataclass(frozen=True)
class Order:
    """Samples sorted by part, and by first row in it.

    keys: the rows, past those of the parts before; samples: which; weights: (4, samples); steps to the four rows.
    """

    keys: Tensor
    samples: Tensor
    weights: Tensor
    steps: list[int]

    def scatter(self, to_columns: Tensor, to_table: Tensor, index: int, part: slice) -> None:
        """Add the gradient of each sample of a part, the one of that index, to its four pixels."""
        lowest = int(self.keys[part.start])
        counts = torch.bincount(self.keys[part] - lowest)
        starts = counts.cumsum(0).sub_(counts)
        samples, source = self.samples[part] - part.start, to_columns.view(-1, to_table.shape[1])
        for step, corner in zip(self.steps, self.weights[:, part], strict=True):
            begin = lowest - index * len(to_table) + step
            to_table[begin : begin + len(starts)] += bags(source, samples, starts, corner)


def bags(table: Tensor, rows: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the rows of each bag."""
    return torch.embedding_bag(table, rows, starts, False, 0, False, weights)[0]


def by_sample(values: Tensor, g: Geometry) -> Tensor:
    """Return (n, sets * q, K, 4, p) as (samples, 4)."""
    pictures, each = values.shape[0], values.shape[-1]
    values = values.view(pictures, g.sets, -1, each)
    result = values.new_empty(g.sets, pictures, each, values.shape[2])
    for index in range(g.sets):
        for picture in range(pictures):
            result[index, picture].copy_(values[picture, index].T)  # by blocks: see pixels_of
    return result.view(-1, 4)


def from_samples(values: Tensor, chunk: Chunk, g: Geometry) -> Tensor:
    """Undo by_sample, to (n, sets * q, K, 2, 2, p)."""
    values = values.view(g.sets, chunk.pictures, chunk.each, -1)
    result = values.new_empty(chunk.pictures, g.sets, values.shape[-1], chunk.each)
    for index in range(g.sets):
        for picture in range(chunk.pictures):
            result[picture, index].copy_(values[index, picture].T)
    return result.view(chunk.pictures, -1, g.taps, 2, 2, chunk.each)
