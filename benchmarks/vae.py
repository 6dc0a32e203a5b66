"""The variational autoencoder at the papers' sizes: a step of training's gradients, and log-likelihoods by importance.

Sizes: Kingma and Welling (2014), section 5: 500 units, 20 latent values, 100 digits an update; Burda et al. (2016),
section 5: twice 200 units, 50 latent values.
"""

from functools import partial

import torch

from dmbench.models.parts.bernoulli import bernoulli_log_likelihood
from dmbench.models.vae import VAE, elbo, importance_bound
from dmbench.peers.vae import PEERS

from ._common import _Measured, device_or_skip, with_peers

NETS = {"500-20": ((500,), 20), "200-200-50": ((200, 200), 50)}
BOUNDS = with_peers(elbo, PEERS, "bound")
LIKELIHOODS = with_peers(bernoulli_log_likelihood, PEERS, "likelihood")


class Training(_Measured):
    """The bound of 100 digits and the gradients of all parameters."""

    params = (list(NETS), list(BOUNDS), ["cpu", "cuda"])
    param_names = ("size", "implementation", "device")
    headline = (("500-20",),)

    def setup(self, size, implementation, device):
        self.device = device_or_skip(device)
        hidden, latent = NETS[size]
        net = VAE(784, hidden, latent).to(self.device)
        x = torch.rand(100, 784, device=self.device).round()
        noise = torch.randn(100, latent, device=self.device)
        bound, parameters = BOUNDS[implementation], list(net.parameters())
        self.run = lambda: torch.autograd.grad(bound(net, x, noise).mean(), parameters)
        self.run()


class Likelihood(_Measured):
    """log p(x|z) of 100 digits and its gradients by the logits."""

    params = (list(LIKELIHOODS), ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        logits = torch.randn(100, 784, device=self.device, requires_grad=True)
        x = torch.rand(100, 784, device=self.device).round()
        self.run = lambda: torch.autograd.grad(LIKELIHOODS[implementation](logits, x).sum(), logits)


class Importance(_Measured):
    """The log-likelihood of 20 digits by 50 draws each, Burda's network."""

    params = (["dmbench"], ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        hidden, latent = NETS["200-200-50"]
        net = VAE(784, hidden, latent).to(self.device)
        x = torch.rand(20, 784, device=self.device).round()
        noise = torch.randn(50, 20, latent, device=self.device)
        self.run = torch.no_grad()(partial(importance_bound, net, x, noise))
