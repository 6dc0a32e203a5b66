"""ELU, the exponential linear unit.

Source: Clevert, Unterthiner, Hochreiter (2016), Fast and accurate deep network learning by exponential linear units,
arXiv:1511.07289, section 3:
    f(x) = x if x > 0, else alpha (e^x - 1)        f'(x) = 1 if x > 0, else f(x) + alpha
It saturates at -alpha, which draws the mean of its activations towards 0.

Shapes: any.
"""

import math

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.pointwise import negative, pointwise, positive


def elu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Apply ELU; as torch.nn.functional.elu. The gradient at 0 is alpha, from the left.

    Args:
        x: floating point; float16 and bfloat16 are computed in float32.
        alpha: above 0, as in the paper.
        inplace: write the result to x.

    Raises:
        ValueError: alpha is not positive and finite.
        TypeError: x is not floating point.
    """
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"need alpha above 0: {alpha}")
    return pointwise(x, lambda x: positive(x) + alpha * torch.expm1(negative(x)), inplace)


class ELU(nn.Module):
    """`elu` as a layer; arguments and errors as there, errors on call."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return elu(x, self.alpha, self.inplace)
