"""The fully connected layer: y = x W^T + b.

Source: as old as the field; the counts are those of Krizhevsky, Sutskever and Hinton (2012), Simonyan and Zisserman
(2014) and the lecture notes of Stanford's CS231n.

Shapes: ... any dimensions, I inputs, O outputs.
"""

import math

import torch
from torch import Tensor, nn


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map the last dimension; the arguments and the result are those of torch.nn.functional.linear.

    Args:
        x: (..., I), floating point.
        weight: (O, I).
        bias: (O), or None.

    Returns:
        (..., O).

    Raises:
        ValueError: a shape does not fit.
        TypeError: dtypes or devices differ, or are not floating point.
    """
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"need x (..., I) and weight (O, I): {tuple(x.shape)}, {tuple(weight.shape)}")
    if bias is not None and bias.shape != (len(weight),):
        raise ValueError(f"need a bias of shape ({len(weight)},): {tuple(bias.shape)}")
    for one in (x, weight, *(() if bias is None else (bias,))):
        if not one.is_floating_point() or (one.dtype, one.device) != (x.dtype, x.device):
            raise TypeError(f"need one floating-point dtype, on one device: {x.dtype} and {one.dtype}, {one.device}")
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    y = rows @ weight.T if bias is None else torch.addmm(bias, rows, weight.T)  # one pass over y instead of two
    return y.reshape(*x.shape[:-1], len(weight))


class Linear(nn.Module):
    """`linear` with weights of its own, named, shaped and drawn as torch.nn.Linear's.

    Args:
        inputs, outputs: I and O, at least 1. bias: whether there is one. device, dtype: of the weights.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1:
            raise ValueError(f"need at least one input and output: {inputs}, {outputs}")
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs, device=device, dtype=dtype).uniform_(-bound, bound))
        drawn = torch.empty(outputs, device=device, dtype=dtype).uniform_(-bound, bound) if bias else None
        self.bias = None if drawn is None else nn.Parameter(drawn)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., I) to (..., O)."""
        return linear(x, self.weight, self.bias)
