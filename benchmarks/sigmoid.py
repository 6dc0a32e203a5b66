"""The sigmoid and tanh beside torch's."""

from dmbench.layers.sigmoid import sigmoid, tanh
from dmbench.peers.sigmoid import PEERS

from ._activations import MAPS, on_map
from ._common import PASSES, _Measured, device_or_skip, with_peers

UNITS = {"sigmoid": with_peers(sigmoid, PEERS, "sigmoid"), "tanh": with_peers(tanh, PEERS, "tanh")}


class Saturating(_Measured):
    """Inference, and the gradient of the input."""

    params = (list(UNITS), list(MAPS), list(PASSES), list(UNITS["sigmoid"]), ["cpu", "cuda"])
    param_names = ("unit", "map", "pass", "implementation", "device")
    headline = tuple((unit, "fc7 128x4096", "forward+backward") for unit in UNITS)

    def setup(self, unit, name, passes, implementation, device):
        self.device = device_or_skip(device)
        self.run = on_map(UNITS[unit][implementation], name, passes, self.device)
