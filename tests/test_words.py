"""Words as numbers: splitting, what is known, batches of unlike lengths, and refusals."""

import pytest
import torch

from dmbench.datasets.words import END, PAD, START, SYMBOLS, UNKNOWN, Vocabulary, split

SENTENCES = ["A dog runs.", "the dog, a dog!", "a cat"]


def test_sentences_are_split_into_lower_case_words_without_punctuation():
    assert split("A man's (red) T-shirt, 2 dogs...") == ["a", "man's", "red", "t", "shirt", "2", "dogs"]
    assert split("snake_case") == ["snake", "case"]
    assert split(" .,! ") == []


def test_frequent_words_come_first_then_the_alphabet():
    vocabulary = Vocabulary(SENTENCES, at_least=1)
    assert vocabulary.words == (*SYMBOLS, "a", "dog", "cat", "runs", "the")
    assert Vocabulary(SENTENCES, at_least=3).words == (*SYMBOLS, "a", "dog")


def test_a_batch_is_padded_behind_the_end_and_says_each_length():
    batch = Vocabulary(SENTENCES, at_least=1).batch(["a cat", "the dog runs a dog"])
    assert batch.symbols.tolist() == [[START, 4, 6, END, PAD, PAD, PAD], [START, 8, 5, 7, 4, 5, END]]
    assert batch.lengths.tolist() == [4, 7]
    assert batch.symbols.dtype == torch.int64


def test_what_is_encoded_is_decoded():
    vocabulary = Vocabulary(SENTENCES, at_least=1)
    for sentence in SENTENCES:
        encoded = [START, *vocabulary.encode(sentence, strict=True), END, 4, PAD]
        assert vocabulary.decode(encoded) == " ".join(split(sentence))


def test_an_unknown_word_becomes_the_symbol_or_is_refused_by_name():
    vocabulary = Vocabulary(SENTENCES, at_least=1)
    assert vocabulary.encode("a zebra") == [4, UNKNOWN]
    assert vocabulary.decode([4, UNKNOWN]) == "a <unknown>"
    with pytest.raises(ValueError, match="'a zebra eats': not in the vocabulary of 9: zebra, eats"):
        vocabulary.encode("a zebra eats", strict=True)


def test_no_word_is_refused():
    vocabulary = Vocabulary(SENTENCES, at_least=1)
    with pytest.raises(ValueError, match=r"a sentence without a word: '\?'"):
        vocabulary.batch(["a dog", "?"])
    with pytest.raises(ValueError, match="no sentences"):
        vocabulary.batch([])


def test_other_numbers_and_limits_are_refused():
    with pytest.raises(ValueError, match="no word has the number 9: there are 9"):
        Vocabulary(SENTENCES, at_least=1).decode([9])
    with pytest.raises(ValueError, match="at_least must be 1 or more: 0"):
        Vocabulary(SENTENCES, at_least=0)
    with pytest.raises(ValueError, match="no word occurs 5 times: there are 5 different ones"):
        Vocabulary(SENTENCES)
