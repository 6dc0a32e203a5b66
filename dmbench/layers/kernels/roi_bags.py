"""Maxima and weighted sums over the pixels of many bins at once, without a loop over them.

The pixels lie in a table, channels last. A bin is a bag of its rows: `embedding_bag` fuses the reading, weighting and
adding. For the maximum that is slow on a CPU, and bins go in blocks instead, sorted by their area.

Shapes: table (P, c), P pixels of c channels; B bins; T pixels of all bins together.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 1 << 19  # numbers that a block of maxima reads: they stay in a CPU's cache
WIDE = 1 << 24  # the same on a GPU, which wants few launches


@dataclass(frozen=True)
class Rectangles:
    """B rectangles of pixels: first row of the table of each's picture, and (first, count) of its rows and columns.

    base, top, rows, left, columns: (B), int64; a picture of the table is `width` pixels wide.
    """

    base: Tensor
    top: Tensor
    rows: Tensor
    left: Tensor
    columns: Tensor
    width: int

    @property
    def area(self) -> Tensor:
        """Pixels of each, (B)."""
        return self.rows * self.columns

    def pixel(self, which: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return y, x and the row of the table of the pixel at `place`, in reading order, of the rectangles `which`."""
        columns = self.columns[which]
        down = place // columns
        y, x = self.top[which] + down, self.left[which] + (place - down * columns)
        return y, x, self.base[which] + y * self.width + x


def maxima(table: Tensor, bins: Rectangles) -> Tensor:
    """Return the largest of each bin's pixels, (B, c); 0 for an empty bin. NaN is the largest of all."""
    result: Tensor = _Maxima.apply(table, bins)  # type: ignore[no-untyped-call]
    return result


class _Maxima(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, bins: Rectangles) -> Tensor:
        best = table.new_zeros(len(bins.base), table.shape[1])
        blocks = _blocks(bins, table)
        # For the gradient: where in its bin the first maximum stands, from the block's end, in a byte if it fits.
        kind = torch.uint8 if not blocks or blocks[0][1].shape[1] < 256 else torch.int32
        at = torch.zeros(best.shape, dtype=kind, device=table.device) if ctx.needs_input_grad[0] else None
        for which, pixels in blocks:
            values = table.index_select(0, pixels.flatten()).view(*pixels.shape, -1)
            largest = values.amax(1)
            best.index_copy_(0, which, largest)
            if at is not None:
                rank = torch.arange(pixels.shape[1], 0, -1, dtype=kind, device=table.device)
                equal = (values == largest[:, None]).view(torch.uint8).to(kind)
                at.index_copy_(0, which, equal.mul_(rank[:, None]).amax(1))
        ctx.rows, ctx.blocks = len(table), blocks
        if at is not None:
            ctx.save_for_backward(at)
        return best

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (at,) = ctx.saved_tensors
        result = upstream.new_zeros(ctx.rows, upstream.shape[1])
        for which, pixels in ctx.blocks:
            # Next to a NaN nothing is equal: its gradient goes to the last pixel.
            place = (pixels.shape[1] - at[which].long()).clamp_(max=pixels.shape[1] - 1)
            result.scatter_add_(0, pixels.gather(1, place), upstream[which])
        return result, None


def _blocks(bins: Rectangles, table: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Divide the bins that are not empty into blocks alike in area: which they are, and their pixels.

    A block is (n), and (n, most) rows of the table; a smaller bin repeats its last pixel, which changes no maximum.
    """
    area, order = bins.area.sort(descending=True)
    areas = area.tolist()
    limit = (WIDE if table.is_cuda else BLOCK) // table.shape[1]
    blocks, begin = [], 0
    while begin < len(areas) and areas[begin]:
        which = order[begin : begin + max(1, limit // areas[begin])]
        which = which[bins.area[which] > 0]
        place = torch.arange(areas[begin], device=table.device).minimum(bins.area[which, None] - 1)
        blocks.append((which, bins.pixel(which[:, None], place)[2]))
        begin += len(which)
    return blocks


def entries(bins: Rectangles) -> tuple[Tensor, Tensor]:
    """List all pixels of all bins: the bin of each, and its place there in reading order, both (T), sorted."""
    area = bins.area
    bag = torch.repeat_interleave(area)
    return bag, torch.arange(len(bag), device=area.device) - (area.cumsum(0) - area)[bag]


def sums(table: Tensor, pixel: Tensor, area: Tensor, weight: Tensor | None) -> Tensor:
    """Return the sum of each bin's pixels, times their weights, (B, c).

    pixel: (T), rows of the table. area: (B), how many belong to each bin, in this order. weight: (T), or None for 1.
    """
    starts = area.cumsum(0) - area
    if table.shape[1] == 1:
        # Of single numbers this is no slower, and its gradient a ninth of the time: embedding_bag's sorts.
        values = table[:, 0].index_select(0, pixel)
        bag = torch.repeat_interleave(area)
        return table.new_zeros(len(area)).index_add(0, bag, values if weight is None else values * weight)[:, None]
    return torch.embedding_bag(table, pixel, starts, False, 0, False, weight)[0]
