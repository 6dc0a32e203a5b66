"""GAN's losses by torch's binary cross-entropy, and Parzen windows by broadcasting and by scipy."""

from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy


def torch_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Compute minus the value function from scores."""
    return cross_entropy(real, torch.ones_like(real)) + cross_entropy(fake, torch.zeros_like(fake))


def torch_generator_loss(fake: Tensor, kind: str = "non_saturating") -> Tensor:
    """Compute either loss from scores."""
    if kind == "minimax":
        return -cross_entropy(fake, torch.zeros_like(fake))
    return cross_entropy(fake, torch.ones_like(fake))


def broadcast_parzen(points: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Compute log p from all differences of ten points at a time, 10 M D values, as parzen_ll.py does by Theano."""
    width = points.shape[1]
    found = []
    for few in torch.split(points, 10):
        scaled = (few[:, None] - samples[None]) / sigma
        found.append(torch.logsumexp(-scaled.square().sum(2) / 2, 1))
    return torch.cat(found) - log(len(samples)) - width * log(sigma * sqrt(2 * pi))


def cdist_parzen(points: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Compute log p from torch.cdist: N M distances are held."""
    exponents = -torch.cdist(points, samples).square() / (2 * sigma**2)
    return torch.logsumexp(exponents, 1) - log(len(samples)) - points.shape[1] * log(sigma * sqrt(2 * pi))


def scipy_parzen(points: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Compute log p by scipy's distances and logsumexp: N M distances are held, in float64."""
    try:
        from scipy.spatial.distance import cdist
        from scipy.special import logsumexp
    except ImportError as error:
        raise NotImplementedError("scipy is not installed: pip install scipy") from error
    squared = cdist(points.cpu().numpy(), samples.cpu().numpy(), "sqeuclidean")
    found = logsumexp(-squared / (2 * sigma**2), axis=1) - np.log(len(samples))
    return torch.from_numpy(found - points.shape[1] * log(sigma * sqrt(2 * pi))).to(points)


PEERS = {
    "torch.nn": {"discriminator_loss": torch_discriminator_loss, "generator_loss": torch_generator_loss},
    "broadcast": {"parzen": broadcast_parzen},
    "torch.cdist": {"parzen": cdist_parzen},
    "scipy": {"parzen": scipy_parzen},
}
