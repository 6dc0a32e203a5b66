"""Where RoIs and their bins lie, in whole pixels.

Source: the equations of dmbench/layers/deform_roi_pool.py. The bounds of bins are computed in integers: bin i of k
spans floor(i * w / k) <= p < ceil((i + 1) * w / k) of an RoI of w pixels, so that neighbours may share a pixel.

Shapes: N pictures of H x W pixels, R RoIs of kh x kw bins. Pairs are (rows, columns), boxes (x, y) as the papers'.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bins:
    """The pixels [start, stop) of the rows and columns of bins, cut off at the borders of the picture.

    picture (R): which one; size: heights and widths (R) of the RoIs, pixels, before they are cut off;
    start, stop: (R, kh) of the rows and (R, kw) of the columns.
    """

    picture: Tensor
    size: tuple[Tensor, Tensor]
    start: tuple[Tensor, Tensor]
    stop: tuple[Tensor, Tensor]


def bins_of(
    boxes: Tensor, scale: float, output: tuple[int, int], picture: tuple[int, int], *, last_included: bool
) -> Bins:
    """Round the corners to pixels, half away from zero, and divide what lies between into bins.

    boxes: (R, 5), checked. last_included: whether the second corner's pixel belongs to the RoI. An RoI of no pixels, or
    with its corners swapped, becomes one of one pixel at its first corner.
    """
    corners = half_away_from_zero((boxes[:, 1:] * scale).double()).long()
    size, start, stop = [], [], []
    for low, high, k, length in zip(corners[:, [1, 0]].T, corners[:, [3, 2]].T, output, picture, strict=True):
        extent = (high - low + int(last_included)).clamp(min=1)
        steps = torch.arange(k + 1, device=boxes.device) * extent[:, None]
        size.append(extent)
        start.append((low[:, None] + steps[:, :-1] // k).clamp(0, length))
        stop.append((low[:, None] - (-steps[:, 1:] // k)).clamp(0, length))
    return Bins(boxes[:, 0].long(), (size[0], size[1]), (start[0], start[1]), (stop[0], stop[1]))


def half_away_from_zero(x: Tensor) -> Tensor:
    """Round as C does; torch rounds halves to even."""
    whole = x.trunc()
    return whole + (x - whole).mul(2).trunc()
