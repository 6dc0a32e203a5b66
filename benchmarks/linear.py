"""linear beside torch's, at AlexNet's first fully connected layer and VGG-16's last (batch 16)."""

import torch

from dmbench.layers.linear import linear
from dmbench.peers.linear import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

LAYERS = {"alexnet fc6": (9216, 4096), "vgg16 fc8": (4096, 1000)}
IMPLEMENTATIONS = with_peers(linear, PEERS, "linear")


class FullyConnected(_Measured):
    """Inference, and the gradients of input, weights and biases."""

    params = (list(LAYERS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("layer", "pass", "implementation", "device")

    def setup(self, layer, passes, implementation, device):
        self.device = device_or_skip(device)
        inputs, outputs = LAYERS[layer]
        net = _Function(IMPLEMENTATIONS[implementation], [(outputs, inputs), (outputs,)]).to(self.device)
        x = torch.randn(16, inputs, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)
