"""Gradient checking of a small layer: CS231n's notes check a few examples, and few values of a large network."""

import torch

from dmbench.experiments.gradient_checking import right
from dmbench.peers.gradient_checking import PEERS

from ._common import _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(right, PEERS, "right")


class Checking(_Measured):
    """All weights of a tanh layer of 16 units on 8 examples, float64."""

    params = (["layer 16x16, 8 examples"], list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("case", "implementation", "device")

    def setup(self, case, implementation, device):
        self.device = device_or_skip(device)
        x = torch.randn(8, 16, dtype=torch.float64, device=self.device)
        w = torch.randn(16, 16, dtype=torch.float64, device=self.device)
        self.run = lambda: IMPLEMENTATIONS[implementation](lambda w: (x @ w).tanh().sum(), w)
