"""The maxout network at the paper's sizes: inference and one step's gradients.

Sizes: Goodfellow et al. (2013), section 5.1: 240 units of 5 pieces, batch 100; Goodfellow, Shlens and Szegedy (2015),
section 6: 1,600 units.
"""

import torch

from dmbench.models.maxout_mlp import MaxoutMLP

from ._common import PASSES, _Measured, device_or_skip

UNITS = {"240 units": 240, "1600 units": 1600}


class MaxoutNetwork(_Measured):
    """In training mode, with dropout."""

    params = (list(UNITS), list(PASSES), ["dmbench"], ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")
    headline = (("240 units", "forward+backward"),)

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        net = MaxoutMLP(units=UNITS[size]).to(self.device)
        self.run = PASSES[passes](net, torch.rand(100, 784, device=self.device))
