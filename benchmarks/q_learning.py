"""MetaQNN: what 100 proposals cost, with 100 replays each as in the paper and with 10."""

from functools import partial

from dmbench.nas.q_learning import QLearning, shortened

from ._common import _Measured, device_or_skip
from ._nas import searching

STRATEGIES = {
    "100 replays": partial(QLearning, schedule=shortened(100)),
    "10 replays": partial(QLearning, schedule=shortened(100), replays=10),
}


class Proposals(_Measured):
    """100 proposals, as many as stand in for NAS-Bench-201's budget."""

    params = (list(STRATEGIES), ["dmbench"], ["cpu"])
    param_names = ("strategy", "implementation", "device")

    def setup(self, strategy, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(STRATEGIES[strategy])
