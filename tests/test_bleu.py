"""bleu: against counts of n-grams, the paper's own example, sacrebleu's command line as documented, errors."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.metrics.bleu import bleu

few = settings(deadline=None, max_examples=40, derandomize=True)
sentences = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=5, max_size=9).map(" ".join)


def by_counting(translations, references):
    """BLEU of split words by its equations; only for texts with a match of each order."""
    matches, totals = [0] * 4, [0] * 4
    for translation, reference in zip(translations, references, strict=True):
        for n in range(1, 5):
            ours, theirs = (
                Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
                for words in (translation.split(), reference.split())
            )
            matches[n - 1] += sum(min(count, theirs[gram]) for gram, count in ours.items())
            totals[n - 1] += sum(ours.values())
    c, r = (sum(len(text.split()) for text in texts) for texts in (translations, references))
    mean = sum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / 4
    return 100 * math.exp(mean) * min(1.0, math.exp(1 - r / c)), [
        100 * m / t for m, t in zip(matches, totals, strict=True)
    ]


@few
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=4))
def test_it_is_the_equations_counted_by_hand(pairs):
    pairs = [*pairs, ("a b c d a", "a b c d b")]  # a match of each order
    translations, references = zip(*pairs, strict=True)
    found = bleu(translations, references, tokenize="none")
    score, precisions = by_counting(translations, references)
    assert found.score == pytest.approx(score, abs=1e-10)
    assert found.precisions == pytest.approx(precisions, abs=1e-12)


def test_the_clipped_precision_of_the_papers_example():
    found = bleu(["the the the the the the the"], ["the cat is on the mat"])
    assert found.precisions[0] == pytest.approx(100 * 2 / 7, abs=1e-12)


def test_a_text_is_100_against_itself_and_shorter_ones_pay():
    text = ["a b c d e f g h", "b c d e f"]
    assert bleu(text, text).score == pytest.approx(100, abs=1e-10)
    short = bleu(["a b c d e f g", "b c d e f"], text)
    assert short.brevity == pytest.approx(math.exp(1 - 13 / 12), abs=1e-12)
    assert short.score == pytest.approx(100 * short.brevity, abs=1e-10)


def test_case_counts_unless_told_otherwise():
    assert bleu(["A b c d e"], ["a b c d e"]).precisions[0] == pytest.approx(80)
    assert bleu(["A b c d e"], ["a b c d e"], lowercase=True).score == pytest.approx(100, abs=1e-10)


def test_marks_are_words_of_their_own_by_wmts_tokeniser():
    assert bleu(["a b c d."], ["a b c d ."]).score == pytest.approx(100, abs=1e-10)
    assert bleu(["a b c d."], ["a b c d ."], tokenize="none").precisions[0] == pytest.approx(75)


def test_the_signature_names_the_settings():
    assert "case:lc" in bleu(["a"], ["a"], lowercase=True).signature
    assert "tok:13a" in bleu(["a"], ["a"]).signature


@pytest.mark.parametrize(
    ("translations", "references", "says"),
    [([], [], "0, 0 references"), (["a"], ["a", "b"], "1, 2 references")],
)
def test_a_translation_without_reference_is_refused(translations, references, says):
    with pytest.raises(ValueError, match=says):
        bleu(translations, references)


def test_of_several_references_each_n_gram_counts_in_the_one_that_has_most_of_it():
    found = bleu(["a b c d x"], [["a b c d e", "x y"]], tokenize="none")
    assert found.precisions == pytest.approx((100, 75, 200 / 3, 50))
    swapped = bleu(["a b c d x"], [["x y", "a b c d e"]], tokenize="none")
    assert swapped.score == pytest.approx(found.score, abs=1e-10)
    assert bleu(["a b c d e"] * 2, [["a b c d e", "f"], ["g", "a b c d e"]]).score == pytest.approx(100, abs=1e-10)


def test_references_of_each_translation_must_be_as_many():
    with pytest.raises(ValueError, match=r"need as many references for each translation: \[1, 2\]"):
        bleu(["a", "b"], [["a", "c"], ["b"]])
    with pytest.raises(ValueError, match=r"need as many references for each translation: \[0\]"):
        bleu(["a"], [[]])


def test_an_unknown_tokeniser_is_refused():
    with pytest.raises(ValueError, match="tokenize must be one of .*: words"):
        bleu(["a"], ["a"], tokenize="words")
