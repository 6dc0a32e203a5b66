"""Deformable convolution on a CPU, one chunk's samples: their four rows and weights, and what is done with these.

Source and symbols: dmbench/layers/kernels/deform_conv2d_cpu.py. M positions in a chunk, of n pictures, p of each; a
sample has its own row in (sets, M, q, K) order, and lies as (n, sets * q, K, p) where it is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu_layout import (
    BORDER,
    Chunk,
    Geometry,
    by_cell,
    columns_at_a_time,
    even_parts,
    grid,
    index_dtype,
)

RADIX = 1 << 15  # torch sorts integers by radix from here on, six times as fast


class Places:
    """What the samples of all chunks need: offset and mask by cell, the plain grid, the cells' first rows."""

    def __init__(self, offset: Tensor, mask: Tensor | None, g: Geometry) -> None:
        self.offset, self.grid = by_cell(offset, 2, g), grid(g, offset)
        self.mask = None if mask is None else by_cell(mask, 1, g)[0]
        self.geometry, kind = g, index_dtype(g)
        blocks = torch.arange(g.batch * g.sets, dtype=kind).view(-1, 1) * (g.padded[0] * g.padded[1])
        rows = (blocks + g.first) * g.q + torch.arange(g.q, dtype=kind)
        self.starts = rows.view(g.batch, -1, 1, 1)
        width = g.padded[1]
        self.steps = [0, g.q, width * g.q, (width + 1) * g.q]
        self.step_rows = torch.tensor(self.steps, dtype=kind).view(4, 1)

    def samples(self, chunk: Chunk) -> "Samples":
        """Prepare the samples of a chunk."""
        g = self.geometry
        moved, fixed = self.offset[:, chunk.images, ..., chunk.places], self.grid[..., chunk.places]
        fraction = torch.add(moved, fixed, out=moved.new_empty(moved.shape))
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
        rows = by_sample(first.unsqueeze(-2) + self.step_rows, g)

        mask = None if self.mask is None else self.mask[chunk.images, ..., chunk.places]
        near = fraction.new_empty(*fraction.shape[:-1], 2, fraction.shape[-1])
        torch.sub(1, fraction, out=near[..., 0, :])
        near[..., 1, :] = fraction
        if mask is not None:
            near[0] *= mask.unsqueeze(-2)
        weights = by_sample((near[0].unsqueeze(-2) * near[1].unsqueeze(-3)).flatten(-3, -2), g)
        return Samples(rows, weights, fraction, mask, chunk, g, self.steps)


@dataclass(frozen=True)
class Samples:
    """rows, weights: (sets * M * q * K, 4), of the pixels above left, above right, below left and below right.

    fraction: (2, n, sets * q, K, p), how far below and right of the first; mask: (n, sets * q, K, p) or None.
    """

    rows: Tensor
    weights: Tensor
    fraction: Tensor
    mask: Tensor | None
    chunk: Chunk
    geometry: Geometry
    steps: list[int]

    def parts(self) -> Iterator[tuple[slice, slice]]:
        """Yield the positions, and the samples, of so many columns as are made at a time."""
        g, count = self.geometry, self.chunk.pictures * self.chunk.each
        each, begin = len(self.rows) // count, self.chunk.rows.start
        size = columns_at_a_time(g, self.weights.element_size()) if g.sets == 1 else count
        for part in even_parts(count, size):
            yield slice(begin + part.start, begin + part.stop), slice(part.start * each, part.stop * each)

    def gather(self, table: Tensor, part: slice) -> Tensor:
        """Return the columns, (sets, M, q * K * c)."""
        g, rows = self.geometry, self.rows[part]
        starts = torch.arange(0, rows.numel(), 4, dtype=rows.dtype)
        columns = bags(table, rows.view(-1), starts, self.weights[part].view(-1))
        return columns.view(g.sets, -1, g.q * g.taps * table.shape[1])

    def dots(self, to_columns: Tensor, table: Tensor, part: slice, dots: Tensor) -> None:
        """Add the products of each sample's gradient with its four pixels to `dots`, (samples, 4)."""
        rows = self.rows[part]
        pattern = torch.sparse_csr_tensor(
            torch.arange(0, rows.numel() + 1, 4, dtype=rows.dtype),
            rows.view(-1),
            dots[part].view(-1),
            (len(rows), len(table)),
            check_invariants=False,
        )
        torch.sparse.sampled_addmm(pattern, to_columns.view(len(rows), -1), table.T, out=pattern)

    def by_pixel(self) -> "Order":
        """Sort the samples of each part by their first rows."""
        g, count = self.geometry, len(self.rows)
        keys = self.rows.new_empty(max(count, RADIX))
        parts = [part for _, part in self.parts()]
        if g.rows * (len(parts) + 1) >= 2**31:
            keys = keys.long()
        for index, part in enumerate(parts):
            torch.add(self.rows[part, 0], g.rows * index, out=keys[part])
        keys[count:] = g.rows * len(parts)
        keys, order = keys.sort(stable=True)
        weights = self.weights.new_empty(4, count)
        for one, into in zip(self.weights.index_select(0, order[:count]).unbind(1), weights.unbind(0), strict=True):
            into.copy_(one)
        return Order(keys, order, weights, self.steps)

    def to_coordinates(self, dots: Tensor, to_offset: Tensor | None, to_mask: Tensor | None) -> None:
        """Write the gradients of the whole offset and mask, from the products with the four pixels."""
        g, chunk = self.geometry, self.chunk
        fall, along = self.fraction
        near = from_samples(dots, chunk, g).unflatten(-2, (2, 2))
        across = torch.lerp(near[..., 0, :], near[..., 1, :], along.unsqueeze(-2))
        above, below = across.unbind(-2)
        if to_mask is not None:
            torch.lerp(above, below, fall, out=to_mask[chunk.images, :, :, 0, chunk.places])
        if to_offset is None:
            return
        to_y, to_x = to_offset[chunk.images, ..., chunk.places].unbind(3)
        torch.sub(below, above, out=to_y)
        left, right = (near[..., 1, :] - near[..., 0, :]).unbind(-2)
        torch.lerp(left, right, fall, out=to_x)
        if self.mask is not None:
            to_y *= self.mask
            to_x *= self.mask


@dataclass(frozen=True)
class Order:
    """Samples in the order of their first rows."""

    keys: Tensor
    order: Tensor
    weights: Tensor
    steps: list[int]

    def scatter(self, to_columns: Tensor, to_table: Tensor, part: slice, index: int) -> None:
        """Add each sample's gradient to its four pixels."""
        source = to_columns.view(-1, to_table.shape[1])
        keys = self.keys[part]
        lowest = int(keys[0])
        counts = torch.bincount(keys - lowest)
        starts = counts.cumsum(0).sub_(counts)
        order = self.order[part] - part.start if part.start else self.order[part]
        lowest -= index * len(to_table)
        for step, corner in zip(self.steps, self.weights[:, part], strict=True):
            begin = lowest + step
            to_table[begin : begin + len(starts)] += bags(source, order, starts, corner)


def bags(table: Tensor, rows: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum of the rows of each bag."""
    return torch.embedding_bag(table, rows, starts, False, 0, False, weights)[0]


def by_sample(values: Tensor, g: Geometry) -> Tensor:
    """Return (n, sets * q, K, 4, p) as (sets * n * p * q * K, 4)."""
    pictures, each = values.shape[0], values.shape[-1]
    values = values.view(pictures, g.sets, -1, each)
    result = values.new_empty(g.sets, pictures, each, values.shape[2])
    for index in range(g.sets):
        for picture in range(pictures):
            result[index, picture].copy_(values[picture, index].T)
    return result.view(-1, 4)


def from_samples(values: Tensor, chunk: Chunk, g: Geometry) -> Tensor:
    """Undo by_sample, to (n, sets * q, K, 4, p)."""
    values = values.view(g.sets, chunk.pictures, chunk.each, -1)
    result = values.new_empty(chunk.pictures, g.sets, values.shape[-1], chunk.each)
    for index in range(g.sets):
        for picture in range(chunk.pictures):
            result[picture, index].copy_(values[index, picture].T)
    return result.view(chunk.pictures, -1, g.taps, 4, chunk.each)
