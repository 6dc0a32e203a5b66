"""Bandits: what 100 proposals cost, with a bandit for each of six edges."""

from functools import partial

from dmbench.nas.bandits import BanditSearch, Thompson

from ._common import _Measured, device_or_skip
from ._nas import searching

STRATEGIES = {"ucb1": BanditSearch, "thompson": partial(BanditSearch, bandit=Thompson)}


class Proposals(_Measured):
    """100 proposals, as many as stand in for NAS-Bench-201's budget."""

    params = (list(STRATEGIES), ["dmbench"], ["cpu"])
    param_names = ("strategy", "implementation", "device")

    def setup(self, strategy, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(STRATEGIES[strategy])
