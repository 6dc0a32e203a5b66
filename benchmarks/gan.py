"""Parzen windows at the paper's size, 10,000 test digits by 10,000 samples, and one turn of a GAN's training.

Sizes: Goodfellow et al. (2014), section 5, and goodfeli/adversarial: mnist.yaml, parzen_ll.py.
"""

import torch
from torch import nn

from dmbench.metrics.parzen import log_likelihood
from dmbench.models.gan import Generator, MaxoutDiscriminator, discriminator_loss, generator_loss
from dmbench.peers.gan import PEERS

from ._common import _Measured, device_or_skip, with_peers

PARZEN = with_peers(log_likelihood, PEERS, "parzen")
DISCRIMINATOR_LOSS = with_peers(discriminator_loss, PEERS, "discriminator_loss")
GENERATOR_LOSS = with_peers(generator_loss, PEERS, "generator_loss")
COUNTS = {"500 x 500": 500, "10000 x 10000": 10_000}


class ParzenWindows(_Measured):
    """784 values a point, sigma 0.2; peak memory is that of distances and what comes of them."""

    params = (list(COUNTS), list(PARZEN), ["cpu", "cuda"])
    param_names = ("size", "implementation", "device")
    headline = (("500 x 500",),)

    def setup(self, size, implementation, device):
        self.device = device_or_skip(device)
        count = COUNTS[size]
        if implementation == "broadcast" and device == "cpu" and count > 500:
            raise NotImplementedError("10,000 x 10,000 x 784 differences take minutes on a CPU")
        points, samples = (torch.rand(count, 784, device=self.device) for _ in range(2))
        self.run = lambda: PARZEN[implementation](points, samples, 0.2)


class AdversarialTurn(_Measured):
    """Gradients of one update of each network, MNIST's sizes, batch 100."""

    params = (list(DISCRIMINATOR_LOSS), ["cpu", "cuda"])
    param_names = ("implementation", "device")
    headline = ((),)

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        nets: list[nn.Module] = [Generator().to(self.device), MaxoutDiscriminator().to(self.device)]
        real, z = torch.rand(100, 784, device=self.device), torch.randn(100, 100, device=self.device)
        of_discriminator, of_generator = DISCRIMINATOR_LOSS[implementation], GENERATOR_LOSS[implementation]

        def run():
            generator, discriminator = nets
            fake = generator(z)
            loss = of_discriminator(discriminator(real), discriminator(fake.detach()))
            first = torch.autograd.grad(loss, list(discriminator.parameters()))
            against = of_generator(discriminator(fake), "non_saturating")
            return first, torch.autograd.grad(against, list(generator.parameters()))

        self.run = run
