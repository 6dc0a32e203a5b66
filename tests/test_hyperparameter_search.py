"""Hyper-parameter search: layouts as loops, chances, the best trial, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments import hyperparameter_search as experiment
from dmbench.experiments._digits_training import Digits
from dmbench.harness.errors import ContractError
from dmbench.regularizers.hyperparameter_search import (
    Range,
    chance,
    distinct,
    grid,
    random_layout,
    search,
    trials_needed,
)

few = settings(deadline=None, max_examples=25, derandomize=True)
SPACE = {"a": Range(-1, 3), "b": Range(1e-4, 1, log=True), "c": Range(2, 3)}


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_a_grid_is_every_combination_of_the_middles_of_equal_parts(first, second, third):
    expected = [
        {
            "a": -1 + 4 * (i + 0.5) / first,
            "b": 10 ** (-4 + 4 * (j + 0.5) / second),
            "c": 2 + (k + 0.5) / third,
        }
        for i in range(first)
        for j in range(second)
        for k in range(third)
    ]
    found = grid(SPACE, {"a": first, "b": second, "c": third})
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert list(one) == ["a", "b", "c"]
        assert one == pytest.approx(other, rel=1e-12)


@few
@given(st.integers(1, 20), st.integers(0, 1000))
def test_random_trials_are_their_places_in_each_range(trials, seed):
    found = random_layout(SPACE, trials, torch.Generator().manual_seed(seed))
    places = torch.rand(trials, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    for trial, (a, b, c) in zip(found, places, strict=True):
        assert trial == pytest.approx({"a": -1 + 4 * a, "b": 1e-4 * 1e4**b, "c": 2 + c}, rel=1e-12)


def test_random_trials_fill_the_logarithm_of_a_range_evenly():
    values = [trial["b"] for trial in random_layout(SPACE, 4000, torch.Generator().manual_seed(0))]
    shares = [sum(10.0**low <= value < 10.0 ** (low + 1) for value in values) / 4000 for low in range(-4, 0)]
    assert shares == pytest.approx([0.25] * 4, abs=0.03)  # four standard errors of 0.0068


def test_equal_trials_test_fewer_values_on_a_grid():
    for side in (2, 3, 4):
        trials = side**3
        squares = grid(SPACE, dict.fromkeys(SPACE, side))
        spread = random_layout(SPACE, trials, torch.Generator().manual_seed(side))
        for name in SPACE:
            assert (distinct(squares, name), distinct(spread, name)) == (side, trials)


@few
@given(st.floats(0.001, 0.9), st.integers(0, 50))
def test_the_chance_is_that_not_all_trials_miss(share, trials):
    missed = 1.0
    for _ in range(trials):
        missed *= 1 - share
    assert chance(share, trials) == pytest.approx(1 - missed, abs=1e-13)


@few
@given(st.floats(0.001, 0.9), st.floats(0.01, 0.999))
def test_the_trials_needed_are_the_first_that_suffice(share, confidence):
    needed = trials_needed(share, confidence)
    assert needed >= 1
    assert chance(share, needed) >= confidence - 1e-12
    assert needed == 1 or chance(share, needed - 1) < confidence


def test_the_best_trial_is_the_first_of_the_lowest_and_nan_is_the_worst():
    layout = [{"a": float(i)} for i in range(5)]
    values = [math.nan, 3.0, 1.0, 1.0, math.inf]
    best, found = search(lambda trial: values[int(trial["a"])], layout)
    assert best == {"a": 2.0}
    assert found[1:] == values[1:]
    assert search(lambda trial: math.inf, layout[:2])[0] == {"a": 0.0}
    assert search(lambda trial: math.nan if trial["a"] == 0 else math.inf, layout[:2])[0] == {"a": 0.0}


def test_a_trial_of_the_experiment_trains_and_one_far_too_fast_does_not_crash():
    class Context:
        device, seed = torch.device("cpu"), 0

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1000) % 10
    images = torch.nn.functional.one_hot(labels, 784).float().view(-1, 1, 28, 28) * 5
    digits = Digits(images + 0.1 * torch.rand(1000, 1, 28, 28, generator=generator), labels)
    good = experiment.trained(Context(), digits, {"rate": 0.1, "decay": 0.0, "scale": 1.0})
    bad = experiment.trained(Context(), digits, {"rate": 1e20, "decay": 0.0, "scale": 1.0})
    assert experiment.error(good, digits) < 5
    assert experiment.error(bad, digits) > 50


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match="a place in a range is from 0 to 1: 1.5"):
        Range(0, 1).at(1.5)
    for low, high, log in ((1, 1, False), (2, 1, False), (0, 1, True), (0, math.inf, False), (math.nan, 1, False)):
        with pytest.raises(ValueError, match="need low below high, both finite, and above 0 if log"):
            Range(low, high, log).at(0.5)
    for counts in ({"a": 2}, {"a": 2, "b": 0, "c": 1}, {}):
        with pytest.raises(ValueError, match="need a count of at least 1 for each of a, b, c"):
            grid(SPACE, counts)
    with pytest.raises(ValueError, match="for each of no range"):
        grid({}, {})
    with pytest.raises(ValueError, match="need at least one trial and one range: 0, 3"):
        random_layout(SPACE, 0)
    for values in ([], [math.nan]):
        with pytest.raises(ValueError, match=f"none of {len(values)} trials gave a value"):
            search(lambda trial, values=values: values[0], [{"a": 0.0}] * len(values))
    for bad in (0, 1, math.nan):
        with pytest.raises(ValueError, match="need a share between 0 and 1"):
            chance(bad, 3)
        with pytest.raises(ValueError, match="need a share and a confidence between 0 and 1"):
            trials_needed(0.5, bad)


def test_only_what_keeps_the_contract_is_measured():
    place = "dmbench.regularizers.hyperparameter_search:random_layout"
    assert check("hyperparameter_search", numbers="random_distinct", layout=place)
    with pytest.raises(ContractError, match="returned 1 trials, not 4"):
        experiment.LAYOUT.check(lambda space, trials, generator: [{"a": 1, "b": 1}])
    with pytest.raises(ContractError, match="outside of its range"):
        experiment.LAYOUT.check(lambda space, trials, generator: [{"a": 0, "b": 1}] * 4)


def test_the_picture_shows_nine_trials_of_each_layout_inside_their_square():
    from dmbench.experiments._hyperparameter_search_pictures import layouts

    squares = [part.axes[1] for part in layouts(None).subfigs]
    for square in squares:
        (points,) = [line for line in square.lines if len(line.get_xdata()) == 9]
        assert len(set(zip(points.get_xdata(), points.get_ydata(), strict=True))) == 9
    assert [len(set(square.lines[0].get_xdata())) for square in squares] == [3, 9]
