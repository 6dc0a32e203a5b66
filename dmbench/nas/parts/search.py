"""One interface for all strategies, and the loop that runs one.

A strategy proposes a point (`ask`) and is told what it reached (`tell`). It may be asked several times before it is
told, and told in another order: no strategy here keeps more of an open proposal than the point itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Protocol

from torch import Tensor

from dmbench.nas.parts.decision import Point

PATIENCE = 100


class Strategy(Protocol):
    """What proposes points and learns from what they reached."""

    def ask(self) -> Point:
        """Propose a point."""

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point reached; more is better."""


class Lanes(Protocol):
    """A strategy that runs several searches at once, which share nothing: one lane each."""

    lanes: int

    def ask_all(self) -> list[Point]:
        """Propose a point in each lane."""

    def tell_all(self, points: Sequence[Point], accuracies: Tensor) -> None:
        """Learn what the points reached; accuracies (L) in the points' dtype."""


class StuckError(RuntimeError):
    """A strategy proposes the same point for ever."""


@dataclass
class History:
    """What a search tried: points and their accuracies, in order."""

    points: list[Point] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    def add(self, point: Point, accuracy: float) -> None:
        """Add an evaluation."""
        self.points.append(point)
        self.accuracies.append(accuracy)

    def best(self, evaluations: int | None = None) -> Point:
        """Return the best point after so many evaluations, all by default; the first of equals.

        Raises: ValueError: there are not so many, or none.
        """
        return self.anytime()[self._known(evaluations) - 1]

    def anytime(self) -> list[Point]:
        """Return the best point so far, after each evaluation."""
        best: list[Point] = []
        highest = -math.inf
        for point, accuracy in zip(self.points, self.accuracies, strict=True):
            if accuracy > highest or not best:
                best.append(point)
                highest = accuracy
            else:
                best.append(best[-1])
        return best

    def _known(self, evaluations: int | None) -> int:
        count = len(self.points) if evaluations is None else evaluations
        if not 1 <= count <= len(self.points):
            raise ValueError(f"need from 1 to {len(self.points)} evaluations: {count}")
        return count


def search(strategy: Strategy, evaluate: Callable[[Point], float], budget: int, patience: int = PATIENCE) -> History:
    """Run a strategy for a number of evaluations; a point proposed twice is evaluated twice.

    evaluate: what a search may see of a point, such as its validation accuracy. budget: evaluations, at least 1.
    patience: how many times running the same point may be proposed.
    Raises: ValueError: the budget is none, or an accuracy is NaN. TypeError: evaluate cannot be called or gives what is
        no number, as the benchmark's test accuracies are. StuckError: the strategy proposes the same point for ever.
    """
    check_budget(budget, patience)
    check_evaluate(evaluate)
    history = History()
    repeats = 0
    for _ in range(budget):
        point = strategy.ask()
        repeats = repeats + 1 if history.points and history.points[-1] == point else 1
        if repeats > patience:
            raise StuckError(f"{type(strategy).__name__} proposed {point} {repeats} times running: it is stuck")
        accuracy = checked(evaluate(point), point)
        history.add(point, accuracy)
        strategy.tell(point, accuracy)
    return history


def search_lanes(strategy: Lanes, evaluate: Callable[[Point], float], budget: int) -> list[History]:
    """Run all lanes of a strategy, each for a number of evaluations; arguments and errors as of `search`.

    That a lane comes to propose one point only is no error here: the others go on.
    """
    check_budget(budget)
    check_evaluate(evaluate)
    histories = [History() for _ in range(strategy.lanes)]
    for _ in range(budget):
        points = strategy.ask_all()
        for history, point in zip(histories, points, strict=True):
            history.add(point, checked(evaluate(point), point))
        strategy.tell_all(points, Tensor([history.accuracies[-1] for history in histories]))
    return histories


def check_budget(budget: int, patience: int = PATIENCE) -> None:
    """Raise ValueError unless both are at least 1."""
    if budget < 1 or patience < 1:
        raise ValueError(f"need a budget and a patience of at least 1 evaluation: {budget}, {patience}")


def check_evaluate(evaluate: object) -> None:
    """Raise TypeError unless it can be called."""
    if not callable(evaluate):
        raise TypeError(f"a search needs a function of a point, such as a table's signal: {type(evaluate).__name__}")


def checked(accuracy: object, point: Point) -> float:
    """Return an accuracy. Raises: TypeError: it is no number. ValueError: it is NaN; both name the point."""
    if not isinstance(accuracy, Real):
        raise TypeError(f"evaluate must return a number, {type(accuracy).__name__} is none: at {point}")
    if math.isnan(accuracy):
        raise ValueError(f"the accuracy of {point} is NaN: return the lowest one for what cannot be trained")
    return float(accuracy)
