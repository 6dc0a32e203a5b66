"""Hill climbing: what 100 proposals cost."""

from functools import partial

from dmbench.nas.hill_climbing import HillClimbing

from ._common import _Measured, device_or_skip
from ._nas import searching

STRATEGIES = {"steepest": HillClimbing, "first better": partial(HillClimbing, steepest=False)}


class Proposals(_Measured):
    """100 proposals, as many as stand in for NAS-Bench-201's budget."""

    params = (list(STRATEGIES), ["dmbench"], ["cpu"])
    param_names = ("strategy", "implementation", "device")

    def setup(self, strategy, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(STRATEGIES[strategy])
