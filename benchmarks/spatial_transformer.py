"""The spatial transformer beside torch's affine_grid and grid_sample, and torch.compile of ours.

Sizes: Jaderberg et al. 2015 (arXiv:1506.02025): distorted MNIST, 256 pictures of 42 x 42 (appendix A); SVHN, 128 x 128
(section 4.2), and in front of a later layer, 64 channels of 32 x 32; birds, 448 read at 224 (section 4.3).
"""

import torch

from dmbench.layers.spatial_transformer import spatial_transform
from dmbench.peers.spatial_transformer import PEERS

from ._common import PASSES, _Measured, device_or_skip
from ._functions import _Function

# (N, C, H, W), (H', W').
SIZES = {
    "mnist 42": ((256, 1, 42, 42), (42, 42)),
    "svhn 128": ((16, 3, 128, 128), (128, 128)),
    "svhn 64 channels": ((16, 64, 32, 32), (32, 32)),
    "birds 448 to 224": ((4, 3, 448, 448), (224, 224)),
}
IMPLEMENTATIONS = {"dmbench": spatial_transform} | {label: parts["spatial_transform"] for label, parts in PEERS.items()}


class SpatialTransformer(_Measured):
    """Inference, and the gradients of the picture and of theta: rotated, scaled and moved a little."""

    params = (list(SIZES), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        shape, output = SIZES[size]
        net = _Function(IMPLEMENTATIONS[implementation], [(shape[0], 2, 3)], size=output).to(self.device)
        with torch.no_grad():
            net.weights[0].mul_(0.2).add_(torch.eye(3)[:2].to(self.device))
        x = torch.randn(shape, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
