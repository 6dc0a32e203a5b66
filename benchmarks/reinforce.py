"""REINFORCE: what 100 proposals cost, of one search and of 100 at once; and ten by the recurrent controller."""

import torch

from dmbench.nas.parts.search import search_lanes
from dmbench.nas.reinforce import Controller, Reinforce

from ._common import _Measured, device_or_skip
from ._nas import EVALUATIONS, SPACE, accuracy, searching


class Proposals(_Measured):
    """100 proposals in each lane, as many as stand in for NAS-Bench-201's budget."""

    params = ([1, 100], ["dmbench"], ["cpu"])
    param_names = ("lanes", "implementation", "device")

    def setup(self, lanes, implementation, device):
        self.device = device_or_skip(device)
        random = torch.Generator().manual_seed(0)
        self.run = lambda: search_lanes(Reinforce(SPACE, random, lanes=lanes), accuracy, EVALUATIONS)


class RecurrentController(_Measured):
    """Ten proposals by two layers of 35 LSTM units."""

    params = (["dmbench"], ["cpu"])
    param_names = ("implementation", "device")

    def setup(self, implementation, device):
        self.device = device_or_skip(device)
        self.run = searching(lambda space, random: Reinforce(space, random, policy=Controller(space)), 10)
