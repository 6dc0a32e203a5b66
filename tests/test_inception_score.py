"""The inception score: the definition as loops, its limits, its parts, errors."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmbench.metrics.inception_score import inception_score


def drawn(n, k, seed=0):
    logits = 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return logits.softmax(1)


def by_hand(p):
    n, k = p.shape
    rows = p.tolist()
    marginal = [sum(row[y] for row in rows) / n for y in range(k)]
    return math.exp(sum(row[y] * math.log(row[y] / marginal[y]) for row in rows for y in range(k)) / n)


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 10**6))
def test_it_is_the_exponential_of_the_mean_divergence(n, k, seed):
    p = drawn(n, k, seed)
    found = inception_score(p, parts=1)
    assert found.mean == pytest.approx(by_hand(p), abs=1e-12)
    assert found.deviation == 0
    assert 1 - 1e-12 <= found.mean <= k + 1e-12


def test_the_direction_of_the_divergence_by_a_worked_example():
    """Half of the samples are sure of class 0, half undecided: p(y) = (3/4, 1/4)."""
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    forward = math.log(4 / 3) / 2 + (math.log(2 / 3) + math.log(2)) / 4
    assert inception_score(p, 1).mean == pytest.approx(math.exp(forward), abs=1e-12)


def test_it_is_one_where_all_samples_look_alike_and_k_where_each_class_is_found_for_sure():
    assert inception_score(torch.full((20, 7), 1 / 7)).mean == pytest.approx(1, abs=1e-12)
    assert inception_score(drawn(1, 7).expand(20, 7)).mean == pytest.approx(1, abs=1e-12)
    assert inception_score(torch.eye(7).repeat(10, 1), parts=10).mean == pytest.approx(7, abs=1e-12)
    assert inception_score(torch.eye(7)[:1].repeat(10, 1)).mean == pytest.approx(1, abs=1e-12)  # sure, one class only


def test_parts_are_scored_each_by_itself_in_order():
    p = drawn(10, 3)
    scores = [by_hand(p[:4]), by_hand(p[4:7]), by_hand(p[7:])]
    found = inception_score(p, parts=3)
    mean = sum(scores) / 3
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.deviation == pytest.approx(math.sqrt(sum((s - mean) ** 2 for s in scores) / 3), abs=1e-12)


def test_rounding_of_a_softmax_in_half_precision_is_put_right():
    p = drawn(20, 10)
    assert inception_score(p.half(), 1).mean == pytest.approx(inception_score(p, 1).mean, abs=1e-3)


@pytest.mark.parametrize(
    ("p", "parts", "words"),
    [
        (torch.zeros(0, 10), 1, r"at least one sample: \(0, 10\)"),
        (torch.ones(10) / 10, 1, r"need probabilities \(N, K\)"),
        (torch.ones(2, 2) / 2, 3, "3 parts of 2"),
        (torch.ones(2, 2) / 2, 0, "0 parts of 2"),
        (torch.tensor([[0.5, 0.5], [0.9, 0.5]]), 1, "apply softmax first: row 1 sums to 1.4"),
        (torch.tensor([[1.5, -0.5]]), 1, "row 0 sums to 1"),
        (torch.tensor([[math.nan, 0.5]]), 1, "row 0 sums to nan"),
    ],
)
def test_what_are_no_probabilities_is_named(p, parts, words):
    with pytest.raises(ValueError, match=words):
        inception_score(p, parts)
