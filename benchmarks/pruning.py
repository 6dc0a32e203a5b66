"""Masks of layers by ratio, ours and torch's; and what holding a mask costs an update of SGD.

Sizes: fc1 of LeNet-300-100 and of Caffe's LeNet-5, and AlexNet's fc7, at the densities of Han et al. (2015), section 4.
"""

import torch

from dmbench.peers.pruning import PEERS
from dmbench.regularizers.pruning import Pruner, by_ratio

from ._common import _Measured, device_or_skip, with_peers

LAYERS = {
    "lenet-300-100 fc1": ((300, 784), 0.92),
    "lenet-5 fc1": ((500, 800), 0.92),
    "alexnet fc7": ((4096, 4096), 0.91),
}
IMPLEMENTATIONS = with_peers(by_ratio, PEERS, "mask")


class MagnitudeMask(_Measured):
    """Find the smallest weights of a layer."""

    params = (list(LAYERS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("layer", "implementation", "device")

    def setup(self, layer, implementation, device):
        self.device = device_or_skip(device)
        shape, ratio = LAYERS[layer]
        weight, mask = torch.randn(shape, device=self.device), IMPLEMENTATIONS[implementation]
        self.run = lambda: mask(weight, ratio)


class HeldUpdate(_Measured):
    """One update of SGD with momentum, the layer's mask held or not."""

    stateful = True
    own = ("without a mask",)
    params = (list(LAYERS), ["dmbench", "without a mask"], ["cpu", "cuda"])
    param_names = ("layer", "implementation", "device")

    def setup(self, layer, implementation, device):
        self.device = device_or_skip(device)
        shape, ratio = LAYERS[layer]
        weight = torch.nn.Parameter(torch.randn(shape, device=self.device))
        weight.grad = torch.randn_like(weight)
        optimiser = torch.optim.SGD([weight], 1e-3, 0.9, weight_decay=5e-4)
        if implementation == "dmbench":
            pruner = Pruner({"w": weight})
            pruner.prune({"w": ratio})
            pruner.hold(optimiser)
        optimiser.step()
        self.run = optimiser.step
