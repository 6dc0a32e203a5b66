"""Learning-rate schedules by torch, each as a function of the update.

Its recursions keep no function of the update: each call takes the schedule from its beginning, or on from the last one.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import lr_scheduler

Schedule = Callable[[float], float]


def _share(build: Callable[[torch.optim.Optimizer], Any]) -> Schedule:
    rates: list[float] = []
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = build(optimiser)

    def share(t: float) -> float:
        if t != int(t):
            raise NotImplementedError(f"torch's schedules are of whole updates: {t}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a schedule that steps without its optimiser, and of its own
            while len(rates) <= t:
                rates.append(float(optimiser.param_groups[0]["lr"]))
                schedule.step()
        return rates[int(t)]

    return share


def step(every: int, factor: float = 0.1) -> Schedule:
    """StepLR."""
    return _share(lambda o: lr_scheduler.StepLR(o, every, factor))


def multi_step(milestones: Sequence[int], factor: float = 0.1) -> Schedule:
    """MultiStepLR."""
    return _share(lambda o: lr_scheduler.MultiStepLR(o, list(milestones), factor))


def exponential(factor: float) -> Schedule:
    """ExponentialLR."""
    return _share(lambda o: lr_scheduler.ExponentialLR(o, factor))


def polynomial(updates: int, power: float = 1.0) -> Schedule:
    """PolynomialLR."""
    return _share(lambda o: lr_scheduler.PolynomialLR(o, updates, power))


def cosine(updates: int, final: float = 0.0) -> Schedule:
    """CosineAnnealingLR, which rises again after `updates`."""
    return _share(lambda o: lr_scheduler.CosineAnnealingLR(o, updates, final))


def warm_restarts(first: int, growth: int = 1, final: float = 0.0) -> Schedule:
    """CosineAnnealingWarmRestarts."""
    return _share(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, growth, final))


PEERS = {
    "torch.optim": {
        "step": step,
        "multi_step": multi_step,
        "exponential": exponential,
        "polynomial": polynomial,
        "cosine": cosine,
        "warm_restarts": warm_restarts,
    }
}
