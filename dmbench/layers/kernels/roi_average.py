"""The average of each bin, moved or not: over its pixels (Eqs. 5 and 6), or over sample points, as the authors' code.

Source: the equations of dmbench/layers/deform_roi_pool.py. A moved bin is separable: each pixel that it covers whole
counts 1, its first row (column) 1 - f and the row after its last f, where f is the fractional part of the move. So it
costs one row and one column of pixels more than a plain one, not four reads a pixel.

Shapes: B bags in the order (R, kh, kw, G); T pixels of all bags together.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from dmbench.layers.kernels.roi_bags import Rectangles, entries, sums
from dmbench.layers.kernels.roi_bins import bins_of, half_away_from_zero
from dmbench.layers.kernels.roi_tables import from_bags, raised, rectangles, table_of

SMALLEST = 0.1  # pixels: the authors' least side of an RoI


def average(
    input: Tensor,
    boxes: Tensor,
    offset: Tensor | None,
    output: tuple[int, int],
    scale: float,
    gamma: float,
    samples: int | None,
    *,
    position_sensitive: bool,
) -> Tensor:
    """Return (R, C, kh, kw); arguments as in `deform_ps_roi_pool`, checked."""
    maps = math.prod(output) if position_sensitive else 1
    groups = 1 if offset is None else offset.shape[1] // 2
    table = table_of(raised(input), maps, groups)
    moves = None
    if offset is not None:
        moves = gamma * offset.to(table.dtype).view(len(boxes), groups, 2, *output).permute(2, 0, 3, 4, 1).flatten(1)
    bins = bins_of(boxes, scale, output, (input.shape[2], input.shape[3]), last_included=not position_sensitive)
    places = rectangles(bins, input.shape, maps, groups)
    if samples is not None:
        values = _sampled(table, boxes.to(table.dtype), places, moves, output, scale, samples, input.shape[2])
    elif moves is None:
        values = _still(table, places)
    else:
        each = math.prod(output) * groups
        height, width = (size.repeat_interleave(each) for size in bins.size)
        values = _moved(table, places, moves[1] * height, moves[0] * width, input.shape[2])
    return from_bags(values, groups, output, input)


def _still(table: Tensor, bins: Rectangles) -> Tensor:
    """Eq. 5."""
    bag, place = entries(bins)
    return sums(table, bins.pixel(bag, place)[2], bins.area, None) / bins.area.clamp(min=1)[:, None]


def _moved(table: Tensor, bins: Rectangles, dy: Tensor, dx: Tensor, height: int) -> Tensor:
    """Eq. 6. dy, dx: (B), pixels."""
    top, bottom, down, rows, start = _span(bins.top, bins.rows, dy, height)
    left, right, along, columns, begin = _span(bins.left, bins.columns, dx, bins.width)
    moved = replace(bins, top=start, rows=rows, left=begin, columns=columns)
    bag, place = entries(moved)
    y, x, pixel = moved.pixel(bag, place)
    weight = _weight(y, top, bottom, down, bag) * _weight(x, left, right, along, bag)
    return sums(table, pixel, moved.area, weight) / bins.area.clamp(min=1)[:, None]


def _span(first: Tensor, count: Tensor, shift: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Move `count` pixels: first and last that are touched, f, and how many are inside, and from where. All (B)."""
    shift = shift.clamp(-length - 1, length + 1)  # there all are outside; an infinity becomes finite
    whole = shift.detach().floor()
    low = first + whole.nan_to_num().long()  # a NaN stays in f
    high = low + count
    start = low.clamp(0, length)
    inside = ((high + 1).clamp(0, length) - start) * (count > 0)
    return low, high, shift - whole, inside, start


def _weight(at: Tensor, low: Tensor, high: Tensor, fraction: Tensor, bag: Tensor) -> Tensor:
    """1 - f for the first pixel, f for the last, 1 between."""
    f = fraction.index_select(0, bag)
    return torch.where(at == low[bag], 1 - f, torch.where(at == high[bag], f, 1))


def _sampled(
    table: Tensor,
    boxes: Tensor,
    bins: Rectangles,
    moves: Tensor | None,
    output: tuple[int, int],
    scale: float,
    samples: int,
    height: int,
) -> Tensor:
    """The authors' code: samples x samples points of each fractional bin. moves: (2, B), x and y, of the RoI's size."""
    corners = half_away_from_zero(boxes[:, 1:])
    low, high = corners[:, :2] * scale - 0.5, (corners[:, 2:] + 1) * scale - 0.5
    size = (high - low).clamp(min=SMALLEST)
    bags = len(boxes), *output, len(bins.base) // max(1, len(boxes) * math.prod(output))
    sides = []
    for axis, (k, length, view) in enumerate(
        [(output[1], bins.width, (1, 1, -1, 1)), (output[0], height, (1, -1, 1, 1))]
    ):
        extent = size[:, axis].view(-1, 1, 1, 1)
        number = torch.arange(k, device=boxes.device).view(view)
        start = (low[:, axis].view(-1, 1, 1, 1) + number * (extent / k)).expand(bags).reshape(-1)
        whole = extent.expand(bags).reshape(-1)
        if moves is not None:
            start = start + moves[axis] * whole
        points = start[:, None] + torch.arange(samples, device=boxes.device) * (whole / k / samples)[:, None]
        sides.append(_line(points, length))
    (x, across), (y, along) = sides
    pixel = (bins.base[:, None, None] + y[:, :, None] * bins.width + x[:, None, :]).flatten()
    weight = (along[:, :, None] * across[:, None, :]).flatten()
    return sums(table, pixel, torch.full_like(bins.base, (2 * samples) ** 2), weight)


def _line(points: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Pixels and weights, (B, 2 * samples), of the average over the points (B, samples) of a line of pixels."""
    inside = ~((points < -0.5) | (points > length - 0.5))  # a NaN is inside, and stays a NaN
    at = points.clamp(0, length - 1)
    first = at.detach().floor()
    f, index = at - first, first.nan_to_num().long()
    share = inside.to(points) / inside.sum(1, keepdim=True).clamp(min=1)
    weight = torch.cat([torch.where(inside, 1 - f, 0) * share, torch.where(inside, f, 0) * share], 1)
    return torch.cat([index, (index + 1).clamp(max=length - 1)], 1), weight
