"""Filling a weight with small random numbers."""

from dmbench.init.small_random import small_random_
from dmbench.peers.small_random import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._initialisations import WEIGHTS, filling

IMPLEMENTATIONS = with_peers(small_random_, PEERS, "small_random")


class SmallRandom(_Measured):
    """One weight filled."""

    params = (list(WEIGHTS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weight", "implementation", "device")

    def setup(self, weight, implementation, device):
        self.device = device_or_skip(device)
        self.run = filling(IMPLEMENTATIONS[implementation], weight, self.device)
