"""Learning-rate schedules: the share of the first rate that holds at an update, and what sets it in an optimiser.

Sources: steps: Krizhevsky et al. (2012), He et al. (2015), arXiv:1512.03385; polynomial: Caffe's "poly"; cosine and
warm restarts: Loshchilov and Hutter (2017), SGDR, arXiv:1608.03983, Eq. 5; warm-up: Goyal et al. (2017),
arXiv:1706.02677.

A schedule is a function of t, the number of updates made so far, 0 before the first; the rate of an update is the first
rate times the share at that t. t may be in epochs, where a schedule is called once an epoch, and need not be whole.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

Schedule = Callable[[float], float]


def step(every: float, factor: float = 0.1) -> Schedule:
    """Multiply by factor after each `every` updates."""
    _positive(every=every, factor=factor)
    return lambda t: factor ** (t // every)


def multi_step(milestones: Sequence[float], factor: float = 0.1) -> Schedule:
    """Multiply by factor at each milestone: the update after that many is the first at the lower rate.

    Raises: ValueError: milestones do not rise.
    """
    _positive(factor=factor)
    places = list(milestones)
    if any(b <= a for a, b in itertools.pairwise(places)):
        raise ValueError(f"milestones must rise: {places}")
    return lambda t: factor ** sum(place <= t for place in places)


def exponential(factor: float) -> Schedule:
    """Multiply by factor after each update."""
    _positive(factor=factor)
    return lambda t: factor**t


def inverse_time(decay: float = 1.0, power: float = 1.0) -> Schedule:
    """Fall as (1 + decay t)^-power: 1/t at power 1; 1/sqrt t at 0.5, Adam's of Kingma and Ba (2015), section 4."""
    _positive(decay=decay, power=power)
    return lambda t: (1 + decay * t) ** -power


def polynomial(updates: float, power: float = 1.0, final: float = 0.0) -> Schedule:
    """Fall to the share `final` as (1 - t / updates)^power, and stay there; power 1 is a line."""
    _positive(updates=updates, power=power)
    return lambda t: final + (1 - final) * (1 - min(t / updates, 1)) ** power


def cosine(updates: float, final: float = 0.0) -> Schedule:
    """Fall to the share `final` along half a cosine, and stay there."""
    _positive(updates=updates)
    return lambda t: final + (1 - final) * (1 + math.cos(math.pi * min(t / updates, 1))) / 2


def warm_restarts(first: float, growth: float = 1.0, final: float = 0.0) -> Schedule:
    """Fall along half a cosine in `first` updates, begin again, each time for `growth` times as many (SGDR).

    Raises: ValueError: growth is below 1.
    """
    _positive(first=first)
    if not 1 <= growth < math.inf:
        raise ValueError(f"growth must be 1 or more, and finite: {growth}")

    def share(t: float) -> float:
        length = first
        while t >= length and growth > 1:
            t, length = t - length, length * growth
        return cosine(length, final)(t % length if growth == 1 else t)

    return share


def warm_up(updates: float, then: Schedule, start: float = 0.0) -> Schedule:
    """Rise along a line from the share `start` to 1 in so many updates, then go on with `then`, from its own 0."""
    _positive(updates=updates)
    return lambda t: start + (1 - start) * t / updates if t < updates else then(t - updates)


class Scheduler:
    """Sets the rate of every group of an optimiser; each keeps its own first rate.

    Args:
        optimiser: its groups' "lr" at this moment are the first rates; those of the first update are set at once.
        schedule: one for all groups, or one for each.

    Raises: ValueError: another number of schedules than groups; a share that is negative or not finite.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, schedule: Schedule | Sequence[Schedule]) -> None:
        groups = optimiser.param_groups
        self.optimiser = optimiser
        self.schedules = [schedule] * len(groups) if callable(schedule) else list(schedule)
        if len(self.schedules) != len(groups):
            raise ValueError(f"need one schedule, or one for each of {len(groups)} groups: {len(self.schedules)}")
        self.rates = [float(group["lr"]) for group in groups]
        self.set(0)

    def step(self) -> None:
        """Tell that an update was made: call it after the optimiser's own step."""
        self.set(self.update + 1)

    def set(self, update: float) -> None:
        """Set the rates that hold after so many updates."""
        shares = [schedule(update) for schedule in self.schedules]
        for share in shares:
            if not 0 <= share < math.inf:
                raise ValueError(f"a schedule must give 0 or more, and finite: {share} at update {update:g}")
        self.update = update
        for group, rate, share in zip(self.optimiser.param_groups, self.rates, shares, strict=True):
            group["lr"] = rate * share

    def state_dict(self) -> dict[str, Any]:
        """Return the first rates and the number of updates; schedules are functions, and are not in it."""
        return {"rates": list(self.rates), "update": self.update}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, and set its rates.

        Raises: ValueError: it has another number of groups.
        """
        if len(state["rates"]) != len(self.rates):
            raise ValueError(f"need a state of {len(self.rates)} groups: {len(state['rates'])}")
        self.rates = list(state["rates"])
        self.set(state["update"])


def _positive(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, and finite: {value}")
