"""Successive halving, Hyperband and BOHB: many points with little of a resource, the best of them with more.

Sources: successive halving: Jamieson and Talwalkar (2016), arXiv:1502.07943. Hyperband: Li, Jamieson, DeSalvo,
Rostamizadeh and Talwalkar (2018), JMLR 18(185), arXiv:1603.06560, Algorithm 1 and Table 1; R the most resource of a
point, one in eta is kept. BOHB: Falkner, Klein and Hutter (2018), arXiv:1807.01774, with the densities of
`parts.parzen` where Hyperband draws at random.

Differs from the papers: 1. A rung that waits for its last answers is left open, and the next bracket begun.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.parzen import ParzenSearch
from dmbench.nas.parts.rungs import ROUNDING, Rung, brackets, halving


class Trial(NamedTuple):
    """A point to evaluate with so much of the resource; the rest says where it belongs."""

    point: Point
    resource: float
    bracket: int
    rung: int
    place: int


@dataclass
class Bracket:
    """One that is under way: of its present rung the points, how many were asked for, and what was told by place."""

    rungs: Sequence[Rung]
    number: int
    rung: int
    points: list[Point]
    asked: int
    told: dict[int, float]


class Hyperband:
    """Run brackets, one after the other, and all of them again for ever.

    most, eta: of `brackets`. plan: brackets instead of these; with one, it is successive halving.
    Raises: ValueError: as `brackets`, or a plan of nothing.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        most: float = 81.0,
        eta: float = 3.0,
        plan: Sequence[Sequence[Rung]] | None = None,
    ) -> None:
        self.plan = brackets(most, eta) if plan is None else plan
        if not self.plan or not all(self.plan):
            raise ValueError("need a bracket or more, each with a rung")
        self.space, self.generator = space, generator
        self.next = cycle(self.plan)
        self.begun = 0
        self.open: list[Bracket] = []

    def ask(self) -> Trial:
        """Propose a trial of the oldest bracket that has one; where all wait, of a new one."""
        for bracket in self.open:
            if bracket.asked < bracket.rungs[bracket.rung].points:
                return self._trial(bracket)
        self.open.append(Bracket(next(self.next), self.begun, 0, [], 0, {}))
        self.begun += 1
        return self._trial(self.open[-1])

    def tell(self, trial: Trial, accuracy: float) -> None:
        """Learn what a trial reached; the last of a rung lets its best go on.

        Raises: ValueError: the accuracy is NaN, or the trial was not asked for, or was told already.
        """
        if math.isnan(accuracy):
            raise ValueError(f"the accuracy of {trial.point} is NaN: tell the lowest one for what cannot be trained")
        bracket = next((one for one in self.open if one.number == trial.bracket), None)
        if (
            bracket is None
            or bracket.rung != trial.rung
            or trial.place in bracket.told
            or bracket.points[trial.place : trial.place + 1] != [trial.point]
        ):
            raise ValueError(f"{trial} was not asked for, or was told already")
        bracket.told[trial.place] = accuracy
        if len(bracket.told) == bracket.rungs[bracket.rung].points:
            self._promote(bracket)

    def draw(self) -> Point:
        """Return a point for the first rung of a bracket: any."""
        return self.space.sample(self.generator)

    def _trial(self, bracket: Bracket) -> Trial:
        if bracket.rung == 0:
            bracket.points.append(self.draw())
        place = bracket.asked
        bracket.asked += 1
        resource = bracket.rungs[bracket.rung].resource
        return Trial(bracket.points[place], resource, bracket.number, bracket.rung, place)

    def _promote(self, bracket: Bracket) -> None:
        bracket.rung += 1
        if bracket.rung == len(bracket.rungs):
            self.open.remove(bracket)
            return
        order = sorted(bracket.told, key=lambda place: bracket.told[place], reverse=True)
        bracket.points = [bracket.points[place] for place in order[: bracket.rungs[bracket.rung].points]]
        bracket.asked, bracket.told = 0, {}


class SuccessiveHalving(Hyperband):
    """One bracket, again and again: arguments and errors of `halving`."""

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        points: int = 81,
        resource: float = 1.0,
        rungs: int = 5,
        eta: float = 3.0,
    ) -> None:
        super().__init__(space, generator, plan=[halving(points, resource, rungs, eta)])


class BOHB(Hyperband):
    """Hyperband whose points are proposed by a model of the highest resource that has enough answers for one.

    most, eta: of `brackets`. model: makes a strategy of a space and a generator, one for each resource.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        most: float = 81.0,
        eta: float = 3.0,
        model: Callable[[Space, torch.Generator | None], ParzenSearch] = ParzenSearch,
    ) -> None:
        super().__init__(space, generator, most=most, eta=eta)
        self.model = model
        self.models: dict[float, ParzenSearch] = {}

    def draw(self) -> Point:
        """Return what the model of the highest resource proposes, of those that have enough answers."""
        enough = len(self.space.decisions) + 3
        able = [resource for resource, model in self.models.items() if len(model.known) >= enough]
        return self.models[max(able)].ask() if able else super().draw()

    def tell(self, trial: Trial, accuracy: float) -> None:
        """Learn what a trial reached, in its bracket and in the model of its resource; errors as of Hyperband."""
        super().tell(trial, accuracy)
        if trial.resource not in self.models:
            self.models[trial.resource] = self.model(self.space, self.generator)
        self.models[trial.resource].tell(trial.point, accuracy)


class Told(NamedTuple):
    """A trial, what it reached, and how much was spent after it."""

    trial: Trial
    accuracy: float
    spent: float


def spend(strategy: Hyperband, evaluate: Callable[[Point, float], float], budget: float) -> list[Told]:
    """Run trials as long as the budget of all of them together lasts; the first that it does not cover ends it.

    Raises: ValueError: the budget is not above 0 or does not last for one trial, or an accuracy is NaN.
    """
    if not 0 < budget < math.inf:
        raise ValueError(f"need a budget above 0: {budget}")
    found: list[Told] = []
    spent = 0.0
    while spent + (trial := strategy.ask()).resource <= budget * (1 + ROUNDING):
        spent += trial.resource
        accuracy = evaluate(trial.point, trial.resource)
        strategy.tell(trial, accuracy)
        found.append(Told(trial, accuracy, spent))
    if not found:
        raise ValueError(f"a budget of {budget} is less than the first trial takes: {trial.resource}")
    return found


def chosen(told: Sequence[Told]) -> Point:
    """Return the best point of the highest resource that was reached. Raises: ValueError: nothing was told."""
    if not told:
        raise ValueError("nothing was told")
    return max(told, key=lambda one: (one.trial.resource, one.accuracy)).trial.point
