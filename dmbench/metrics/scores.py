"""What a few runs' scores say: interquartile mean, its interval, probability of improvement, sample efficiency.

Sources: Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice, arXiv:2108.13264,
section 4; stratified bootstrap: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.2.
Symbols: n runs, m tasks, k points of a curve. Scores are an array (n, m), or (n,) for one task, of any unit; tasks
whose units differ have to be normalised first.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
Statistic = Callable[[Array], float]
RESAMPLES = 2_000


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    value: float
    low: float
    high: float


class Curve(NamedTuple):
    """The statistic after `steps` agent steps (k,), with the ends of its interval, each (k,)."""

    steps: Array
    value: Array
    low: Array
    high: Array


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half of all scores together.

    A quarter of them, rounded down, is left out on either side.

    Raises: ValueError: there is none, or one is not finite.
    """
    return float(stats.trim_mean(_finite(scores).ravel(), 0.25))


def stratified_bootstrap(
    scores: ArrayLike,
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a statistic of scores and its percentile interval: in each task runs are drawn anew, with replacement.

    Raises: ValueError: fewer than two runs, a score is not finite, or confidence is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1): {confidence}")
    table = _table(scores)
    random = np.random.default_rng(seed)
    drawn = [statistic(_resampled(table, random)) for _ in range(resamples)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(statistic(table)), float(low), float(high))


def probability_of_improvement(
    ours: ArrayLike, theirs: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return how likely a run of ours scores above one of theirs, a tie counting half, averaged over tasks.

    ours: (n, m) or (n,). theirs: (n', m) or (n',). The interval is the stratified bootstrap's, both drawn anew.

    Raises: ValueError: fewer than two runs, unlike tasks, a score is not finite, or confidence is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1): {confidence}")
    x, y = _table(ours), _table(theirs)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"need the same tasks on both sides: {x.shape[1]} and {y.shape[1]}")
    random = np.random.default_rng(seed)
    drawn = [_above(_resampled(x, random), _resampled(y, random)) for _ in range(resamples)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(_above(x, y), float(low), float(high))


def sample_efficiency(
    steps: ArrayLike,
    scores: ArrayLike,
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Curve:
    """Return the statistic over runs at each point of their curves, with its interval.

    steps: (k,), agent steps, rising. scores: (n, k), or (n, m, k) for several tasks.

    Raises: ValueError: the shapes do not agree, steps do not rise, or as `stratified_bootstrap`.
    """
    at, table = _finite(steps), _finite(scores)
    if table.ndim not in (2, 3) or at.shape != table.shape[-1:]:
        raise ValueError(f"need one score a run and point: {table.shape} for {at.shape} points")
    if (np.diff(at) <= 0).any():
        raise ValueError("steps must rise from point to point")
    points = [
        stratified_bootstrap(table[..., k], statistic, confidence=confidence, resamples=resamples, seed=seed)
        for k in range(len(at))
    ]
    value, low, high = (np.array(column) for column in zip(*points, strict=True))
    return Curve(at, value, low, high)


def steps_to_reach(curve: Curve, score: float) -> float | None:
    """Return the first agent steps of a curve's points at which its value is `score` or above, or None."""
    reached = curve.steps[curve.value >= score]
    return float(reached[0]) if len(reached) else None


def _resampled(table: Array, random: np.random.Generator) -> Array:
    rows = random.integers(len(table), size=table.shape)  # its own runs in every task
    return np.take_along_axis(table, rows, axis=0)


def _above(x: Array, y: Array) -> float:
    """Mann and Whitney's U over n n', averaged over tasks."""
    difference = x[:, None] - y[None]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _table(scores: ArrayLike) -> Array:
    table = _finite(scores)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) < 2:
        raise ValueError(f"need scores of two runs or more, (runs,) or (runs, tasks): {table.shape}")
    return table


def _finite(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("need at least one score: there is none")
    if not np.isfinite(array).all():
        raise ValueError(f"need finite scores: {array[~np.isfinite(array)][0]}")
    return array
