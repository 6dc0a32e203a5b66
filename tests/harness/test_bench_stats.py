"""Intervals and answers against their definitions."""

import numpy as np
import pytest

from dmbench.harness.bench_stats import CANNOT_TELL, FASTER, SAME, SLOWER, answer, median_interval


def test_the_interval_of_a_median_is_that_of_the_tables():
    """Conover (1999), Practical Nonparametric Statistics: ranks 2 and 9 of 10, 6 and 15 of 20, at 95 %."""
    assert median_interval(range(1, 11)) == (5.5, 2, 9)
    assert median_interval(range(1, 21)) == (10.5, 6, 15)
    assert median_interval(range(1, 8)) == (4, 1, 7)


def test_the_interval_holds_the_median_as_often_as_it_says():
    random = np.random.default_rng(0)
    for count in (7, 16, 31):
        held = [low <= 0 <= high for _, low, high in map(median_interval, random.standard_cauchy((2000, count)))]
        assert 0.94 < np.mean(held) < 0.995


def test_few_samples_give_all_that_they_span_and_none_is_refused():
    assert median_interval([3.0, 1.0]) == (2.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="need at least one sample"):
        median_interval([])


def drawn(random, count, effect=0.0, scale=0.03):
    a, b, again = random.normal(0, scale, (3, count))
    return list(b + effect - (a + again) / 2), list(again - a)


def test_equal_sides_are_called_different_as_rarely_as_promised_and_the_interval_holds():
    random = np.random.default_rng(1)
    answers = [answer(*drawn(random, 5), within=0.1) for _ in range(2000)]
    wrong = np.mean([one.kind in (SLOWER, FASTER) for one in answers])
    assert 0.005 < wrong < 0.05  # the noise floor is wider than the interval, by the square root of 4 / 3
    assert 0.93 < np.mean([one.low <= 1 <= one.high for one in answers]) < 0.97


@pytest.mark.parametrize(("effect", "kind"), [(0.4, SLOWER), (-0.4, FASTER)])
def test_a_large_effect_is_found_with_three_generations_and_many_chances(effect, kind):
    random = np.random.default_rng(2)
    assert {answer(*drawn(random, 3, effect), within=0.1, chances=100).kind for _ in range(100)} == {kind}


def test_same_means_that_the_whole_interval_lies_within():
    random = np.random.default_rng(3)
    answers = [answer(*drawn(random, 10, 0.05, scale=0.01), within=0.1) for _ in range(200)]
    for one in answers:
        if one.kind == SAME:
            assert 1 / 1.1 <= one.low <= one.high <= 1.1
            assert str(one) == f"same within {one.within:.1%}"
    assert {one.kind for one in [answer(*drawn(random, 10, 0, 0.5), within=0.1)]} == {CANNOT_TELL}


def test_two_generations_cannot_tell():
    assert answer([0.4, 0.4], [0.0, 0.0], within=0.1).kind == CANNOT_TELL


def test_more_chances_ask_for_more():
    effects, nulls = [0.05, 0.07, 0.06], [0.02, -0.02, 0.01]
    floors = [answer(effects, nulls, within=0.1, chances=chances).floor for chances in (1, 10, 100)]
    assert floors == sorted(floors)
    assert len(set(floors)) == 3
