"""GoogLeNet's inference on 224 x 224 pictures (arXiv:1409.4842, section 5), and its local response normalisation.

torchvision's googlenet is no peer: it has batch normalisation, and 3 x 3 convolutions for the 5 x 5 ones.
"""

import torch

from dmbench.models.googlenet import SIDE, GoogLeNet, normalised
from dmbench.peers.googlenet import PEERS

from ._common import _Measured, device_or_skip, forward, with_peers

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
NORMALISATIONS = with_peers(normalised, PEERS, "normalisation")


class Network(_Measured):
    """One picture, and sixteen at once."""

    params = ([1, 16], list(LAYOUTS), ["dmbench"], ["cpu", "cuda"])
    param_names = ("pictures", "layout", "implementation", "device")

    def setup(self, pictures, layout, implementation, device):
        self.device = device_or_skip(device)
        net = GoogLeNet().eval().to(device=self.device, memory_format=LAYOUTS[layout])
        x = torch.randn(pictures, 3, SIDE, SIDE, device=self.device).contiguous(memory_format=LAYOUTS[layout])
        self.run = forward(net, x)


class Normalisation(_Measured):
    """After the second convolution, where it is widest: 192 channels of 56 x 56, four pictures."""

    params = (list(LAYOUTS), list(NORMALISATIONS), ["cpu", "cuda"])
    param_names = ("layout", "implementation", "device")

    def setup(self, layout, implementation, device):
        self.device = device_or_skip(device)
        x = torch.rand(4, 192, 56, 56, device=self.device).contiguous(memory_format=LAYOUTS[layout])
        normalise = NORMALISATIONS[implementation]
        self.run = torch.no_grad()(lambda: normalise(x))
