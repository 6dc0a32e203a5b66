"""ReLU and leaky ReLU beside torch's."""

from dmbench.layers.relu import leaky_relu, relu
from dmbench.peers.relu import PEERS

from ._activations import MAPS, on_map
from ._common import PASSES, _Measured, device_or_skip, with_peers

UNITS = {"relu": with_peers(relu, PEERS, "relu"), "leaky_relu": with_peers(leaky_relu, PEERS, "leaky_relu")}


class Rectifier(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(UNITS), list(MAPS), list(PASSES), list(UNITS["relu"]), ["cpu", "cuda"])
    param_names = ("unit", "map", "pass", "implementation", "device")
    headline = tuple(("relu", "alexnet conv1 4x96x55x55", passes) for passes in PASSES)

    def setup(self, unit, name, passes, implementation, device):
        self.device = device_or_skip(device)
        self.run = on_map(UNITS[unit][implementation], name, passes, self.device)
