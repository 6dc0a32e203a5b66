"""Pooling beside torch's, at AlexNet's overlapping maximum, VGG-16's maximum and GoogLeNet's last average.

Sizes: Krizhevsky et al. 2012, section 3.4; Simonyan and Zisserman 2014 (arXiv:1409.1556), Table 1; Szegedy et al. 2014
(arXiv:1409.4842), Table 1.
"""

import torch

from dmbench.layers.pooling import avg_pool2d, max_pool2d
from dmbench.peers.pooling import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

# Function, (N, C, H, W), window, stride.
LAYERS = {
    "alexnet max 3/2": ("max_pool2d", (4, 96, 55, 55), 3, 2),
    "vgg16 max 2/2": ("max_pool2d", (1, 64, 224, 224), 2, 2),
    "googlenet average 7/1": ("avg_pool2d", (16, 1024, 7, 7), 7, 1),
}
IMPLEMENTATIONS = {
    "max_pool2d": with_peers(max_pool2d, PEERS, "max_pool2d"),
    "avg_pool2d": with_peers(avg_pool2d, PEERS, "avg_pool2d"),
}


class Pooling(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(LAYERS), list(PASSES), list(IMPLEMENTATIONS["max_pool2d"]), ["cpu", "cuda"])
    param_names = ("layer", "pass", "implementation", "device")

    def setup(self, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        name, shape, window, stride = LAYERS[layer]
        net = _Function(IMPLEMENTATIONS[name][implementation], kernel_size=window, stride=stride)
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
