"""What the activations are made of: the positive and the negative part of x, and how half types and x's place are kept.

x = positive(x) + negative(x). 0 counts as negative: there the gradient of `positive` is 0 and that of `negative` 1; at
NaN both are 1. Both choose by torch's threshold, many times as fast on a CPU as torch.where, whose branches on noise
are guesses.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import threshold

HALVES = (torch.float16, torch.bfloat16)
TINY = {torch.float32: 2.0**-149, torch.float64: 2.0**-1074}  # the smallest value above 0


def pointwise(x: Tensor, function: Callable[[Tensor], Tensor], inplace: bool = False) -> Tensor:
    """Apply a function that keeps the shape; float16 and bfloat16 are computed in float32 and rounded once.

    inplace: write the result to x and return x, as torch does.

    Raises:
        TypeError: x is not floating point.
    """
    checked(x)
    if inplace:  # what backward needs of x must outlive x
        return x.copy_(function(raised(x.clone())))
    return function(raised(x)).to(x.dtype)


def positive(x: Tensor) -> Tensor:
    """Return x where it is above 0, or NaN, and 0 elsewhere."""
    return threshold(x, 0, 0)


def negative(x: Tensor) -> Tensor:
    """Return x where it is 0 or below, or NaN, and 0 elsewhere. x: float32 or float64."""
    return -threshold(-x, -TINY[x.dtype], 0)


def checked(x: Tensor) -> None:
    """Raise TypeError unless x is floating point."""
    if not x.is_floating_point():
        raise TypeError(f"need a floating-point dtype, convert first: {x.dtype}")


def raised(x: Tensor) -> Tensor:
    """Return x in float32 where its dtype is narrower."""
    return x.float() if x.dtype in HALVES else x
