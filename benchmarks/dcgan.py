"""DCGAN's networks in training mode: MNIST's small ones, and Figure 1's on a GPU.

Sizes: Radford et al. (2016), Figure 1 and section 4: 64 x 64 pictures, batch 128.
"""

import torch

from dmbench.models.dcgan import DCDiscriminator, DCGenerator
from dmbench.peers.dcgan import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers

GENERATORS = with_peers(DCGenerator, PEERS, "generator")
DISCRIMINATORS = with_peers(DCDiscriminator, PEERS, "discriminator")
SIZES = {
    "mnist": ({"width": 16, "channels": 1, "side": 28, "depth": 2}, 64),
    "figure 1": ({"width": 128, "channels": 3, "side": 64, "depth": 4}, 128),
}


class _DCGAN(_Measured):
    params = (list(SIZES), list(PASSES), list(GENERATORS), ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")
    headline = (("mnist", "forward+backward"),)

    def prepare(self, size, device):
        self.device = device_or_skip(device)
        if size == "figure 1" and device == "cpu":
            raise NotImplementedError("Figure 1's networks take minutes on a CPU")
        return SIZES[size]


class DCGANGenerator(_DCGAN):
    """From 100 noise values to pictures."""

    def setup(self, size, passes, implementation, device):
        sizes, batch = self.prepare(size, device)
        net = GENERATORS[implementation](noise=100, **sizes).to(self.device)
        self.run = PASSES[passes](net, 2 * torch.rand(batch, 100, device=self.device) - 1)


class DCGANDiscriminator(_DCGAN):
    """From pictures to scores."""

    def setup(self, size, passes, implementation, device):
        sizes, batch = self.prepare(size, device)
        net = DISCRIMINATORS[implementation](**sizes).to(self.device)
        pictures = torch.rand(batch, sizes["channels"], sizes["side"], sizes["side"], device=self.device)
        self.run = PASSES[passes](net, 2 * pictures - 1)
