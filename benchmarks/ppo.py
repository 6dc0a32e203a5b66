"""PPO: what 100 proposals cost, of one search and of 100 at once."""

import torch

from dmbench.nas.parts.search import search_lanes
from dmbench.nas.ppo import PPO

from ._common import _Measured, device_or_skip
from ._nas import EVALUATIONS, SPACE, accuracy


class Proposals(_Measured):
    """100 proposals in each lane, in ten batches of four epochs."""

    params = ([1, 100], ["dmbench"], ["cpu"])
    param_names = ("lanes", "implementation", "device")

    def setup(self, lanes, implementation, device):
        self.device = device_or_skip(device)
        random = torch.Generator().manual_seed(0)
        self.run = lambda: search_lanes(PPO(SPACE, random, lanes=lanes), accuracy, EVALUATIONS)
