"""Fractional max pooling: maps shrink by a factor alpha between 1 and 2, by regions drawn anew each time.

Source: Graham (2014), Fractional Max-Pooling, arXiv:1412.6071, section 2. Rows and columns are cut at increasing
sequences a and b whose increments are 1 or 2; region (i, j) is the rows and columns
    disjoint: a_{i-1} to a_i - 1, b_{j-1} to b_j - 1        overlapping: a_{i-1} to a_i, b_{j-1} to b_j      (Eq. 1)
Random: the increments are a random permutation of ones and twos. Pseudorandom: a_i = ceiling(alpha (i + u)), with u in
(0, 1).

Shapes: N batch, C channels, (H, W) input, (O, O') output; alpha = H / O and W / O'. A sequence has O + 1 entries.

Differs from the paper:
1. Sequences begin at 0 and end at H, so that disjoint regions cover all H rows, as the increments that section 2 prints
   do (18 of them, of sum 25, for 25 rows); "starting at 1, ending with N_in" is one short of that. Of the last
   overlapping regions, what lies beyond the map is left out. A sequence that ends at H - 1 is taken as well.
2. `alpha` may be 1 and 2 too: the identity, and pooling by 2 x 2 where regions are disjoint.
3. One pair of sequences serves all maps of a call, as in the paper; torch draws one for each map.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dmbench.layers.conv2d import Pair, pair
from dmbench.layers.kernels.fractional_regions import (
    check_sides,
    places,
    pseudorandom_sequence,
    random_sequence,
    starts,
)
from dmbench.layers.kernels.pointwise import checked

KINDS = ("random", "pseudorandom")


class Regions(NamedTuple):
    """The sequences of rows (O + 1) and columns (O' + 1), int64, and whether regions reach to the next one's first."""

    rows: Tensor
    columns: Tensor
    overlapping: bool


def fractional_max_pool2d(
    x: Tensor,
    output_size: Pair | None = None,
    *,
    alpha: float | None = None,
    kind: str = "random",
    overlapping: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pool by regions drawn for this call.

    Args:
        x: (N, C, H, W), floating point.
        output_size: O or (O, O'), from half of the input, rounded up, to all of it; or
        alpha: the pooling ratio, 1 to 2, from which O is H / alpha, rounded.
        kind: "random" or "pseudorandom" sequences.
        overlapping: whether neighbouring regions share a row and a column.
        generator: what draws, on the CPU; None: torch's own.

    Returns:
        (N, C, O, O'). The gradient goes to the first maximum of a region.

    Raises:
        ValueError: a shape, a size, a ratio or a kind does not fit; the message has the value.
        TypeError: x is not floating point.
    """
    if kind not in KINDS:
        raise ValueError(f"need kind random or pseudorandom: {kind}")
    size = output_of(x, output_size, alpha)
    if kind == "random":
        rows, columns = (random_sequence(*sides, generator) for sides in zip(x.shape[2:], size, strict=True))
    else:
        u = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        rows, columns = (pseudorandom_sequence(*sides) for sides in zip(x.shape[2:], size, u, strict=True))
    return region_max_pool2d(x, Regions(rows, columns, overlapping))


def output_of(x: Tensor, output_size: Pair | None, alpha: float | None) -> tuple[int, int]:
    """Return O and O' of a size or of a ratio. Raises as `fractional_max_pool2d`."""
    checked(x)
    if x.ndim != 4:
        raise ValueError(f"need x (N, C, H, W): {tuple(x.shape)}")
    if (output_size is None) == (alpha is None):
        raise ValueError(f"need output_size or alpha, one of them: {output_size}, {alpha}")
    if alpha is not None:
        if not 1 <= alpha <= 2:
            raise ValueError(f"need alpha from 1 to 2: {alpha}")
        # Of an odd side a half of it is not whole: alpha = 2 takes the larger neighbour, which increments of 2 reach.
        found = [max(round(side / alpha), (side + 1) // 2) for side in x.shape[2:]]
        return found[0], found[1]
    size = pair(output_size, "output_size", 1)  # type: ignore[arg-type]
    for side, out in zip(x.shape[2:], size, strict=True):
        check_sides(side, out)
    return size


def region_max_pool2d(x: Tensor, regions: Regions) -> Tensor:
    """Take the maximum of each region of given sequences; x, result and errors as `fractional_max_pool2d`."""
    checked(x)
    if x.ndim != 4:
        raise ValueError(f"need x (N, C, H, W): {tuple(x.shape)}")
    rows, columns = (
        places(sequence, side, regions.overlapping) for sequence, side in zip(regions[:2], x.shape[2:], strict=True)
    )
    return _max_over(x, rows.to(x.device), columns.to(x.device))


def window_max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    output_size: Pair | None = None,
    output_ratio: float | tuple[float, float] | None = None,
    *,
    _random_samples: Tensor | None = None,
) -> Tensor:
    """Pool as torch.nn.functional.fractional_max_pool2d does: windows of one size, begun at a pseudorandom sequence.

    Of O windows the last begins at H - F, and the others at floor((i + u) alpha) - floor(u alpha), with
    alpha = (H - F) / (O - 1).

    Args:
        x: (N, C, H, W), floating point.
        kernel_size: the window, F or (F, F').
        output_size: O or (O, O'); or output_ratio: O / H, or one of each side, between 0 and 1.
        _random_samples: u, (N, C, 2), of the columns and then of the rows, 0 to 1; None: drawn.

    Returns and raises as `fractional_max_pool2d`; F + O - 1 must be at most H.
    """
    checked(x)
    if x.ndim != 4 or (output_size is None) == (output_ratio is None):
        sizes = f"{tuple(x.shape)}, {output_size}, {output_ratio}"
        raise ValueError(f"need x (N, C, H, W), and output_size or output_ratio: {sizes}")
    window = pair(kernel_size, "kernel_size", 1)
    if output_ratio is not None:
        ratios = output_ratio if isinstance(output_ratio, tuple) else (output_ratio, output_ratio)
        if not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"need output_ratio between 0 and 1: {output_ratio}")
        output_size = (int(x.shape[2] * ratios[0]), int(x.shape[3] * ratios[1]))
    size = pair(output_size, "output_size", 1)  # type: ignore[arg-type]
    for side, seen, out in zip(x.shape[2:], window, size, strict=True):
        if seen + out - 1 > side:
            raise ValueError(f"{out} windows of {seen} need a side of at least {seen + out - 1}: {side}")
    u = torch.rand(*x.shape[:2], 2, dtype=x.dtype, device=x.device) if _random_samples is None else _random_samples
    rows, columns = (starts(x.shape[axis + 2], window[axis], size[axis], u[..., 1 - axis]) for axis in (0, 1))
    offsets = [torch.arange(seen, device=x.device) for seen in window]
    return _max_over(x, rows[..., None] + offsets[0], columns[..., None] + offsets[1])


class FractionalMaxPool2d(nn.Module):
    """`fractional_max_pool2d` as a layer, which draws its regions anew at every call, in training and after."""

    def __init__(
        self,
        output_size: Pair | None = None,
        *,
        alpha: float | None = None,
        kind: str = "random",
        overlapping: bool = True,
    ) -> None:
        super().__init__()
        self.output_size, self.alpha, self.kind, self.overlapping = output_size, alpha, kind, overlapping

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return fractional_max_pool2d(
            x, self.output_size, alpha=self.alpha, kind=self.kind, overlapping=self.overlapping
        )


def _max_over(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Take the maximum over rows (..., O, R) and columns (..., O', R') of each region, ... nothing or (N, C)."""
    batch, channels, _, width = x.shape
    rows = rows.expand(batch, channels, *rows.shape[-2:])
    columns = columns.expand(batch, channels, *columns.shape[-2:])
    pixels = rows[:, :, :, None, :, None] * width + columns[:, :, None, :, None, :]  # (N, C, O, O', R, R')
    values = x.flatten(2).gather(2, pixels.flatten(2)).view(pixels.shape)
    return values.flatten(-2).max(-1).values
