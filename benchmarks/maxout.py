"""Maxout beside torch's pooling over features.

Sizes: Goodfellow et al. (2013), section 5.1: 240 units of 5 pieces, batch 100 (mnist_pi.yaml of pylearn2); Goodfellow,
Shlens and Szegedy (2015), section 6: 1,600 units.
"""

import torch

from dmbench.layers.maxout import maxout
from dmbench.peers.maxout import PEERS

from ._common import PASSES, _Measured, device_or_skip, with_peers
from ._functions import _Function

UNITS = {"240 units": 240, "1600 units": 1600}
IMPLEMENTATIONS = with_peers(maxout, PEERS, "maxout")


class Maxout(_Measured):
    """The maximum alone, without the layer before."""

    params = (list(UNITS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("size", "pass", "implementation", "device")

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        net = _Function(IMPLEMENTATIONS[implementation], pieces=5)
        z = torch.randn(100, 5 * UNITS[size], device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](net, z)
