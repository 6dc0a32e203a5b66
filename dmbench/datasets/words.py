"""Sentences as numbers: how captions and questions are split, which words are known, and batches of unlike lengths.

Source: Vinyals et al. (2015), Show and Tell, arXiv:1411.4555, section 4.3.1: tokenised, and words kept that occur at
least five times in training; the first and the last symbol of a sentence are those of its section 3.1.

Shapes: B sentences of a batch, T symbols of the longest one with the start and the end.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

PAD, START, END, UNKNOWN = range(4)
SYMBOLS = ("<pad>", "<start>", "<end>", "<unknown>")
TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


class Batch(NamedTuple):
    """Sentences: symbols (B, T), int64, PAD behind the end; lengths (B), the start and the end among them."""

    symbols: Tensor
    lengths: Tensor


def split(sentence: str) -> list[str]:
    """Split a sentence into words in lower case; punctuation goes, an apostrophe inside a word stays."""
    return TOKEN.findall(sentence.lower())


class Vocabulary:
    """The words that are known, numbered behind the four symbols: the more frequent first, then by alphabet.

    Args:
        sentences: those of the training set.
        at_least: how often a word has to occur in them, 1 or more; the paper's is 5.

    Raises:
        ValueError: `at_least` is below 1, or no word occurs so often.
    """

    def __init__(self, sentences: Iterable[str], at_least: int = 5) -> None:
        if at_least < 1:
            raise ValueError(f"at_least must be 1 or more: {at_least}")
        counts = Counter(word for sentence in sentences for word in split(sentence))
        kept = sorted((word for word, n in counts.items() if n >= at_least), key=lambda word: (-counts[word], word))
        if not kept:
            raise ValueError(f"no word occurs {at_least} times: there are {len(counts)} different ones")
        self.words = (*SYMBOLS, *kept)
        self.numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        """Return how many there are, with the symbols."""
        return len(self.words)

    def encode(self, sentence: str, *, strict: bool = False) -> list[int]:
        """Return the numbers of a sentence's words, without start and end.

        strict: refuse a word that is not known; otherwise it becomes UNKNOWN.

        Raises:
            ValueError: the sentence has no word, or, where strict, one that is not known.
        """
        words = split(sentence)
        if not words:
            raise ValueError(f"a sentence without a word: {sentence[:60]!r}")
        if strict and (strange := [word for word in words if word not in self.numbers]):
            raise ValueError(f"{sentence[:60]!r}: not in the vocabulary of {len(self)}: {', '.join(strange[:3])}")
        return [self.numbers.get(word, UNKNOWN) for word in words]

    def batch(self, sentences: Sequence[str], *, strict: bool = False) -> Batch:
        """Encode sentences, between START and END. Arguments and errors as of `encode`; no sentences are refused."""
        if not sentences:
            raise ValueError("no sentences: a batch has at least one")
        rows = [[START, *self.encode(sentence, strict=strict), END] for sentence in sentences]
        lengths = torch.tensor([len(row) for row in rows])
        symbols = torch.full((len(rows), int(lengths.max())), PAD)
        for padded, row in zip(symbols, rows, strict=True):
            padded[: len(row)] = torch.tensor(row)
        return Batch(symbols, lengths)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the words of numbers up to END, without symbols but UNKNOWN's.

        Raises:
            ValueError: a number that no word has.
        """
        words = []
        for number in numbers:
            if not 0 <= number < len(self):
                raise ValueError(f"no word has the number {number}: there are {len(self)}")
            if number == END:
                break
            if number not in (PAD, START):
                words.append(self.words[number])
        return " ".join(words)
