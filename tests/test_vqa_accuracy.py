"""VQA accuracy: the ten choices of nine by brute force, worked examples of normalisation, its oddities, errors."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.metrics.vqa_accuracy import CONTRACTIONS, accuracies, normalise, unpunctuated, vqa_accuracy


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.sampled_from(["red", "blue", "green"]), min_size=10, max_size=10))
def test_it_is_the_mean_over_all_ten_choices_of_nine_people(people):
    chosen = list(itertools.combinations(people, 9))
    expected = sum(min(1, nine.count("red") / 3) for nine in chosen) / len(chosen)
    assert len(chosen) == 10
    assert vqa_accuracy("red", people) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("agreeing", "accuracy"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_one_person_who_agrees_is_worth_three_tenths(agreeing, accuracy):
    assert vqa_accuracy("2", ["2"] * agreeing + ["3"] * (10 - agreeing)) == pytest.approx(accuracy, abs=1e-15)


@pytest.mark.parametrize(
    ("raw", "compared"),
    [
        ("Yes", "yes"),
        ("yes.", "yes"),
        ("  The Red\n car\t", "red car"),
        ("Two", "2"),
        ("none", "0"),
        ("a dog and an apple", "dog and apple"),
        ("dont know", "don't know"),
        ("couldnt've", "couldn't've"),
        ("t-shirt", "t shirt"),
        ("black - white", "black white"),  # removed where a space is next to it
        ("red,white", "red white"),
        ("red, white", "red white"),
        ("1,000", "1000"),  # a comma between digits
        ("1,000 people/day", "1000 peopleday"),  # and then all marks are removed
        ("3.5", "3.5"),
        ("5 p.m.", "5 pm"),
        ("what's up?", "what's up"),
        ("eleven", "eleven"),
    ],
)
def test_answers_are_compared_as_the_official_evaluation_does(raw, compared):
    assert normalise(raw) == compared


def test_what_is_normalised_stays_as_it_is():
    assert all(normalise(word) == word for word in CONTRACTIONS.values() if word != "somebodyd")


def test_peoples_answers_lose_their_punctuation_only_where_they_differ():
    assert vqa_accuracy("yes", ["yes."] * 10) == 0
    assert vqa_accuracy("yes", ["yes."] * 9 + ["no"]) == 1
    assert vqa_accuracy("two", ["two"] * 10) == 0  # the answer becomes 2, theirs does not
    assert vqa_accuracy("two", ["2"] * 10) == 1


def test_at_most_32_full_stops_are_removed():
    assert unpunctuated("." * 40) == "." * 8


def test_the_mean_is_by_group_and_in_percent():
    people = [["yes"] * 10, ["no"] * 10, ["2"] * 2 + ["3"] * 8]
    found = accuracies(["yes", "yes", "2"], people, ["yes/no", "yes/no", "number"])
    assert found == {"all": pytest.approx(160 / 3), "yes/no": 50, "number": pytest.approx(60)}


def test_fewer_than_ten_answers_are_refused():
    with pytest.raises(ValueError, match="need the answers of 10 people: 9"):
        vqa_accuracy("yes", ["yes"] * 9)


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 2, 1), (2, 2, 1)])
def test_answers_people_and_groups_are_as_many(counts):
    answers, people, groups = (["yes"] * n for n in counts)
    with pytest.raises(ValueError, match="need people's answers and a group for each"):
        accuracies(answers, [["yes"] * 10 for _ in people], groups)
