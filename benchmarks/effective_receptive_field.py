"""The gradient that a field is measured by: 40 layers of 3 x 3 on 81 pixels, the paper's deepest network."""

from functools import partial

import torch
from torch import nn

from dmbench.layers.effective_receptive_field import input_gradient
from dmbench.peers.effective_receptive_field import PEERS

from ._common import _Measured, device_or_skip

CHANNELS = {"1 channel": 1, "32 channels": 32}
IMPLEMENTATIONS = {"dmbench": input_gradient, **{label: parts["input_gradient"] for label, parts in PEERS.items()}}


class InputGradient(_Measured):
    """Luo et al. 2016, Figure 1: linear layers, random weights; one run of the average."""

    params = (list(CHANNELS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("channels", "implementation", "device")

    def setup(self, channels, implementation, device):
        self.device = device_or_skip(device)
        width = CHANNELS[channels]
        layers = [nn.Conv2d(width if index else 1, width, 3, bias=False) for index in range(40)]
        x = torch.randn(1, 1, 81, 81, device=self.device)
        self.run = partial(IMPLEMENTATIONS[implementation], nn.Sequential(*layers).to(self.device), x)
