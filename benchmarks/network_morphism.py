"""Making a network of the size of a small classifier wider and deeper."""

import torch

from dmbench.nas.network_morphism import Chain, Layer, deepen, widen

from ._common import _Measured, device_or_skip

LAYERS = (Layer(64), Layer(64, 3, pooled=True), Layer(128), Layer(128, 3, pooled=True), Layer(256))
MORPHS = {"widen": lambda net: widen(net, 2, 256), "deepen": lambda net: deepen(net, 2)}


class Morph(_Measured):
    """One morphism of the middle layer."""

    params = (list(MORPHS), ["dmbench"], ["cpu", "cuda"])
    param_names = ("morphism", "implementation", "device")

    def setup(self, morphism, implementation, device):
        self.device = device_or_skip(device)
        net = Chain(LAYERS, inputs=3).to(self.device)
        torch.manual_seed(0)
        self.run = lambda: MORPHS[morphism](net)
