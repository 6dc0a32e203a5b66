"""Sequences that cut a side into pooling regions, and the rows that each region has.

Source: Graham (2014), Fractional Max-Pooling, arXiv:1412.6071, section 2; dmbench/layers/fractional_max_pool2d.py.

Shapes: O regions along a side; a sequence has O + 1 entries, int64; N batch, C channels.
"""

import torch
from torch import Tensor


def random_sequence(side: int, out: int, generator: torch.Generator | None = None) -> Tensor:
    """Return a sequence from 0 to `side` by a random permutation of 2 out - side ones and side - out twos."""
    check_sides(side, out)
    increments = torch.ones(out, dtype=torch.int64)
    increments[: side - out] = 2
    shuffled = increments[torch.randperm(out, generator=generator)]
    return torch.cat([torch.zeros(1, dtype=torch.int64), shuffled.cumsum(0)])


def pseudorandom_sequence(side: int, out: int, u: float) -> Tensor:
    """Return ceiling(alpha (i + u)) - ceiling(alpha u) for i from 0 to out, alpha = side / out, exactly.

    u: 0 to 1. All is computed in whole numbers, so that no rounding makes an increment of 0 or 3.
    """
    check_sides(side, out)
    if not 0 <= u <= 1:
        raise ValueError(f"need u from 0 to 1: {u}")
    top, bottom = float(u).as_integer_ratio()
    ceilings = [-(-side * (i * bottom + top) // (out * bottom)) for i in range(out + 1)]
    return torch.tensor(ceilings) - ceilings[0]


def places(sequence: Tensor, side: int, overlapping: bool) -> Tensor:
    """Return the rows of each region, (O, R); a region of fewer than R has its last one several times."""
    steps = sequence.diff()
    if sequence.ndim != 1 or len(steps) < 1 or sequence[0] != 0 or sequence[-1] not in (side - 1, side):
        raise ValueError(f"need a sequence from 0 to {side} or {side - 1}: {sequence.tolist()}")
    if not bool((steps > 0).all()):
        raise ValueError(f"need increments above 0: {steps.tolist()}")
    last = (sequence[1:] - (0 if overlapping else 1)).clamp(max=side - 1)
    reach = torch.arange(int((last - sequence[:-1]).max()) + 1)
    return torch.minimum(sequence[:-1, None] + reach, last[:, None])


def starts(side: int, window: int, out: int, u: Tensor) -> Tensor:
    """Return where the windows begin, (N, C, O)."""
    steps = torch.arange(out, device=u.device)
    if out == 1:
        return torch.full((*u.shape, 1), side - window, device=u.device)
    alpha = (side - window) / (out - 1)
    found = ((steps + u[..., None]) * alpha).long() - (u[..., None] * alpha).long()
    found[..., -1] = side - window
    return found


def check_sides(side: int, out: int) -> None:
    if not out <= side <= 2 * out:
        raise ValueError(f"need an output of {(side + 1) // 2} to {side} for a side of {side}: {out}")
