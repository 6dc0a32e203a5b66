"""SELU: an exponential linear unit scaled so that mean 0 and variance 1 are a stable fixed point from layer to layer.

Source: Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-Normalizing Neural Networks, arXiv:1706.02515. Eq. 2:
    selu(x) = lambda x if x > 0, else lambda alpha (e^x - 1)
A unit sums n activations of mean mu and variance nu by weights with omega = sum w_i and tau = sum w_i^2: for large n
that is a normal value of mean mu omega and variance nu tau. Eqs. 4 and 5 give mean and variance behind the unit; alpha
and lambda solve them for (0, 1) -> (0, 1) at omega = 0, tau = 1, which weights of variance 1/n meet on average.

Shapes: x any; mu, omega, nu and tau broadcast against each other.
"""

import math

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.pointwise import negative, pointwise, positive


def constants(variance: float = 1.0) -> tuple[float, float]:
    """Solve Eqs. 4 and 5 for alpha and lambda, so that mean 0 and this variance are a fixed point.

    Raises:
        ValueError: the variance is not positive and finite.
    """
    if not (variance > 0 and math.isfinite(variance)):
        raise ValueError(f"need a variance above 0: {variance}")
    once, twice = (math.exp(k * k * variance / 2) * math.erfc(k * math.sqrt(variance / 2)) for k in (1, 2))
    alpha = math.sqrt(2 * variance / math.pi) / (1 - once)  # of Eq. 4 lambda cancels
    squared = variance + alpha**2 * (1 - 2 * once + twice)
    return alpha, math.sqrt(2 * variance / squared)


ALPHA, LAMBDA = constants()


def selu(x: Tensor, inplace: bool = False) -> Tensor:
    """Apply SELU (Eq. 2); as torch.nn.functional.selu.

    x: floating point; float16 and bfloat16 are computed in float32. inplace: write the result to x. The gradient at 0
    is lambda alpha, from the left.

    Raises:
        TypeError: x is not floating point.
    """
    return pointwise(x, lambda x: LAMBDA * positive(x) + LAMBDA * ALPHA * torch.expm1(negative(x)), inplace)


class SELU(nn.Module):
    """`selu` as a layer. inplace: write the result to the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return selu(x, self.inplace)


def moments(
    mu: Tensor,
    nu: Tensor,
    omega: Tensor | float = 0.0,
    tau: Tensor | float = 1.0,
    alpha: float = ALPHA,
    scale: float = LAMBDA,
) -> tuple[Tensor, Tensor]:
    """Map mean and variance of activations to those behind the next layer, g of Eq. 3, by Eqs. 4 and 5.

    Args:
        mu, nu: mean and variance of the activations that a unit sums, float64; nu above 0.
        omega, tau: sum and sum of squares of its weights; tau above 0.
        alpha, scale: of the unit; scale is the paper's lambda. 1 and 1 are ELU.

    Returns:
        Mean and variance of what the unit gives.
    """
    mean, variance = mu * omega, nu * tau
    deviation = variance.sqrt()
    below = torch.erfc(mean / (deviation * math.sqrt(2)))  # twice the probability of a negative sum
    once, twice = (
        torch.exp(k * mean + k * k * variance / 2) * torch.erfc((mean + k * variance) / (deviation * math.sqrt(2)))
        for k in (1, 2)
    )
    bell = math.sqrt(2 / math.pi) * deviation * torch.exp(-(mean**2) / (2 * variance))
    new_mean = scale / 2 * (mean * (2 - below) + bell + alpha * (once - below))  # Eq. 4, 1 + erf = 2 - erfc
    squared = (mean**2 + variance) * (2 - below) + mean * bell + alpha**2 * (twice - 2 * once + below)
    return new_mean, scale**2 / 2 * squared - new_mean**2
