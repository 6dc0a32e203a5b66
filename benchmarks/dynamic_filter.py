"""Dynamic filters beside what torch has: a convolution a picture, unfold and a product, and ours compiled.

Sizes: De Brabandere et al. 2016 (arXiv:1605.09673), 16 pictures of 64 x 64: 9 x 9 filters (moving MNIST), 11 x 11
(highway driving), 1 x 13 (stereo); and 16 channels and filters, 3 x 3, as between two layers of a network.
"""

import torch

from dmbench.layers.dynamic_filter import dynamic_conv2d, dynamic_local_filter
from dmbench.peers.dynamic_filter import PEERS

from ._common import PASSES, _Measured, device_or_skip
from ._functions import _Function

# (N, C, H, W), filters (K, C, F, F'); padded to keep the size.
SIZES = {
    "moving mnist 9x9": ((16, 1, 64, 64), (1, 1, 9, 9)),
    "highway 11x11": ((16, 1, 64, 64), (1, 1, 11, 11)),
    "stereo 1x13": ((16, 1, 64, 64), (1, 1, 1, 13)),
    "16 channels 3x3": ((4, 16, 32, 32), (16, 16, 3, 3)),
}
OURS = {"dynamic_conv2d": dynamic_conv2d, "dynamic_local_filter": dynamic_local_filter}
IMPLEMENTATIONS = ["dmbench", *PEERS]


class DynamicFilter(_Measured):
    """Inference, and the gradients of the picture and of the filters."""

    params = (list(SIZES), list(OURS), list(PASSES), IMPLEMENTATIONS, ["cpu", "cuda"])
    param_names = ("size", "layer", "pass", "implementation", "device")

    def setup(self, size, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        shape, filters = SIZES[size]
        places = shape[2:] if layer == "dynamic_local_filter" else ()
        function = (OURS if implementation == "dmbench" else PEERS[implementation])[layer]
        padding = (filters[2] // 2, filters[3] // 2)
        net = _Function(function, [(shape[0], *filters, *places)], padding=padding).to(self.device)
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
