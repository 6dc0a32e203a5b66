"""Three classic surfaces that optimisers are tried on: an ill-conditioned valley, a saddle, a cliff.

The cliff is that of Pascanu et al. (2013), arXiv:1211.5063, section 2.3 and Figure 6: a recurrent net of one unit,
x_t = w sigmoid(x_t-1) + b from x_0 = 0.5, and the error (sigmoid(x_50) - 0.7)^2 over w and b.

Shapes: a place is (2,), float64: along and across the valley; down and up the saddle's two slopes; w and b.
"""

import torch
from torch import Tensor

CURVATURES = (1.0, 100.0)  # of the valley
STEPS = 50  # of the recurrent net


def valley(w: Tensor) -> Tensor:
    """A quadratic whose condition number is 100."""
    return 0.5 * (CURVATURES[0] * w[0] ** 2 + CURVATURES[1] * w[1] ** 2)


def saddle(w: Tensor) -> Tensor:
    """Up in w[0], down in w[1], flat at 0."""
    return 0.5 * (w[0] ** 2 - w[1] ** 2)


def cliff(w: Tensor) -> Tensor:
    """The error of the recurrent net of one unit; w: (2, ...), its weight and bias."""
    x = torch.full_like(w[0], 0.5)
    for _ in range(STEPS):
        x = w[0] * torch.sigmoid(x) + w[1]
    return (torch.sigmoid(x) - 0.7) ** 2
