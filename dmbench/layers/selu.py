"""SELU: an exponential linear unit scaled so that mean 0 and variance 1 are a stable fixed point from layer to layer.

Source: Klambauer, Unterthiner, Mayr, Hochreiter (2017), Self-Normalizing Neural Networks, arXiv:1706.02515. Eq. 2:
    selu(x) = lambda x if x > 0, else lambda alpha (e^x - 1)
A unit sums n activations of mean mu and variance nu by weights with omega = sum w_i and tau = sum w_i^2: for large n
that is a normal value of mean mu omega and variance nu tau. Eqs. 4 and 5 give mean and variance behind the unit; alpha
and lambda solve them for (0, 1) -> (0, 1) at omega = 0, tau = 1, which weights of variance 1/n meet on average.
Alpha dropout, section 3: a unit that is dropped takes alpha' = -lambda alpha, where SELU ends, not 0; kept with
probability q, its mean 0 and variance 1 come back by y = a (x d + alpha' (1 - d)) + b, d ~ Bernoulli(q),
    a = (q + alpha'^2 q (1 - q))^(-1/2)        b = -a (1 - q) alpha'

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


def alpha_dropout(
    x: Tensor, p: float = 0.5, training: bool = False, *, generator: torch.Generator | None = None
) -> Tensor:
    """Drop each value of x with probability p to alpha', and restore mean 0 and variance 1.

    As torch.nn.functional.alpha_dropout, on a CPU with its masks after the same seed; but p = 1 is refused.

    Args:
        x: floating point, of mean 0 and variance 1, for these to stay; the paper drops with p = 0.05 or 0.1.
        p: probability of dropping, 1 - q, 0 <= p < 1.
        training: False returns x.
        generator: where masks are drawn from, on the device of x; None: torch's own of that device.

    Raises:
        ValueError: p is not in [0, 1).
        TypeError: x is not floating point.
    """
    _check_probability(p)
    if not x.is_floating_point():
        raise TypeError(f"need a floating-point input, convert first: {x.dtype}")
    if not training or p == 0:
        return x
    q, low = 1 - p, -LAMBDA * ALPHA
    a: float = (q + low**2 * q * p) ** -0.5
    mask = torch.empty_like(x, requires_grad=False).bernoulli_(q, generator=generator)
    shift = a * low * (1 - mask) - a * p * low
    return x * (a * mask) + shift


class AlphaDropout(nn.Module):
    """`alpha_dropout` in training mode, the identity in evaluation mode. p, generator: as there; raises as there."""

    def __init__(self, p: float = 0.5, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        _check_probability(p)
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return alpha_dropout(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        """Return what the module's line shows."""
        return f"p={self.p}"


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


def _check_probability(p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"need a probability of dropping p, 0 <= p < 1: {p}")
