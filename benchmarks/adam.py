"""Adam beside torch's: plain and amsgrad."""

from dmbench.optim.adam import Adam
from dmbench.peers.adam import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS, update

OPTIONS = {"plain": {}, "amsgrad": {"amsgrad": True}}
IMPLEMENTATIONS = with_peers(Adam, PEERS, "adam")


class AdaptiveMoments(_Measured):
    """One update of all weights."""

    stateful = True
    params = (list(WEIGHTS), list(OPTIONS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "options", "implementation", "device")

    def setup(self, weights, options, implementation, device):
        self.device = device_or_skip(device)
        self.run = update(IMPLEMENTATIONS[implementation], weights, self.device, **OPTIONS[options])
