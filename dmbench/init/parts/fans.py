"""How many inputs a unit has, and how many units an input feeds; and the draws that initialisations make with them.

Shapes: a weight is (outputs, inputs, *kernel), as torch's linear layers and convolutions hold it; with groups, inputs
are those of one group.
"""

import math

import torch
from torch import Tensor


def fans(weight: Tensor) -> tuple[int, int]:
    """Return fan in, inputs x kernel, and fan out, outputs x kernel: k^2 c and k^2 d of a convolution.

    Raises: ValueError: fewer than two dimensions, or one of size 0.
    """
    if weight.ndim < 2 or weight.numel() == 0:
        raise ValueError(f"need a weight (outputs, inputs, ...) that is not empty: {tuple(weight.shape)}")
    field = math.prod(weight.shape[2:])
    return weight.shape[1] * field, weight.shape[0] * field


@torch.no_grad()
def fill_normal(weight: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
    """Draw the weight in place from N(0, std^2), and return it.

    Raises: ValueError: std is negative or not finite. TypeError: the weight is not floating point.
    """
    _check(weight, "std", std)
    return weight.normal_(0, std, generator=generator)


@torch.no_grad()
def fill_uniform(weight: Tensor, bound: float, generator: torch.Generator | None) -> Tensor:
    """Draw the weight in place from U[-bound, bound], and return it.

    Raises: ValueError: bound is negative or not finite. TypeError: the weight is not floating point.
    """
    _check(weight, "bound", bound)
    return weight.uniform_(-bound, bound, generator=generator)


def _check(weight: Tensor, name: str, value: float) -> None:
    if not weight.is_floating_point():
        raise TypeError(f"need a floating-point weight: {weight.dtype}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be 0 or more, and finite: {value}")
