"""Hyperband and BOHB: what the proposals of one pass through all brackets cost, and 100 of BOHB's model."""

import torch

from dmbench.nas.parts.parzen import ParzenSearch
from dmbench.nas.parts.rungs import brackets
from dmbench.nas.successive_halving import BOHB, Hyperband, spend

from ._common import _Measured, device_or_skip
from ._nas import SPACE, accuracy, searching

MOST = 81
SEARCHES = {"hyperband": Hyperband, "bohb": BOHB}


class Brackets(_Measured):
    """All brackets of 81 units with eta 3: 206 trials."""

    params = (list(SEARCHES), ["dmbench"], ["cpu"])
    param_names = ("search", "implementation", "device")

    def setup(self, search, implementation, device):
        self.device = device_or_skip(device)
        budget = sum(rung.points * rung.resource for bracket in brackets(MOST) for rung in bracket)
        make = SEARCHES[search]

        def run():
            strategy = make(SPACE, torch.Generator().manual_seed(0), most=MOST)
            return spend(strategy, lambda point, resource: accuracy(point), budget)

        self.run = run


class Proposals(_Measured):
    """100 proposals of the model, as many as stand in for NAS-Bench-201's budget."""

    params = (["dmbench"], ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(ParzenSearch)
