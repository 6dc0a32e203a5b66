"""Statistics of a few runs' scores, against cases worked by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dmbench.metrics.scores import (
    Curve,
    interquartile_mean,
    probability_of_improvement,
    sample_efficiency,
    steps_to_reach,
    stratified_bootstrap,
)

scores = st.lists(st.integers(-100, 100), min_size=2, max_size=7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([1, 3], 2.0),
        ([1, 2, 3, 1000], 2.5),
        ([-1000, 10, 20, 30, 1000], 20.0),  # a quarter of five, rounded down, is one
        ([0, 1, 2, 3, 4, 5, 6, 100], 3.5),
        ([[0, 6], [1, 100], [5, 4], [2, 3]], 3.5),  # tasks are pooled
    ],
)
def test_the_interquartile_mean_leaves_a_quarter_out_on_either_side(values, expected):
    assert interquartile_mean(values) == expected


def test_the_interval_of_a_mean_is_that_of_all_resamples():
    runs = [1.0, 4.0, 10.0]
    every = sorted(np.mean(drawn) for drawn in itertools.product(runs, repeat=3))
    found = stratified_bootstrap(runs, np.mean, confidence=0.8, resamples=20_000)
    assert found.value == 5.0
    assert (found.low, found.high) == pytest.approx(np.quantile(every, [0.1, 0.9]), abs=1e-12)


def test_the_interval_agrees_with_scipys_percentile_bootstrap():
    runs = np.random.default_rng(0).normal(10, 3, 40)
    theirs = stats.bootstrap((runs,), np.mean, method="percentile", n_resamples=9_999, rng=1).confidence_interval
    ours = stratified_bootstrap(runs, np.mean, resamples=9_999)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_runs_are_drawn_anew_within_each_task_and_for_each_task_apart():
    table = np.array([[0.0, 100.0], [2.0, 104.0]])
    seen = set()

    def keep(drawn):
        seen.add((tuple(sorted(drawn[:, 0])), tuple(sorted(drawn[:, 1]))))
        return 0.0

    stratified_bootstrap(table, keep, resamples=500)
    left, right = [(0.0, 0.0), (0.0, 2.0), (2.0, 2.0)], [(100.0, 100.0), (100.0, 104.0), (104.0, 104.0)]
    assert seen == set(itertools.product(left, right))


def test_the_confidence_widens_the_interval_and_the_seed_fixes_it():
    runs = np.random.default_rng(0).normal(0, 1, 12)
    narrow, wide = (stratified_bootstrap(runs, confidence=c) for c in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert stratified_bootstrap(runs) == wide
    assert stratified_bootstrap(runs, seed=1) != wide


@given(scores, scores)
def test_the_probability_of_improvement_is_the_share_of_pairs(ours, theirs):
    pairs = [1.0 if x > y else 0.5 if x == y else 0.0 for x in ours for y in theirs]
    found = probability_of_improvement(ours, theirs, resamples=20)
    assert found.value == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
    statistic = stats.mannwhitneyu(ours, theirs).statistic
    assert found.value == pytest.approx(statistic / len(pairs), abs=1e-12)
    assert found.low <= found.high


def test_the_probability_of_improvement_by_hand():
    assert probability_of_improvement([5, 6, 7], [1, 2]) == (1.0, 1.0, 1.0)
    assert probability_of_improvement([3, 3], [3, 3]) == (0.5, 0.5, 0.5)
    assert probability_of_improvement([[5, 0], [6, 0]], [[1, 9], [2, 9], [3, 0]]).value == pytest.approx(
        (1 + 1 / 6) / 2
    )  # the first task is won, of the second a third is tied
    found = probability_of_improvement([1, 3], [2, 2], resamples=20_000, confidence=0.4)
    assert found == (0.5, 0.5, 0.5)  # draws of 1, 1 (a quarter) give 0, of 3, 3 (a quarter) 1, of both a half
    assert probability_of_improvement([1, 3], [2, 2], confidence=0.6) == (0.5, 0.0, 1.0)


def test_the_sample_efficiency_curve_is_the_interval_at_each_point():
    runs = np.array([[0.0, 10.0, 20.0], [2.0, 10.0, 30.0], [4.0, 10.0, 100.0], [9.0, 10.0, 40.0]])
    curve = sample_efficiency([100, 200, 300], runs)
    assert curve.steps.tolist() == [100, 200, 300]
    assert curve.value.tolist() == [3.0, 10.0, 35.0]
    for k in range(3):
        assert (curve.value[k], curve.low[k], curve.high[k]) == stratified_bootstrap(runs[:, k])
    tasks = sample_efficiency([1, 2], np.stack([runs[:, :2], runs[:, 1:]], axis=1))
    assert tasks.value[0] == interquartile_mean(np.stack([runs[:, 0], runs[:, 1]], axis=1))


def test_the_steps_to_a_score_are_those_of_the_first_point_that_has_it():
    curve = Curve(np.array([10.0, 20, 30, 40]), np.array([1.0, 5, 4, 9]), np.zeros(4), np.zeros(4))
    assert [steps_to_reach(curve, score) for score in (0, 5, 6, 10)] == [10, 20, 40, None]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: interquartile_mean([]), "need at least one score"),
        (lambda: interquartile_mean([1, float("nan")]), "need finite scores: nan"),
        (lambda: stratified_bootstrap([1.0]), "two runs or more"),
        (lambda: stratified_bootstrap([1, 2], confidence=95), "confidence must be in .0, 1.: 95"),
        (lambda: probability_of_improvement([[1, 2], [3, 4]], [1, 2]), "same tasks on both sides: 2 and 1"),
        (lambda: probability_of_improvement([1, 2], [1, 2], confidence=0), "confidence must be in .0, 1.: 0"),
        (lambda: sample_efficiency([1, 2], [[1, 2, 3], [1, 2, 3]]), "one score a run and point"),
        (lambda: sample_efficiency([2, 1], [[1, 2], [1, 2]]), "steps must rise"),
    ],
)
def test_what_cannot_be_judged_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
