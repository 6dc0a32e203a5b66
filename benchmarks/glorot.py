"""Filling a weight by Glorot's uniform distribution."""

from dmbench.init.glorot import glorot_uniform_
from dmbench.peers.glorot import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._initialisations import WEIGHTS, filling

IMPLEMENTATIONS = with_peers(glorot_uniform_, PEERS, "glorot_uniform")


class GlorotUniform(_Measured):
    """One weight filled."""

    params = (list(WEIGHTS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weight", "implementation", "device")

    def setup(self, weight, implementation, device):
        self.device = device_or_skip(device)
        self.run = filling(IMPLEMENTATIONS[implementation], weight, self.device)
