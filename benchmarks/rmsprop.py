"""RMSProp beside torch's: plain and centred."""

from dmbench.optim.rmsprop import RMSprop
from dmbench.peers.rmsprop import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS, update

OPTIONS = {"plain": {}, "centred": {"centered": True}}
IMPLEMENTATIONS = with_peers(RMSprop, PEERS, "rmsprop")


class RootMeanSquare(_Measured):
    """One update of all weights."""

    stateful = True
    params = (list(WEIGHTS), list(OPTIONS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "options", "implementation", "device")

    def setup(self, weights, options, implementation, device):
        self.device = device_or_skip(device)
        self.run = update(IMPLEMENTATIONS[implementation], weights, self.device, **OPTIONS[options])
