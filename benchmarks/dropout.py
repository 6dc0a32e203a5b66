"""Dropout in training beside torch's, and the max-norm constraint.

Sizes: Srivastava et al. (2014), Table 2: batches of 100 in layers of 1024 and 8192 units (the batch is that of the
authors' successors, Goodfellow et al. 2013); AlexNet's fc6 (Krizhevsky et al. 2012: 4096 units, batch 128).
"""

import torch

from dmbench.layers.dropout import dropout, max_norm_
from dmbench.peers.dropout import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

SIZES = {"table 2 100x1024": (100, 1024), "table 2 100x8192": (100, 8192), "alexnet 128x4096": (128, 4096)}
IMPLEMENTATIONS = with_peers(dropout, PEERS, "dropout")


class Dropout(_Measured):
    """Half of the units dropped in training."""

    params = (list(SIZES), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        net = _Function(IMPLEMENTATIONS[implementation], p=0.5, training=True)
        x = torch.randn(SIZES[size], device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, x)


class MaxNorm(_Measured):
    """The constraint on one layer's weights, after each update."""

    params = (["table 2 1024x1024", "table 2 8192x8192"], ["dmbench"], ["cpu", "cuda"])
    param_names = ("size", "implementation", "device")

    def setup(self, size, implementation, device):
        self.device = device_or_skip(device)
        units = int(size.split("x")[1])
        weight = torch.randn(units, units, device=self.device)
        self.run = lambda: max_norm_(weight, 2)
