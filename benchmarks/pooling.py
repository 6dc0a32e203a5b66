"""Pooling beside torch's, at AlexNet's overlapping maximum, VGG-16's maximum and GoogLeNet's last average.

Sizes: Krizhevsky et al. 2012, section 3.4; Simonyan and Zisserman 2014 (arXiv:1409.1556), Table 1; Szegedy et al. 2014
(arXiv:1409.4842), Table 1.
"""

import torch
from torch.nn import functional

from dmbench.layers import pooling

from ._common import PASSES, _Measured, device_or_skip
from ._functions import _Function

# Function, (N, C, H, W), window, stride.
LAYERS = {
    "alexnet max 3/2": ("max_pool2d", (4, 96, 55, 55), 3, 2),
    "vgg16 max 2/2": ("max_pool2d", (1, 64, 224, 224), 2, 2),
    "googlenet average 7/1": ("avg_pool2d", (16, 1024, 7, 7), 7, 1),
}
IMPLEMENTATIONS = {"dmbench": pooling, "torch": functional}


class Pooling(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(LAYERS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("layer", "pass", "implementation", "device")

    def setup(self, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        name, shape, window, stride = LAYERS[layer]
        net = _Function(getattr(IMPLEMENTATIONS[implementation], name), kernel_size=window, stride=stride)
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
