"""Tasks of Neural Turing Machines: each solved from its input alone, chance, padding, the best guess, errors."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.datasets.algorithmic import (
    Batch,
    associative_recall,
    context,
    copy,
    dynamic_ngrams,
    optimal_ngrams,
    priority_sort,
    repeat_copy,
    together,
)

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 5)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def due(batch, b):
    """The answers that are counted of sequence b, as lists; they are its last ones, and no input comes with them."""
    counted = batch.counted[:, b].bool()
    first = int(counted.long().argmax())
    assert counted[first:].all()
    assert not counted[:first].any()
    return batch.targets[first:, b].tolist(), first


@few
@given(sizes, sizes, sizes)
def test_a_copy_is_what_stands_before_the_delimiter(length, count, bits):
    batch = copy(length, count, bits=bits, generator=seeded())
    assert batch.x.shape == (2 * length + 1, count, bits + 1)
    for b in range(count):
        answers, first = due(batch, b)
        rows = batch.x[:, b].tolist()
        assert [row[bits] for row in rows].index(1) == length == first - 1
        assert answers == [row[:bits] for row in rows[:length]]
        assert not any(map(any, rows[first:]))


@few
@given(sizes, sizes, sizes)
def test_a_repeat_copy_is_as_many_copies_as_the_input_says_and_an_end_marker(length, repeats, bits):
    batch = repeat_copy(length, repeats, 3, bits=bits, generator=seeded())
    for b in range(3):
        answers, first = due(batch, b)
        rows = batch.x[:, b].tolist()
        end = [row[bits] for row in rows].index(1)
        asked = round(rows[end][bits + 1] * math.sqrt(8.25) + 5.5)
        assert asked == repeats
        assert first == end + 1
        assert answers == [[*row[:bits], 0] for row in rows[:end]] * asked + [[0] * bits + [1]]
        assert not any(map(any, rows[first:]))


def test_numbers_of_repeats_are_normalised_over_one_to_ten():
    asked = torch.tensor([float(repeat_copy(1, n, 1, bits=1).x[1, 0, 2]) for n in range(1, 11)], dtype=torch.float64)
    assert float(asked.mean()) == pytest.approx(0, abs=1e-7)
    assert float(asked.square().mean()) == pytest.approx(1, abs=1e-6)


@few
@given(st.integers(2, 6), sizes)
def test_the_item_recalled_follows_the_one_asked_about(items, length):
    bits = 6
    batch = associative_recall(items, 4, length=length, generator=seeded(items))
    for b in range(4):
        answers, first = due(batch, b)
        rows = batch.x[:, b].tolist()
        starts = [t for t, row in enumerate(rows) if row[bits]]
        assert starts == [i * (length + 1) for i in range(items)]
        listed = [[row[:bits] for row in rows[t + 1 : t + 1 + length]] for t in starts]
        opened, closed = (t for t, row in enumerate(rows) if row[bits + 1])
        assert closed == first - 1
        query = [row[:bits] for row in rows[opened + 1 : closed]]
        assert answers in [after for item, after in pairwise(listed) if item == query]
        assert not any(map(any, rows[first:]))


def test_each_item_but_the_last_is_asked_about():
    batch = associative_recall(3, 200, generator=seeded())
    listed = torch.stack([batch.x[1 + 4 * i : 4 + 4 * i, :, :6] for i in range(3)])  # (items, L, B, D)
    asked = (listed == batch.x[13:16, :, :6]).all(-1).all(1).sum(1)
    assert (asked[:2] > 70).all()
    assert asked[2] < 10


@few
@given(sizes, st.integers(1, 6))
def test_sorted_vectors_are_those_of_highest_priority_in_falling_order(wanted, more):
    count = wanted + more - 1
    batch = priority_sort(3, vectors=count, sorted_vectors=wanted, generator=seeded(more))
    for b in range(3):
        answers, first = due(batch, b)
        rows = batch.x[:, b].tolist()
        assert [t for t, row in enumerate(rows) if row[9]] == [count] == [first - 1]
        ranked = sorted(rows[:count], key=lambda row: -row[8])
        assert answers == [row[:8] for row in ranked[:wanted]]
        assert all(-1 <= row[8] <= 1 for row in rows)
        assert not any(map(any, rows[first:]))


def test_of_ngrams_each_bit_but_the_first_five_is_an_answer_and_the_next_input():
    batch = dynamic_ngrams(3, length=20, generator=seeded())
    assert batch.x.shape == batch.targets.shape == (19, 3, 1)
    torch.testing.assert_close(batch.targets[:-1], batch.x[1:], rtol=0, atol=0)
    assert batch.counted[:, 0].tolist() == [0] * 4 + [1] * 15


def test_the_five_bits_before_are_a_number_from_0_to_31():
    bits = torch.tensor([[1.0], [0], [1], [1], [0], [1]])
    assert int(context(bits, 5)) == 1 + 4 + 8
    assert int(context(bits, 6)) == 2 + 4 + 16


def test_ngrams_cost_what_beta_of_one_half_costs():
    # The entropy of a bit whose probability is drawn from Beta(1/2, 1/2) is 2 - 1 / ln 2 = 0.557 bits; unknown, more.
    batch = dynamic_ngrams(400, generator=seeded())
    bits = torch.cat([batch.x[..., 0], batch.targets[-1:, :, 0]])
    p = optimal_ngrams(bits)
    cost = -torch.where(bits[5:] > 0, p, 1 - p).log2().mean(1)
    late, early = float(cost[-50:].mean()), float(cost[:10].mean())
    assert 0.557 < late < early < 1


def test_one_table_gives_a_context_the_same_chance_throughout():
    batch = dynamic_ngrams(1, length=3000, generator=seeded())
    bits = torch.cat([batch.x[..., 0], batch.targets[-1:, :, 0]])
    seen = {}
    for t in range(5, 3000):
        seen.setdefault(int(context(bits, t)), []).append(float(bits[t, 0]))
    for followed in seen.values():
        if len(followed) >= 200:
            half = len(followed) // 2
            first, second = (sum(part) / len(part) for part in (followed[:half], followed[half:]))
            assert abs(first - second) < 4 * math.sqrt(0.5 / half)


def test_the_best_guess_is_the_count_as_loops():
    bits = torch.randint(2, (60, 4), generator=seeded()).float()
    p = optimal_ngrams(bits)
    for b in range(4):
        row = [int(bit) for bit in bits[:, b]]
        for t in range(5, 60):
            after = [row[u] for u in range(5, t) if row[u - 5 : u] == row[t - 5 : t]]
            assert float(p[t - 5, b]) == pytest.approx((sum(after) + 0.5) / (len(after) + 1), abs=1e-15)


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: copy(4, 2, generator=g),
        lambda g: repeat_copy(2, 3, 2, generator=g),
        lambda g: associative_recall(3, 2, generator=g),
        lambda g: dynamic_ngrams(2, length=30, generator=g),
        lambda g: priority_sort(2, generator=g),
    ],
)
def test_a_generator_decides_and_torchs_own_does_else(draw):
    one, same, other = draw(seeded(1)), draw(seeded(1)), draw(seeded(2))
    torch.testing.assert_close(tuple(one), tuple(same), rtol=0, atol=0)
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    before = torch.get_rng_state()
    draw(seeded(1))
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    draw(None)
    assert not torch.equal(torch.get_rng_state(), before)


def test_batches_of_different_lengths_are_padded_where_nothing_is_counted():
    short, long = copy(2, 3, generator=seeded(1)), copy(4, 1, generator=seeded(2))
    joined = together([short, long])
    assert joined.x.shape == (9, 4, 9)
    assert joined.counted.sum(0).tolist() == [2, 2, 2, 4]
    for part, whole in zip(short, joined, strict=True):
        torch.testing.assert_close(whole[:5, :3], part, rtol=0, atol=0)
        assert not whole[5:, :3].any()
    for part, whole in zip(long, joined, strict=True):
        torch.testing.assert_close(whole[:, 3:], part, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: copy(0, 1), "need length of at least 1: 0"),
        (lambda: copy(1, 0), "need batch of at least 1: 0"),
        (lambda: copy(1, 1, bits=0), "need bits of at least 1: 0"),
        (lambda: copy(9, 1, locations=8), "at most 8 vectors, one for each location of the memory: 9"),
        (lambda: repeat_copy(1, 0, 1), "need repeats of at least 1: 0"),
        (lambda: associative_recall(1, 1), "at least 2 items, as the last one is not asked about: 1"),
        (lambda: associative_recall(2, 1, length=0), "need length of at least 1: 0"),
        (lambda: dynamic_ngrams(0), "need batch of at least 1: 0"),
        (lambda: dynamic_ngrams(1, length=5), "at least 6 bits: 5"),
        (lambda: optimal_ngrams(torch.zeros(5, 1)), "at least 6 bits: 5"),
        (lambda: priority_sort(1, vectors=3, sorted_vectors=4), "at most 3, the number of vectors: 4"),
        (lambda: together([]), "need batches of one task"),
        (lambda: together([copy(1, 1), copy(1, 1, bits=3)]), r"as many inputs and outputs: \[\(4, 3\), \(9, 8\)\]"),
    ],
)
def test_what_cannot_be_drawn_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_copy_as_long_as_the_memory_is_drawn():
    assert len(copy(8, 1, locations=8).x) == 17
    assert isinstance(copy(8, 1).to(torch.device("cpu")), Batch)
