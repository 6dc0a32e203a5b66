"""AdaGrad beside torch's."""

from dmbench.optim.adagrad import Adagrad
from dmbench.peers.adagrad import PEERS

from ._common import _Measured, device_or_skip, with_peers
from ._optimisers import WEIGHTS, update

OPTIONS = {"defaults": {}}
IMPLEMENTATIONS = with_peers(Adagrad, PEERS, "adagrad")


class AdaptiveGradient(_Measured):
    """One update of all weights."""

    stateful = True
    params = (list(WEIGHTS), list(OPTIONS), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("weights", "options", "implementation", "device")

    def setup(self, weights, options, implementation, device):
        self.device = device_or_skip(device)
        self.run = update(IMPLEMENTATIONS[implementation], weights, self.device, **OPTIONS[options])
