"""What paired samples say: the median and its interval, and whether one side is slower than the other.

A comparison runs three sides: A, B, and A again as A'. In each *generation* all three are fresh processes, since where
a process finds its memory moves its times by a few per cent for as long as it lives; so a generation, and not a sample,
is what repeats. One generation gives, of the medians over its interleaved rounds,
    d = log B - (log A + log A') / 2    and    n = log A' - log A,
whose variances are 3/2 and 2 times that of one side, and which are uncorrelated. The mean of n is known: it is 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

SLOWER, FASTER, SAME, CANNOT_TELL = "slower", "faster", "same", "cannot tell"
LEAST_GENERATIONS = 3
CONFIDENCE = 0.95


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Return the median and an interval that holds the true one with at least this probability (order statistics).

    Samples have to be independent, of any one distribution; fewer than 6 give all that they span.

    Raises:
        ValueError: there is no sample.
    """
    if not len(samples):
        raise ValueError("need at least one sample")
    ordered = np.sort(np.asarray(samples, dtype=float))
    count = len(ordered)
    cut = 0
    while 2 * stats.binom.cdf(cut + 1, count, 0.5) <= 1 - confidence:  # the chance that cut + 1 or fewer lie beyond
        cut += 1
    return float(np.median(ordered)), float(ordered[cut]), float(ordered[count - 1 - cut])


@dataclass(frozen=True)
class Answer:
    """Time of B over A, its interval, and what it comes to.

    floor: the noise floor, as a ratio above 1: A against itself differs by less, at this confidence.
    within: the ratio lies between 1 / (1 + within) and 1 + within, at this confidence.
    """

    kind: str
    ratio: float
    low: float
    high: float
    floor: float
    within: float

    def __str__(self) -> str:
        return f"same within {self.within:.1%}" if self.kind == SAME else self.kind


UNKNOWN = Answer(CANNOT_TELL, math.nan, 0.0, math.inf, math.inf, math.inf)


def answer(
    effects: Sequence[float], nulls: Sequence[float], *, within: float, chances: int = 1, confidence: float = CONFIDENCE
) -> Answer:
    """Judge one case by its generations.

    Args:
        effects: d of each generation.
        nulls: n of each generation.
        within: the largest difference that may be called the same, as 0.1.
        chances: how often any case of the comparison is judged; all answers hold together at this confidence.
        confidence: above 0.5, below 1.

    Returns:
        `slower` or `faster` if the ratio lies beyond what A against itself may differ by; `same` if its whole interval
        lies within; otherwise `cannot tell`, as with fewer than three generations.
    """
    count = len(effects)
    if count < LEAST_GENERATIONS:
        return UNKNOWN
    d, n = np.asarray(effects), np.asarray(nulls)
    freedom = 2 * count - 1  # each n has one degree, and the d have one less, for their mean
    variance = float((n**2 / 2).sum() + ((d - d.mean()) ** 2 / 1.5).sum()) / freedom
    reach = float(stats.t.ppf(1 - (1 - confidence) / 2 / chances, freedom)) * math.sqrt(variance / count)
    effect, half, floor = float(d.mean()), reach * math.sqrt(1.5), reach * math.sqrt(2)
    largest = math.expm1(min(abs(effect) + half, 700.0))
    kind = SAME if largest <= within else CANNOT_TELL
    if abs(effect) > floor:
        kind = SLOWER if effect > 0 else FASTER
    low, high = (math.exp(max(-700.0, min(effect + sign * half, 700.0))) for sign in (-1, 1))
    return Answer(kind, math.exp(effect), low, high, math.exp(min(floor, 700.0)), largest)
