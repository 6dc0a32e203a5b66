"""conv2d: im2col and one product beside torch's (oneDNN or cuDNN behind it), at layers of AlexNet, VGG-16, ResNet-50.

Sizes: Krizhevsky et al. 2012, Figure 2; Simonyan and Zisserman 2014 (arXiv:1409.1556), Table 1, column D; the 1 x 1
layer is of ResNet-50 (He et al. 2015, arXiv:1512.03385, Table 1).
"""

from itertools import product

import torch

from dmbench.layers.conv2d import conv2d
from dmbench.peers.conv2d import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

# (N, C, H, W), filters (K, C / G, F, F), and what else is not default.
LAYERS = {
    "alexnet conv1": ((4, 3, 227, 227), (96, 3, 11, 11), {"stride": 4}),
    "alexnet conv2, 2 groups": ((4, 96, 27, 27), (256, 48, 5, 5), {"padding": 2, "groups": 2}),
    "vgg16 conv1_2": ((1, 64, 224, 224), (64, 64, 3, 3), {"padding": 1}),
    "vgg16 conv3_2": ((1, 256, 56, 56), (256, 256, 3, 3), {"padding": 1}),
    "vgg16 conv5_1": ((4, 512, 14, 14), (512, 512, 3, 3), {"padding": 1}),
    "resnet50 1x1": ((4, 256, 56, 56), (64, 256, 1, 1), {}),
}
IMPLEMENTATIONS = with_peers(conv2d, PEERS, "conv2d")


class Convolution(_Measured):
    """Inference, and the gradients of input, filters and biases."""

    params = (list(LAYERS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("layer", "pass", "implementation", "device")
    headline = tuple(product(("alexnet conv2, 2 groups", "vgg16 conv3_2", "resnet50 1x1"), PASSES))

    def setup(self, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        shape, filters, options = LAYERS[layer]
        net = _Function(IMPLEMENTATIONS[implementation], [filters, filters[:1]], **options).to(self.device)
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
