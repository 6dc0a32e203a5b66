"""Several seeds: the same statistics as dmbench's own metrics, which the harness may not import."""

import numpy as np
import pytest

from dmbench.harness.seeds import band, improvement
from dmbench.metrics.scores import probability_of_improvement, sample_efficiency


@pytest.mark.parametrize(("seeds", "points"), [(2, 3), (5, 4), (10, 1)])
def test_a_band_is_the_metrics_sample_efficiency_curve(seeds, points):
    runs = np.random.default_rng(seeds).normal(size=(seeds, points))
    expected = sample_efficiency(np.arange(points), runs)
    for ours, theirs in zip(band(runs), (expected.value, expected.low, expected.high), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("ours", "theirs"), [((1, 2, 2.5), (2, 2)), ((3, 4), (1, 2)), ((0, 1, 5, 6, 9), (4, 5, 6))])
def test_improvement_is_the_metrics_probability(ours, theirs):
    assert improvement(ours, theirs) == pytest.approx(tuple(probability_of_improvement(ours, theirs)), abs=1e-15)


def test_seeds_that_all_agree_leave_no_width():
    value, low, high = band([[1.0, 2.0]] * 4)
    assert value.tolist() == low.tolist() == high.tolist() == [1.0, 2.0]
