"""Fractional max pooling: the paper's regions, and torch's windows beside torch itself.

Sizes: the first and fourth pooling of the paper's CIFAR network, (32n C2 - FMP 2^(1/3))_12, n the layer; batch 8.
"""

from functools import partial

import torch

from dmbench.layers.fractional_max_pool2d import fractional_max_pool2d, window_max_pool2d
from dmbench.peers.fractional_max_pool2d import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

# (N, C, H, W) and the side of the output.
MAPS = {"cifar fmp1 8x32x93x93": ((8, 32, 93, 93), 74), "cifar fmp4 8x128x44x44": ((8, 128, 44, 44), 35)}
KINDS = ("random", "pseudorandom")
WINDOWS = with_peers(window_max_pool2d, PEERS, "window_max_pool2d")


class Regions(_Measured):
    """The paper's overlapping regions; no other library at hand has them."""

    params = (list(MAPS), list(KINDS), list(PASSES), ["cpu", "cuda"])
    param_names = ("map", "kind", "pass", "device")

    def setup(self, name, kind, passes, device):
        self.device = device_or_skip(device)
        shape, out = MAPS[name]
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](_Function(fractional_max_pool2d, output_size=out, kind=kind), x)


class Windows(_Measured):
    """2 x 2 windows, begun where the same random samples say."""

    params = (list(MAPS), list(PASSES), list(WINDOWS), ["cpu", "cuda"])
    param_names = ("map", "pass", "implementation", "device")

    def setup(self, name, passes, implementation, device):
        self.device = device_or_skip(device)
        shape, out = MAPS[name]
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        samples = torch.rand(*shape[:2], 2, device=self.device)
        pool = partial(WINDOWS[implementation], kernel_size=2, output_size=(out, out), _random_samples=samples)
        self.run = PASSES[passes](_Function(pool), x)
