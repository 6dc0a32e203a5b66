"""SELU beside torch's, of which one pass makes what ours needs several for."""

from dmbench.layers.selu import selu
from dmbench.peers.selu import PEERS

from ._activations import MAPS, on_map
from ._common import PASSES, _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(selu, PEERS, "selu")


class Activation(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(MAPS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("map", "pass", "implementation", "device")
    headline = tuple(("fc7 128x4096", passes) for passes in PASSES)

    def setup(self, name, passes, implementation, device):
        self.device = device_or_skip(device)
        self.run = on_map(IMPLEMENTATIONS[implementation], name, passes, self.device)
