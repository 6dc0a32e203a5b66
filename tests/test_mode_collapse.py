"""Mode collapse: modes and good samples as loops, limits, stacked digits, errors."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmbench.datasets.gaussian_ring import draw, grid, ring
from dmbench.metrics.mode_collapse import mode_collapse, stacked_modes


def by_hand(samples, centres, std, within):
    counts = [0] * len(centres)
    for x in samples.tolist():
        distances = [math.dist(x, c) for c in centres.tolist()]
        if min(distances) <= within * std:
            counts[distances.index(min(distances))] += 1
    good = sum(counts)
    kl = sum(c / good * math.log(c / good * len(centres)) for c in counts if c) if good else math.inf
    return sum(c > 0 for c in counts), good / len(samples), kl


@given(st.integers(1, 30), st.integers(1, 6), st.floats(0.05, 1), st.integers(0, 10**6))
def test_it_counts_as_defined(n, m, std, seed):
    g = torch.Generator().manual_seed(seed)
    samples, centres = (torch.randn(count, 2, generator=g, dtype=torch.float64) for count in (n, m))
    found = mode_collapse(samples, centres, std)
    modes, quality, kl = by_hand(samples, centres, std, 3)
    assert (found.modes, found.high_quality) == (modes, quality)
    assert found.divergence == pytest.approx(kl, abs=1e-12)


def test_data_itself_finds_all_modes_and_has_the_normal_share_of_good_samples():
    centres = grid()
    found = mode_collapse(draw(centres, 0.05, 20_000, torch.Generator().manual_seed(0)), centres, 0.05)
    assert found.modes == 25
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.004)  # of a plane: not 99.7 %
    assert found.divergence < 0.01


def test_collapse_to_one_mode_is_seen():
    centres = ring()
    found = mode_collapse(centres[:1].repeat(10, 1), centres, 0.01)
    assert found == (1, 1.0, pytest.approx(math.log(8)))


def test_a_narrow_mode_far_from_the_origin_is_not_lost_in_rounding():
    centres = torch.tensor([[1000.0, 1000.0], [1000.01, 1000.0]])
    found = mode_collapse(centres, centres, 1e-3)
    assert (found.modes, found.high_quality) == (2, 1)


def test_samples_far_from_all_modes_are_of_no_quality():
    found = mode_collapse(torch.zeros(5, 2), ring(), 0.01)
    assert found == (0, 0.0, math.inf)


def test_stacked_digits_are_counted_by_their_thousand_classes():
    every = torch.cartesian_prod(*[torch.arange(10)] * 3)
    found = stacked_modes(every)
    assert found.modes == 1000
    assert found.divergence == pytest.approx(0, abs=1e-12)
    labels = torch.tensor([[1, 2, 3], [3, 2, 1], [1, 2, 3], [1, 2, 3]])
    found = stacked_modes(labels)
    assert found.modes == 2
    expected = 0.75 * math.log(750) + 0.25 * math.log(250)
    assert found.divergence == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mode_collapse(torch.zeros(0, 2), ring(), 0.1), "need at least one sample"),
        (lambda: mode_collapse(torch.zeros(2, 3), ring(), 0.1), r"\(2, 3\) and \(8, 2\)"),
        (lambda: mode_collapse(torch.zeros(2, 2), ring(), 0.0), "above 0: 0.0 and 3.0"),
        (lambda: mode_collapse(torch.full((2, 2), math.nan), ring(), 0.1), "samples hold NaN"),
        (lambda: stacked_modes(torch.zeros(0, 3).long()), r"at least one sample: \(0, 3\)"),
        (lambda: stacked_modes(torch.tensor([[0, 1, 10]])), "from 0 to 9: 0 to 10"),
    ],
)
def test_what_cannot_be_counted_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
