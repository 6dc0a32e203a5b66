"""Setting the rate of an optimiser's groups after an update, by a cosine with warm restarts."""

import torch

from dmbench.optim.schedules import Scheduler, warm_restarts

from ._common import _Measured, device_or_skip


def _ours(optimiser):
    return Scheduler(optimiser, warm_restarts(1000, 2))


def _theirs(optimiser):
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 1000, 2)


IMPLEMENTATIONS = {"dmbench": _ours, "torch.optim": _theirs}


class Scheduling(_Measured):
    """1,000 updates of the rates; no weight is changed."""

    params = ([1, 10], list(IMPLEMENTATIONS), ["cpu"])
    param_names = ("groups", "implementation", "device")

    def setup(self, groups, implementation, device):
        self.device = device_or_skip(device)
        optimiser = torch.optim.SGD([{"params": [torch.zeros(1)]} for _ in range(groups)], lr=0.1)
        optimiser.step()  # or torch warns of a schedule that goes first
        scheduler = IMPLEMENTATIONS[implementation](optimiser)
        self.run = lambda: [scheduler.step() for _ in range(1000)]
