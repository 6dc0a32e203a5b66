"""bAbI: stories of short sentences, questions about them, and answers of one or more words.

Source: Weston et al. (2015), Towards AI-complete question answering: a set of prerequisite toy tasks, arXiv:1502.05698.
`babi_tasks` generates stories of all 20 tasks.

A file has a line for each sentence, numbered from 1 in each story; a question has its answer and the numbers of the
sentences that support it behind tabs:

    1 Mary moved to the bathroom.
    2 Where is Mary?<tab>bathroom<tab>1

Shapes: N questions, K sentences of a story, L words of a sentence, V words of a question.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

TASKS = {
    1: "single-supporting-fact",
    2: "two-supporting-facts",
    3: "three-supporting-facts",
    4: "two-arg-relations",
    5: "three-arg-relations",
    6: "yes-no-questions",
    7: "counting",
    8: "lists-sets",
    9: "simple-negation",
    10: "indefinite-knowledge",
    11: "basic-coreference",
    12: "conjunction",
    13: "compound-coreference",
    14: "time-reasoning",
    15: "basic-deduction",
    16: "basic-induction",
    17: "positional-reasoning",
    18: "size-reasoning",
    19: "path-finding",
    20: "agents-motivations",
}


class Story(NamedTuple):
    """A question, the sentences told before it, without earlier questions, the answer, and which sentences support it.

    Words are in lower case, without full stops and question marks; an answer of several words has commas between them.
    supports: places in `facts`, from 0, as the file gives them.
    """

    facts: tuple[tuple[str, ...], ...]
    question: tuple[str, ...]
    answer: str
    supports: tuple[int, ...] = ()


def read_babi(path: Path) -> list[Story]:
    """Read a file of stories, a `Story` for each question.

    Line ends of Windows and a byte order mark are read like any other; lines without text are skipped.

    Raises:
        ValueError: a file that is no text, or, with its line: no number, a number out of order, a question without an
            answer, or a supporting sentence that was not told. OSError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no text in UTF-8 ({error.reason})") from error
    return parse_babi(lines, str(path))


def read_tasks(folder: Path, part: str) -> dict[int, list[Story]]:
    """Read a part, "train" or "test", of all 20 tasks from a folder of the published files, such as en-10k.

    Raises: as `read_babi`.
    """
    return {task: read_babi(folder / f"qa{task}_{name}_{part}.txt") for task, name in TASKS.items()}


def parse_babi(lines: Sequence[str], name: str = "stories") -> list[Story]:
    """Read lines as those of a file; name: of the file, for messages. Raises: ValueError: as `read_babi`."""
    stories: list[Story] = []
    facts: dict[int, tuple[str, ...]] = {}
    before = 0
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        first, _, text = line.strip(" ").partition(" ")
        if not first.isdecimal() or not text.strip():
            raise ValueError(f"{name}, line {place}: need a number and a sentence: {line.strip()[:60]!r}")
        number = int(first)
        if number == 1:
            facts = {}
        elif number != before + 1:
            raise ValueError(f"{name}, line {place}: need the number {before + 1}, or 1 for a new story: {number}")
        before = number
        if "\t" not in text and not text.rstrip().endswith("?"):
            facts[number] = split(text)
            continue
        question, answer, *supports = (*(part.strip() for part in text.split("\t")), "")[:3]
        if not answer:
            raise ValueError(f"{name}, line {place}: a question without an answer behind a tab: {question[:60]!r}")
        told = list(facts)
        numbers = [int(word) if word.isdecimal() else -1 for word in " ".join(supports).split()]
        if not set(numbers) <= set(told):
            raise ValueError(f"{name}, line {place}: sentences that support an answer are not told: {supports[0]}")
        found = tuple(told.index(number) for number in numbers)
        stories.append(Story(tuple(facts.values()), split(question), answer.lower(), found))
    return stories


def split(sentence: str) -> tuple[str, ...]:
    """Return a sentence's words in lower case, without its mark at the end."""
    return tuple(sentence.strip().rstrip(".?").lower().split())


class Vocabulary(NamedTuple):
    """Numbers of words, from 1, and of answers, from 0, in alphabetical order."""

    words: dict[str, int]
    answers: dict[str, int]

    @classmethod
    def of(cls, stories: Sequence[Story]) -> "Vocabulary":
        """Collect what is in stories."""
        words = {word for story in stories for sentence in (*story.facts, story.question) for word in sentence}
        answers = {story.answer for story in stories}
        return cls(
            {word: number for number, word in enumerate(sorted(words), 1)},
            {word: number for number, word in enumerate(sorted(answers))},
        )


class Encoded(NamedTuple):
    """Stories as numbers: facts (N, K, L) and questions (N, V), padded behind with 0; answers (N); all int64."""

    facts: Tensor
    questions: Tensor
    answers: Tensor

    def take(self, which: Tensor | slice) -> "Encoded":
        """Take some of the stories, with no more sentences than the longest of them has."""
        facts = self.facts[which]
        longest = int((facts[:, :, 0] != 0).sum(1).max()) if len(facts) else 0
        return Encoded(facts[:, :longest], self.questions[which], self.answers[which])

    def to(self, device: torch.device) -> "Encoded":
        """Move all to a device."""
        return Encoded(*(part.to(device) for part in self))


def encode(stories: Sequence[Story], vocabulary: Vocabulary, facts: int = 20) -> Encoded:
    """Encode stories, of each its last sentences, as many as `facts`, as in Santoro et al. (2017), section 4.

    Raises:
        ValueError: a word or an answer that the vocabulary has not, or a story without sentences, by its place.
    """
    kept = [story.facts[-facts:] for story in stories]
    for place, told in enumerate(kept):
        if not told or not all(told):
            raise ValueError(f"story {place} has no sentence before its question, or an empty one")
    count, longest = max(map(len, kept), default=0), max((len(s) for told in kept for s in told), default=0)
    asked = max((len(story.question) for story in stories), default=0)
    empty = (0,) * longest
    rows, questions, answers = [], [], []
    for place, (story, told) in enumerate(zip(stories, kept, strict=True)):
        try:
            numbers = [_padded([vocabulary.words[word] for word in sentence], longest) for sentence in told]
            questions.append(_padded([vocabulary.words[word] for word in story.question], asked))
            answers.append(vocabulary.answers[story.answer])
        except KeyError as error:
            raise ValueError(f"story {place} has {error.args[0]!r}, which is not in the vocabulary") from error
        rows.append([*numbers, *[empty] * (count - len(numbers))])
    return Encoded(
        torch.tensor(rows, dtype=torch.int64).view(len(stories), count, longest),
        torch.tensor(questions, dtype=torch.int64).view(len(stories), asked),
        torch.tensor(answers, dtype=torch.int64),
    )


def _padded(numbers: list[int], length: int) -> tuple[int, ...]:
    return (*numbers, *[0] * (length - len(numbers)))
