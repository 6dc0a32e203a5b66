"""Glorot's initialisation, also Xavier's: the variance is a compromise between what signals and gradients ask for.

Source: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, AISTATS,
section 4.2. With units that are linear near 0, activations keep their variance where n_in Var(W) = 1 (Eq. 10), and
gradients where n_out Var(W) = 1 (Eq. 11):

    Var(W) = 2 / (n_in + n_out) (Eq. 12),    W ~ U[-b, b], b = sqrt(6 / (n_in + n_out)) (Eq. 16)

and, as people did before, W ~ U[-1 / sqrt(n_in), 1 / sqrt(n_in)] (Eq. 1), of which n_in Var(W) = 1/3 (Eq. 15).

Shapes: weights (outputs, inputs, *kernel); a kernel's places count in both fans.
"""

import math

import torch
from torch import Tensor

from dmbench.init.parts.fans import fans, fill_normal, fill_uniform


def glorot_uniform_(weight: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Draw the weight in place by Eq. 16, and return it.

    Args:
        weight: floating point. gain: multiplies every weight, 0 or more; 1 in the paper.

    Raises: ValueError: fewer than two dimensions, an empty weight, a gain that is negative or not finite.
        TypeError: the weight is not floating point.
    """
    return fill_uniform(weight, math.sqrt(3) * std(weight, gain), generator)


def glorot_normal_(weight: Tensor, gain: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Draw the weight in place from a normal distribution of the variance of Eq. 12; else as `glorot_uniform_`."""
    return fill_normal(weight, std(weight, gain), generator)


def standard_uniform_(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw the weight in place by Eq. 1, the paper's "standard initialization"; errors as of `glorot_uniform_`."""
    return fill_uniform(weight, 1 / math.sqrt(fans(weight)[0]), generator)


def std(weight: Tensor, gain: float = 1.0) -> float:
    """Return the standard deviation of Eq. 12 for a weight's shape."""
    return gain * math.sqrt(2 / sum(fans(weight)))
