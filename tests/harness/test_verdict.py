"""Verdicts: against Student's t by hand, and at the edges of a tolerance."""

import math
from dataclasses import replace

import pytest

from dmbench.harness.verdict import judge


@pytest.mark.parametrize(
    ("better", "value", "kind"),
    [
        ("higher", 2.0, "reproduced"),
        ("higher", 2.005, "reproduced"),
        ("higher", 1.995, "reproduced"),
        ("higher", 1.9949, "below"),
        ("higher", 2.0051, "better"),
        ("lower", 2.0051, "below"),
        ("lower", 1.9949, "better"),
        ("exact", 2.0051, "below"),
        ("exact", 1.9949, "below"),
    ],
)
def test_a_deterministic_number_is_compared_as_it_is(toy, record, better, value, kind):
    number = replace(toy["toy"].numbers["two"], better=better)
    assert judge(number, [record(value=value)]).kind == kind


def test_the_interval_is_students(toy, record):
    values = [9.0, 10.0, 12.0]
    verdict = judge(toy["toy"].numbers["noisy"], [record("noisy", v, seed=i) for i, v in enumerate(values)])
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    half = 4.302652729749464 * deviation / math.sqrt(3)  # t(0.975, 2): any printed table of Student's t
    assert verdict.low == pytest.approx(mean - half, rel=1e-12)
    assert verdict.high == pytest.approx(mean + half, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([9.9, 10.0, 10.1], "reproduced"),
        ([8.0, 10.0, 12.0], "inconclusive"),
        ([7.9, 8.0, 8.1], "below"),
        ([12.9, 13.0, 13.1], "better"),
        ([10.0], "inconclusive"),
        ([10.9, 11.0, 11.1], "reproduced"),  # or better: the interval reaches past the tolerance
        ([8.9, 9.0, 9.1], "inconclusive"),
    ],
)
def test_a_number_with_seeds_is_judged_by_its_interval(toy, record, values, kind):
    records = [record("noisy", v, seed=i) for i, v in enumerate(values)]
    assert judge(toy["toy"].numbers["noisy"], records).kind == kind


def test_one_seed_is_judged_only_where_the_file_says_how(toy, record):
    number = replace(toy["toy"].numbers["noisy"], one_run="the paper prints one run")
    assert judge(number, [record("noisy", 10.5, seed=0)]).kind == "reproduced"


@pytest.mark.parametrize(
    ("value", "kind"), [(1.91, "known gap"), (1.9, "known gap"), (1.89, "below"), (2.0, "reproduced")]
)
def test_a_known_gap_explains_no_more_than_its_size(toy, record, value, kind):
    number = replace(toy["toy"].numbers["two"], known_gap="a reason", gap=0.1)
    verdict = judge(number, [record(value=value)])
    assert verdict.kind == kind
    assert (verdict.why == "a reason") == (kind == "known gap")


def test_digits_that_nobody_saw_are_told_beside_the_verdict(toy, record):
    number = replace(toy["toy"].numbers["two"], unseen="from memory")
    verdict = judge(number, [record(value=2.0)])
    assert (verdict.kind, verdict.why) == ("reproduced", "from memory")


def test_every_part_of_a_list_has_to_agree(toy, record):
    number = toy["toy"].numbers["pair"]
    assert judge(number, [record("pair", [1, 2.5])]).kind == "reproduced"
    assert judge(number, [record("pair", [1, 2.4])]).kind == "below"
    assert judge(number, [record("pair", [1, 2.5, 3])]).kind == "failed"


def test_the_newest_record_of_a_seed_and_of_one_protocol_counts(toy, record):
    number = toy["toy"].numbers["noisy"]
    old = [record("noisy", 0.0, seed=i, protocol="old") for i in range(5)]
    new = [record("noisy", 50.0, seed=0), record("noisy", 10.0, seed=0), record("noisy", 10.2, seed=1)]
    assert judge(number, new).measured == (10.1,)
    assert [r.value for r in judge(number, old + new).records] == [10.0, 10.2]


def test_another_ones_record_does_not_count(toy, record):
    theirs = record(subject={"double": "mine:double"})
    assert judge(toy["toy"].numbers["two"], [theirs]).kind == "not measured"
    assert judge(toy["toy"].numbers["two"], [theirs], "double=mine:double").kind == "reproduced"


def test_what_is_not_measured_says_how_to_get_it(toy):
    numbers = toy["toy"].numbers
    assert judge(numbers["noisy"], []).why == "dmbench run toy --number noisy"
    assert judge(numbers["elsewhere"], []).why == "nobody has the machine"


@pytest.mark.parametrize(
    ("value", "kind"), [(2.0, "unchanged"), (2.005, "unchanged"), (2.0051, "changed"), (1.9, "changed")]
)
def test_a_tracked_value_is_unchanged_or_changed_and_never_reproduced(toy, record, value, kind):
    number = replace(toy["toy"].numbers["two"], tracked=True, better="exact")
    verdict = judge(number, [record(value=value)])
    assert verdict.kind == kind
    assert ("accept it" in verdict.why) == (kind == "changed")
