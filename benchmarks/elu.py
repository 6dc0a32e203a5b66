"""ELU beside torch's."""

from dmbench.layers.elu import elu
from dmbench.peers.elu import PEERS

from ._activations import MAPS, on_map
from ._common import PASSES, _Measured, device_or_skip, with_peers

IMPLEMENTATIONS = with_peers(elu, PEERS, "elu")


class Activation(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(MAPS), list(PASSES), list(IMPLEMENTATIONS), ["cpu", "cuda"])
    param_names = ("map", "pass", "implementation", "device")
    headline = (("alexnet conv1 4x96x55x55", "forward+backward"),)

    def setup(self, name, passes, implementation, device):
        self.device = device_or_skip(device)
        self.run = on_map(IMPLEMENTATIONS[implementation], name, passes, self.device)
