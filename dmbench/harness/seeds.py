"""What several seeds say together: their interquartile mean with its interval, and how two sides' seeds compare.

Intervals are 95 % percentile intervals of a bootstrap that draws seeds anew, with replacement. For one quantity this is
what Agarwal et al. (2021), arXiv:2108.13264, section 4, advise; tests compare it with dmbench's metrics.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2_000


class Band(NamedTuple):
    """A statistic at each point of a curve, and the ends of its interval, each (k,)."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def band(runs: ArrayLike) -> Band:
    """Return the interquartile mean over runs at each point, runs (n, k) with n at least 2."""
    values = np.asarray(runs, dtype=np.float64)
    drawn = stats.trim_mean(values[_rows(len(values), np.random.default_rng(0))], 0.25, axis=1)  # (resamples, k)
    return Band(np.asarray(stats.trim_mean(values, 0.25, axis=0)), *_ends(np.asarray(drawn)))


def improvement(ours: ArrayLike, theirs: ArrayLike) -> tuple[float, float, float]:
    """Return how likely a seed of ours (n,) lies above one of theirs (m,), a tie counting half, and its interval."""
    x, y = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    random = np.random.default_rng(0)
    drawn = [
        _above(x[random.integers(len(x), size=len(x))], y[random.integers(len(y), size=len(y))])
        for _ in range(RESAMPLES)
    ]
    low, high = _ends(np.array(drawn))
    return _above(x, y), float(low), float(high)


def _rows(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    return random.integers(count, size=(RESAMPLES, count))


def _above(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    difference = x[:, None] - y
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _ends(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    ends: NDArray[np.float64] = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return ends
