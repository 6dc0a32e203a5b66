"""The variational autoencoder: a generative model p(z) p(x|z), and a recognition model q(z|x) trained with it.

Source: Kingma and Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114: Eq. 10 is the bound of one draw,
    L(x) = 1/2 sum_j (1 + log sigma_j^2 - mu_j^2 - sigma_j^2) + log p(x|z),   z = mu + sigma * eps,   eps ~ N(0, I)
whose first part is -KL(q(z|x) || p(z)), appendix B; the networks are appendix C's, tanh layers and N(0, 0.01) weights.
What is more than the bound, by importance sampling: Burda, Grosse and Salakhutdinov (2016), arXiv:1509.00519, Eq. 8:
    log p(x) >= E log 1/K sum_k p(x, z_k) / q(z_k|x)

Shapes: N pictures, D pixels, J latent values; x (N, D) in [0, 1]; mu, log_variance, noise, z (N, J); bounds (N), nats.
"""

import math
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn

from dmbench.layers.linear import Linear
from dmbench.models.parts.bernoulli import bernoulli_log_likelihood, checked_pixels


class Recognised(Protocol):
    """What a bound needs of a model, whatever its distributions are made of."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log sigma^2 of q(z|x), each (N, J)."""

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z), shaped as z without its last dimension; x may have fewer leading dimensions."""


class VAE(nn.Module):
    """The paper's model of binary pictures: a Gaussian recognition network and a Bernoulli generator.

    Args:
        inputs: D. hidden: units of the tanh layers from pixels to z; the generator has them in reverse. latent: J.
        deviation: of the normal weights at the start, the root of appendix C's 0.01; None: each layer's own.

    Raises:
        ValueError: a size is below 1, or there is no hidden layer; on call, a pixel is not in [0, 1].
    """

    def __init__(
        self, inputs: int = 784, hidden: tuple[int, ...] = (500,), latent: int = 20, deviation: float | None = 0.1
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("need at least one hidden layer: ()")
        sizes = (inputs, *hidden)
        self.encoder = _tanh_layers(sizes)
        self.mean, self.log_variance = Linear(sizes[-1], latent), Linear(sizes[-1], latent)
        self.decoder = nn.Sequential(_tanh_layers((latent, *hidden[::-1])), Linear(sizes[1], inputs))
        if deviation is not None:
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    nn.init.zeros_(parameter)
                else:
                    nn.init.normal_(parameter, std=deviation)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (N, D), or pictures (N, ...) of D pixels, to mu and log sigma^2 of q(z|x)."""
        h = self.encoder(checked_pixels(x).flatten(1))
        return self.mean(h), self.log_variance(h)

    def decode(self, z: Tensor) -> Tensor:
        """Map z (..., J) to the pixels' logits (..., D); their sigmoids are the probabilities of ink."""
        logits: Tensor = self.decoder(z)
        return logits

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) of the Bernoulli pixels, summed, nats; appendix C.1."""
        return bernoulli_log_likelihood(self.decode(z), x.flatten(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of one draw of z, and mu and log sigma^2."""
        mu, log_variance = self.encode(x)
        return self.decode(reparametrise(mu, log_variance, torch.randn_like(mu))), mu, log_variance


def kl_to_prior(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, I)) over the last dimension, nats (appendix B); at least 0.

    log_variance: log sigma^2. A sigma of 0, and one whose square overflows, are infinitely far away.
    """
    # expm1(s) - s keeps its digits at sigma near 1, where 1 + s - e^s loses them.
    return (mu.square() + torch.expm1(log_variance) - log_variance).sum(-1) / 2


def reparametrise(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Return z = mu + sigma eps, a draw of q whose gradient reaches mu and sigma. noise: eps, of N(0, I)."""
    return mu + torch.exp(log_variance / 2) * noise


def gaussian_log_likelihood(mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
    """Return log N(x; mean, sigma^2) over the last dimension, nats; appendix C.2."""
    scaled = (x - mean).square() * torch.exp(-log_variance)
    return -(scaled + log_variance + math.log(2 * math.pi)).sum(-1) / 2


def elbo(model: Recognised, x: Tensor, noise: Tensor) -> Tensor:
    """Return the lower bound of log p(x) of one draw (Eq. 10, L = 1), (N), nats. noise: eps, (N, J)."""
    mu, log_variance = model.encode(x)
    z = reparametrise(mu, log_variance, noise)
    return model.log_likelihood(x, z) - kl_to_prior(mu, log_variance)


def importance_bound(model: Recognised, x: Tensor, noise: Tensor) -> Tensor:
    """Return Burda's bound of log p(x), (N), nats: rises with K from the bound of one draw to log p(x).

    noise: eps, (K, N, J), of K draws; memory is K x N x D.
    """
    mu, log_variance = model.encode(x)
    z = reparametrise(mu, log_variance, noise)
    log_q = gaussian_log_likelihood(mu, log_variance, z)
    log_prior = gaussian_log_likelihood(torch.zeros_like(mu), torch.zeros_like(mu), z)
    weights = model.log_likelihood(x, z) + log_prior - log_q
    return torch.logsumexp(weights, 0) - math.log(len(noise))


def _tanh_layers(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [Linear(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers)
