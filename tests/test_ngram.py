"""Kneser-Ney: the equations with dictionaries, distributions, limits, a worked example, errors."""

import math
from collections import Counter, defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.harness.errors import ContractError
from dmbench.models import ngram
from dmbench.models.ngram import FALLBACK, KneserNey, discounts

few = settings(deadline=None, max_examples=12, derandomize=True)
texts = st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), min_size=1, max_size=6)


def by_hand(sequences, order, symbols, history, w):
    """p(w | history) by the equations, from counts in dictionaries."""

    def counted(n):
        return Counter(tuple(s[i : i + n]) for s in sequences for i in range(len(s) - n + 1))

    def adjusted(n):
        if n == order:
            return counted(n)
        before = defaultdict(set)
        for gram in counted(n + 1):
            before[gram[1:]].add(gram[0])
        return {gram: len(before[gram]) for gram in counted(n)}

    def taken(counts):
        n = [sum(c == i for c in counts.values()) for i in range(5)]
        if not (n[1] and n[2] and n[3]):
            return (0.0, *FALLBACK)
        y = n[1] / (n[1] + 2 * n[2])
        found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return (0.0, *(d if 0 <= d <= i else FALLBACK[i - 1] for i, d in enumerate(found, 1)))

    p = 1 / symbols
    for n in range(1, order + 1):
        if n - 1 > len(history):
            break
        h = tuple(history[len(history) - n + 1 :]) if n > 1 else ()
        counts = adjusted(n)
        d = taken(counts)
        after = {gram[-1]: c for gram, c in counts.items() if gram[:-1] == h}
        total = sum(after.values())
        if total == 0:
            break
        gamma = sum(d[min(c, 3)] for c in after.values()) / total
        c = after.get(w, 0)
        p = (c - d[min(c, 3)]) / total + gamma * p
    return p


@few
@given(texts, st.integers(1, 4), st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_probabilities_are_the_equations_with_dictionaries(sequences, order, history):
    model = KneserNey(torch.tensor(sequences).T, order, 5)
    expected = [by_hand(sequences, order, 5, history, w) for w in range(5)]
    found = model.probabilities(torch.tensor(history))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


@few
@given(texts, st.integers(1, 5), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_probabilities_after_any_history_are_positive_and_add_up_to_one(sequences, order, history):
    p = KneserNey(torch.tensor(sequences).T, order, 5).probabilities(torch.tensor(history))
    assert p.min() > 0
    assert p.sum().item() == pytest.approx(1, abs=1e-12)


def test_a_sequence_is_no_history_of_the_one_beside_it():
    apart = KneserNey(torch.tensor([[0, 1, 0, 1], [2, 3, 2, 3]]).T, 2, 4)
    after_1 = apart.probabilities(torch.tensor([1]))
    assert after_1[2] == after_1[3]  # 2 never came after 1, though the second sequence begins with it
    part = torch.tensor([[0, 1], [2, 3]]).T
    torch.testing.assert_close(apart.score(part)[:, 1], apart.score(part[:, 1:])[:, 0], rtol=0, atol=0)


def test_losses_by_order_are_those_of_models_of_each_order():
    text = torch.randint(0, 6, (300,), generator=torch.Generator().manual_seed(1))
    part = torch.randint(0, 6, (50,), generator=torch.Generator().manual_seed(2))
    found = KneserNey(text, 4, 6).nats_by_order(part)
    assert found == pytest.approx([KneserNey(text, n, 6).nats(part) for n in (1, 2, 3, 4)], abs=1e-12)


def test_sorting_gives_what_the_table_gives(monkeypatch):
    text = torch.randint(0, 6, (500,), generator=torch.Generator().manual_seed(1))
    table = KneserNey(text, 4, 6).score(text)
    monkeypatch.setattr(ngram, "TABLE", 0)
    torch.testing.assert_close(KneserNey(text, 4, 6).score(text), table, rtol=0, atol=0)


def test_a_model_of_a_text_without_order_comes_near_its_entropy():
    text = torch.randint(0, 8, (20_000,), generator=torch.Generator().manual_seed(0))
    part = torch.randint(0, 8, (5_000,), generator=torch.Generator().manual_seed(1))
    assert KneserNey(text, 1, 8).nats(part) == pytest.approx(math.log(8), abs=0.002)
    assert KneserNey(text, 2, 8).nats(part) == pytest.approx(math.log(8), abs=0.005)


def test_a_repeated_text_is_predicted_almost_surely_once_the_history_tells():
    text = torch.arange(5).repeat(200)
    assert KneserNey(text, 2, 5).nats(text) < 0.01


def test_discounts_are_the_printed_formulas():
    counts = torch.tensor([1] * 10 + [2] * 4 + [3] * 2 + [4])
    y = 10 / 18
    expected = [0, 1 - 2 * y * 4 / 10, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2]
    torch.testing.assert_close(discounts(counts), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-15)
    assert discounts(torch.tensor([1, 1, 5])).tolist() == [0, *FALLBACK]


def test_what_cannot_be_fitted_or_scored_is_refused():
    text = torch.tensor([0, 1, 2, 1])
    with pytest.raises(ValueError, match="empty text"):
        KneserNey(text[:0], 2, 3)
    with pytest.raises(ValueError, match="order and symbols of at least 1: 0, 3"):
        KneserNey(text, 0, 3)
    with pytest.raises(ValueError, match="codes count from 0 to 1: 0 to 2"):
        KneserNey(text, 2, 2)
    model = KneserNey(text, 2, 3)
    with pytest.raises(ValueError, match="at least two rows"):
        model.nats(text[:1])
    with pytest.raises(ValueError, match="codes count from 0 to 2: 0 to 7"):
        model.nats(torch.tensor([0, 7]))


def test_an_order_beyond_the_text_leaves_what_the_text_has():
    text = torch.tensor([0, 1, 2, 1])
    longer = KneserNey(text, 6, 3)
    assert longer.probabilities(torch.tensor([1])).sum().item() == pytest.approx(1, abs=1e-12)


class Unsmoothed(KneserNey):
    """Takes its discounts without giving them to the shorter history."""

    def _interpolated(self, n, counts, history, at, found, lower):
        return super()._interpolated(n, counts, history, at, found, torch.zeros_like(lower) + 1e-9)


def test_ngrams_whose_probabilities_do_not_add_up_to_one_are_refused():
    with pytest.raises(ContractError, match="add up to"):
        check("ngram", ngrams=Unsmoothed)
