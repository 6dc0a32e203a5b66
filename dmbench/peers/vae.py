"""The variational autoencoder's parts by torch.distributions and torch.nn.functional, and by torch.compile of ours."""

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from dmbench.models.vae import elbo
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(elbo)


def torch_nn_kl(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return torch's divergence of two normal distributions."""
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return kl_divergence(Normal(mu, (log_variance / 2).exp()), prior).sum(-1)


def torch_nn_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Return minus torch's binary cross-entropy."""
    return -binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)


PEERS = {
    "torch.nn": {"kl": torch_nn_kl, "likelihood": torch_nn_likelihood},
    "torch.compile": {"bound": compiled},
}
