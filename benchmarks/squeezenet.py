"""SqueezeNet's inference on 227 x 227 pictures (arXiv:1602.07360, Table 1): both versions, ours and torchvision's."""

import torch

from dmbench.models.squeezenet import SIDE, VERSIONS, SqueezeNet
from dmbench.peers.squeezenet import PEERS

from ._common import _Measured, device_or_skip, forward, with_peers

IMPLEMENTATIONS = with_peers(SqueezeNet, PEERS, "squeezenet")


class Network(_Measured):
    """One picture, and sixteen at once, channels last."""

    params = (list(VERSIONS), [1, 16], list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("version", "pictures", "implementation", "device")

    def setup(self, version, pictures, implementation, device):
        self.device = device_or_skip(device)
        net = IMPLEMENTATIONS[implementation](version).eval()
        net = net.to(device=self.device, memory_format=torch.channels_last)
        x = torch.randn(pictures, 3, SIDE, SIDE, device=self.device)
        self.run = forward(net, x.contiguous(memory_format=torch.channels_last))
