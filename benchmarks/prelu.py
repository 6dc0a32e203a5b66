"""PReLU with a slope each channel beside torch's; backward gives the gradients of input and slopes."""

from dmbench.layers.prelu import prelu
from dmbench.peers.prelu import PEERS

from ._activations import MAPS, on_map
from ._common import PASSES, _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(prelu, PEERS, "prelu")


class Rectifier(_Measured):
    """Inference, and the gradients of input and slopes."""

    params = (list(MAPS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("map", "pass", "implementation", "device")

    def setup(self, name, passes, implementation, device):
        self.device = device_or_skip(device)
        self.run = on_map(IMPLEMENTATIONS[implementation], name, passes, self.device, shapes=[MAPS[name][1:2]])
