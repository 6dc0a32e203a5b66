"""A model whose log-likelihood is known: x = W z + b + deviation e, z and e normal; and means over noise, exactly.

The columns of W are orthogonal, so that the posterior p(z|x) has no covariances and a recognition model can meet it.

Shapes: N points of D = 3 values, J = 2 latent ones; x (N, D); z (N, J); Q points of a quadrature.
"""

import math

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

W = ((0.6, -0.8), (0.8, 0.6), (0.0, 0.0))
SCALES = (1.5, 0.5)  # of the columns of W
BIAS = (0.3, -0.2, 0.1)
DEVIATION = 0.7
POINTS = ((0.5, -1.0, 0.2), (2.0, 1.0, 0.0), (0.0, 0.0, -1.0))


class LinearGaussian:
    """The model with a recognition model that misses the exact posterior by so much.

    shift: added to the posterior's mean. widen: added to its log variance.
    """

    def __init__(self, shift: float = 0.0, widen: float = 0.0) -> None:
        self.shift, self.widen = shift, widen
        self.w = torch.tensor(W, dtype=torch.float64) * torch.tensor(SCALES, dtype=torch.float64)
        self.bias = torch.tensor(BIAS, dtype=torch.float64)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of p(z|x), (N, J)."""
        variance = 1 / (1 + self.w.square().sum(0) / DEVIATION**2)
        mean = variance * ((x - self.bias) @ self.w) / DEVIATION**2
        return mean, variance.log().expand_as(mean)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), (N, J)."""
        mean, log_variance = self.posterior(x)
        return mean + self.shift, log_variance + self.widen

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z), nats."""
        scaled = (x - z @ self.w.T - self.bias) / DEVIATION
        return -scaled.square().sum(-1) / 2 - len(BIAS) * (math.log(DEVIATION) + math.log(2 * math.pi) / 2)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Return log p(x), (N), nats: x is normal with covariance W W' + deviation^2 I."""
        covariance = self.w @ self.w.T + DEVIATION**2 * torch.eye(len(BIAS), dtype=torch.float64)
        log_p: Tensor = MultivariateNormal(self.bias, covariance).log_prob(x)  # type: ignore[no-untyped-call]
        return log_p

    def missed(self, x: Tensor) -> Tensor:
        """Return KL(q(z|x) || p(z|x)), (N), nats, by torch.distributions."""
        q, p = (
            Independent(Normal(mean, (log_variance / 2).exp()), 1)
            for mean, log_variance in (self.encode(x), self.posterior(x))
        )
        return kl_divergence(q, p)


def points() -> Tensor:
    """Return the points that are looked at, (N, D)."""
    return torch.tensor(POINTS, dtype=torch.float64)


def quadrature(dimensions: int) -> tuple[Tensor, Tensor]:
    """Return noise (Q, dimensions) and weights (Q) of sum 1: means over N(0, I), exact to the fifth power."""
    nodes = torch.tensor([-math.sqrt(3), 0.0, math.sqrt(3)], dtype=torch.float64)
    weights = torch.tensor([1 / 6, 2 / 3, 1 / 6], dtype=torch.float64)
    both = (torch.cartesian_prod(*[one] * dimensions).view(-1, dimensions) for one in (nodes, weights))
    noise, factors = both
    return noise, factors.prod(1)
