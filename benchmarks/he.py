"""Filling a weight by He's normal distribution."""

from dmbench.init.he import he_normal_
from dmbench.peers.he import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._initialisations import WEIGHTS, filling

IMPLEMENTATIONS = with_peers(he_normal_, PEERS, "he_normal")


class HeNormal(_Measured):
    """One weight filled."""

    params = (list(WEIGHTS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weight", "implementation", "device")

    def setup(self, weight, implementation, device):
        self.device = device_or_skip(device)
        self.run = filling(IMPLEMENTATIONS[implementation], weight, self.device)
