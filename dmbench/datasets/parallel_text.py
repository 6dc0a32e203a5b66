"""Parallel text: sentences and their translations, line by line, as numbers of words.

Tokenisation: text is composed (Unicode NFC) and in lower case; a word is a run of letters and digits, with hyphens
inside; in French an apostrophe belongs to the word before it (l' homme), elsewhere to the one after it (man 's); every
other mark stands alone. `detokenise` puts it back, except for spaces that the language's rules would not have there; an
apostrophe that stands alone counts as a quotation mark.

Symbols: 0 is PAD, which fills shorter sentences up and, having a zero embedding, stands for no word; 1 is EOS, the end
of a sentence; 2 is UNK, any word that the vocabulary lacks. Shapes: T the longest sentence, B sentences.
"""

import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

PAD, EOS, UNK = 0, 1, 2
SPECIAL = ("<pad>", "<eos>", "<unk>")
ELIDING = ("fr",)  # languages whose apostrophe ends a word
BEFORE = re.compile(r"[^\W_]+(?:-[^\W_]+)*'?|[^\w\s]|_")
AFTER = re.compile(r"(?:(?<=[^\W_])')?[^\W_]+(?:-[^\W_]+)*|[^\w\s]|_")
CLOSING, OPENING, QUOTES = set(".,;:!?)]}%…”»“"), set("([{„«#$"), set("\"'`")


def tokenise(text: str, language: str) -> list[str]:
    """Split a sentence into words and marks. language: "en", "de", "fr" or another code; only "fr" differs."""
    plain = unicodedata.normalize("NFC", text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return (BEFORE if language in ELIDING else AFTER).findall(plain)


def detokenise(words: Iterable[str], language: str) -> str:
    """Join words and marks by the rules of spaces that English, German and French typesetting on one line have."""
    text, glued, inside = "", True, False
    for word in words:
        clitic = word.startswith("'") and len(word) > 1
        closing = word in CLOSING and not (word == "“" and not inside and language != "de")
        if word in QUOTES:
            closing, inside = inside, not inside
        text += word if glued or closing or clitic else f" {word}"
        opens = (word in QUOTES and inside) or word in OPENING
        glued = opens or (language in ELIDING and word.endswith("'"))
    return text


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text in UTF-8, gzipped where its name ends in .gz, without the spaces around them.

    Raises: ValueError: the file is missing, damaged, empty or of another encoding.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = content.decode()
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as a text in UTF-8: {error}") from error
    if not text.strip():
        raise ValueError(f"{path}: is empty: no sentences")
    return [line.strip() for line in text.removesuffix("\n").split("\n")]


def read_parallel(source: Path, target: Path, *, skip_empty: bool = False) -> tuple[list[str], list[str]]:
    """Read two texts of which each line of one translates the same line of the other.

    skip_empty: leave out pairs of which a line is empty, as the large corpora have some; else they are refused.

    Raises: ValueError: a file cannot be read, they have different numbers of lines, or a line is empty.
    """
    texts = read_lines(source), read_lines(target)
    if len(texts[0]) != len(texts[1]):
        raise ValueError(
            f"{source} has {len(texts[0]):,} lines, {target} {len(texts[1]):,}: they are no translations line by line"
        )
    pairs = [(s, t) for s, t in zip(*texts, strict=True) if s and t]
    if len(pairs) < len(texts[0]) and not skip_empty:
        for path, lines in zip((source, target), texts, strict=True):
            if "" in lines:
                raise ValueError(f"{path}:{lines.index('') + 1}: the line is empty: remove the pair from both files")
    return [s for s, _ in pairs], [t for _, t in pairs]


class Vocabulary:
    """Words by number; 0, 1 and 2 are PAD, EOS and UNK.

    words: without those three, each once. Raises: ValueError: a word is there twice, or has the name of a symbol.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = (*SPECIAL, *words)
        self.numbers = {word: number for number, word in enumerate(self.words)}
        if len(self.numbers) < len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise ValueError(f"a vocabulary has each word once, and {', '.join(SPECIAL)} already: {twice}")

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], *, at_least: int = 1, size: int | None = None) -> "Vocabulary":
        """Take the words of sentences, the frequent ones first, equals in alphabetical order.

        at_least: how often a word must occur. size: the most words, without the three symbols; None: all.
        """
        counts = Counter(word for sentence in sentences for word in sentence)
        found = sorted((word for word in counts if counts[word] >= at_least), key=lambda word: (-counts[word], word))
        return cls(found[:size])

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Iterable[str]) -> list[int]:
        """Return the numbers of words, UNK for those that it lacks, and EOS after them."""
        return [*(self.numbers.get(word, UNK) for word in words), EOS]

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Return the words that it lacks, each once, in their order."""
        return list(dict.fromkeys(word for word in words if word not in self.numbers))

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Return the words up to EOS, or to padding.

        Raises: ValueError: there is no such number.
        """
        words = []
        for number in numbers:
            if number in (PAD, EOS):
                break
            if not 0 <= number < len(self):
                raise ValueError(f"need numbers of words below {len(self)}: {number}")
            words.append(self.words[number])
        return words


def padded(sentences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Put sentences of different lengths side by side: symbols (T, B), int64, PAD after the end, and lengths (B).

    Raises: ValueError: there are none, or one is empty: even a sentence without words has its EOS.
    """
    if not sentences:
        raise ValueError("need at least one sentence")
    lengths = [len(sentence) for sentence in sentences]
    if 0 in lengths:
        raise ValueError(f"sentence {lengths.index(0)} of {len(lengths)} is empty: end each one with EOS")
    symbols = torch.full((max(lengths), len(sentences)), PAD)
    for column, sentence in enumerate(sentences):
        symbols[: len(sentence), column] = torch.tensor(sentence)
    return symbols, torch.tensor(lengths)
