"""Hyper-parameter search: the same number of trials laid out on a grid, or at random.

Source: Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13, section 1 and Figure 1.
Where few of the hyper-parameters matter, n trials of a grid over k of them test n^(1/k) values of each, random ones n.

A trial is a dictionary of one value for each hyper-parameter.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

Trial = dict[str, float]


class Range(NamedTuple):
    """What a hyper-parameter may be: from low to high; log: evenly in its logarithm, so that low must be above 0."""

    low: float
    high: float
    log: bool = False

    def at(self, place: float) -> float:
        """Return the value at a place from 0 to 1.

        Raises: ValueError: the place, or the range, is none.
        """
        if not 0 <= place <= 1:
            raise ValueError(f"a place in a range is from 0 to 1: {place}")
        if not -math.inf < self.low < self.high < math.inf or (self.log and self.low <= 0):
            raise ValueError(f"need low below high, both finite, and above 0 if log: {self.low}, {self.high}")
        if not self.log:
            return self.low + (self.high - self.low) * place
        # Rounding must not carry a value past the end of its range.
        return min(self.low * math.exp(place * math.log(self.high / self.low)), self.high)


def grid(space: Mapping[str, Range], counts: Mapping[str, int]) -> list[Trial]:
    """Return all combinations of evenly spaced values; the last hyper-parameter changes fastest.

    counts: of values, at least 1 for each; each stands in the middle of its share of the range.
    Raises: ValueError: counts are of other hyper-parameters than the space, or a range or count is none.
    """
    if set(space) != set(counts) or not space or any(count < 1 for count in counts.values()):
        raise ValueError(f"need a count of at least 1 for each of {', '.join(space) or 'no range'}: {dict(counts)}")
    values = [[one.at((i + 0.5) / counts[name]) for i in range(counts[name])] for name, one in space.items()]
    return [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values)]


def random_layout(space: Mapping[str, Range], trials: int, generator: torch.Generator | None = None) -> list[Trial]:
    """Return trials whose values are drawn uniformly, each by itself.

    trials: at least 1. Raises: ValueError: there is no range, or no trial.
    """
    if trials < 1 or not space:
        raise ValueError(f"need at least one trial and one range: {trials}, {len(space)}")
    places = torch.rand(trials, len(space), generator=generator, dtype=torch.float64).tolist()
    return [{name: one.at(p) for (name, one), p in zip(space.items(), row, strict=True)} for row in places]


def distinct(layout: Sequence[Trial], name: str) -> int:
    """Return how many different values of a hyper-parameter the trials test."""
    return len({trial[name] for trial in layout})


def search(evaluate: Callable[[Trial], float], layout: Sequence[Trial]) -> tuple[Trial, list[float]]:
    """Return the trial with the lowest value, the first of equals, and all values; NaN counts as worse than any.

    Raises: ValueError: there is no trial, or every value is NaN.
    """
    values = [float(evaluate(trial)) for trial in layout]
    ranked = [math.inf if math.isnan(value) else value for value in values]
    if not values or all(math.isnan(value) for value in values):
        raise ValueError(f"none of {len(values)} trials gave a value: widen the ranges towards ones that train")
    return layout[min(range(len(values)), key=ranked.__getitem__)], values


def chance(share: float, trials: int) -> float:
    """Return how likely one of so many random trials lies in the best `share` of the space: 1 - (1 - share)^trials."""
    if not 0 < share < 1 or trials < 0:
        raise ValueError(f"need a share between 0 and 1, and 0 or more trials: {share}, {trials}")
    return -math.expm1(trials * math.log1p(-share))


def trials_needed(share: float, confidence: float) -> int:
    """Return the smallest number of random trials whose `chance` is at least `confidence`, both between 0 and 1."""
    if not 0 < share < 1 or not 0 < confidence < 1:
        raise ValueError(f"need a share and a confidence between 0 and 1: {share}, {confidence}")
    needed = math.ceil(math.log1p(-confidence) / math.log1p(-share))
    return needed - 1 if needed > 1 and chance(share, needed - 1) >= confidence else needed
