"""SGD beside torch's: plain, with momentum, with Nesterov's."""

from dmbench.optim.sgd import SGD
from dmbench.peers.sgd import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS, update

OPTIONS = {"plain": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
IMPLEMENTATIONS = with_peers(SGD, PEERS, "sgd")


class GradientDescent(_Measured):
    """One update of all weights."""

    stateful = True
    params = (list(WEIGHTS), list(OPTIONS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "options", "implementation", "device")

    def setup(self, weights, options, implementation, device):
        self.device = device_or_skip(device)
        self.run = update(IMPLEMENTATIONS[implementation], weights, self.device, **OPTIONS[options])
