"""Random search: what 100 proposals cost."""

from dmbench.nas.random_search import RandomSearch

from ._common import _Measured, device_or_skip
from ._nas import searching

STRATEGIES = {"random": RandomSearch}


class Proposals(_Measured):
    """100 proposals, as many as stand in for NAS-Bench-201's budget."""

    params = (list(STRATEGIES), ["dmbench"], ["cpu"])
    param_names = ("strategy", "implementation", "device")

    def setup(self, strategy, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(STRATEGIES[strategy])
