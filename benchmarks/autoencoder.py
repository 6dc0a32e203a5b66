"""The deep autoencoder at the paper's sizes: a step of fine-tuning's gradients, one of pretraining, and components.

Sizes: Hinton and Salakhutdinov (2006): 784-1000-500-250-30, 100 digits an update in pretraining.
"""

from functools import partial

import torch

from dmbench.models.autoencoder import MNIST, Autoencoder, principal_components, reconstruction_loss
from dmbench.models.parts.rbm import RBM
from dmbench.peers.autoencoder import PEERS

from ._common import _Measured, device_or_skip, with_peers

COMPONENTS = with_peers(principal_components, PEERS, "components")


class FineTuning(_Measured):
    """The cross-entropy of 100 digits and the gradients of all parameters."""

    params = (["dmbench"], ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        net, x = Autoencoder(MNIST).to(self.device), torch.rand(100, 784, device=self.device)
        parameters = list(net.parameters())
        self.run = lambda: torch.autograd.grad(reconstruction_loss(net.decode(net.encode(x)), x).mean(), parameters)


class Pretraining(_Measured):
    """One update of the first layer's machine."""

    params = (["dmbench"], ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        machine, v = RBM(*MNIST[:2]).to(self.device), torch.rand(100, 784, device=self.device)
        self.run = partial(machine.update, v, 0.1, 0.5)


class Components(_Measured):
    """30 principal components of 2,000 digits."""

    params = (list(COMPONENTS), ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        self.run = partial(COMPONENTS[implementation], torch.rand(2000, 784, device=self.device), 30)
