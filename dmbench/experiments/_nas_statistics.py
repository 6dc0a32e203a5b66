"""What many runs of searches say: means with deviations, regret over evaluations, equivalence, and who beats whom.

Intervals are 95 %: Student's t of a mean, or the percentile bootstrap over runs. The interval of a probability of
improvement is `dmbench.metrics.scores.probability_of_improvement`'s.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dmbench.datasets.nas_bench_201 import Test
from dmbench.metrics.scores import Interval
from dmbench.nas.parts.search import History

CONFIDENCE = 0.95
EQUIVALENT, DIFFERENT, OPEN = "equivalent", "different", "inconclusive"


class Summary(NamedTuple):
    """The mean and deviation of some runs."""

    mean: float
    sd: float
    runs: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} +- {self.sd:.2f} ({self.runs} runs)"


def summary(values: ArrayLike) -> Summary:
    """Return mean and deviation of runs (n), n - 1 in the denominator. Raises: ValueError: fewer than two, or NaN."""
    found = _runs(values)
    return Summary(float(found.mean()), float(found.std(ddof=1)), len(found))


def interval(values: ArrayLike) -> Interval:
    """Return the mean of runs (n) with its interval. Errors as `summary`."""
    found = _runs(values)
    reach = float(stats.sem(found) * stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1))
    mean = float(found.mean())
    return Interval(mean, mean - reach, mean + reach)


def equivalence(values: ArrayLike, printed: float, atol: float) -> str:
    """Say whether the mean of runs is the printed one up to atol, which was fixed before.

    "equivalent": the interval lies inside of printed +- atol; "different": outside; else "inconclusive".
    Raises: ValueError: atol is not above 0, or as `summary`.
    """
    if not atol > 0:
        raise ValueError(f"need an atol above 0: {atol}")
    found = interval(values)
    if found.low >= printed - atol and found.high <= printed + atol:
        return EQUIVALENT
    return DIFFERENT if found.high < printed - atol or found.low > printed + atol else OPEN


def regrets(histories: Sequence[History], test: Test) -> NDArray[np.float64]:
    """Return how far the choice of each run is below the best cell after each evaluation, (runs, evaluations)."""
    return np.array([[test.regret(point) for point in history.anytime()] for history in histories])


def improvement(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return how likely a run of ours (n) is above one of theirs (m), a tie counting half. Errors as `summary`."""
    difference = _runs(ours)[:, None] - _runs(theirs)
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def mean_and_error(runs: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over runs (n, k) at each point, and its standard error, each (k)."""
    table = np.asarray(runs, dtype=np.float64)
    return np.asarray(table.mean(0)), np.asarray(stats.sem(table, axis=0))


def ranks(runs: Mapping[str, ArrayLike], resamples: int = 2_000, seed: int = 0) -> dict[str, Interval]:
    """Return each strategy's mean rank, 1 the best, with its interval; equal runs share their ranks' mean.

    runs: by strategy, of n runs each what they reached, more is better; run i of all is compared. The bootstrap draws
    runs anew, for all strategies together.
    Raises: ValueError: fewer than two strategies or runs, unlike numbers of runs, or NaN.
    """
    tables = [_runs(values) for values in runs.values()]
    if len(tables) < 2 or len({len(table) for table in tables}) > 1:
        raise ValueError(f"need two strategies or more, of as many runs: {[len(table) for table in tables]}")
    placed = stats.rankdata(-np.stack(tables), axis=0)  # (strategies, n)
    random = np.random.default_rng(seed)
    drawn = placed[:, random.integers(placed.shape[1], size=(resamples, placed.shape[1]))].mean(-1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=1)
    return {name: Interval(float(placed[i].mean()), float(low[i]), float(high[i])) for i, name in enumerate(runs)}


def _runs(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise ValueError(f"need two runs or more, all finite: {found.shape}")
    return found
