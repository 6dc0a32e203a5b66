"""A story as it is told: numbered sentences, questions with answers, as lines of a bAbI file."""

from collections.abc import Callable, Iterable
from random import Random

Teller = Callable[[Random], "Script"]


class Script:
    """Lines of one story."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.questions = 0

    def tell(self, sentence: str) -> int:
        """Add a sentence without its full stop; return its number."""
        self.lines.append(f"{len(self.lines) + 1} {sentence[0].upper()}{sentence[1:]}.")
        return len(self.lines)

    def ask(self, question: str, answer: str, supports: Iterable[int]) -> None:
        """Add a question without its question mark."""
        self.lines.append(f"{len(self.lines) + 1} {question}?\t{answer}\t{' '.join(map(str, supports))}")
        self.questions += 1


def other(random: Random, choices: Iterable[str], *but: str | None) -> str:
    """Draw one that is none of these."""
    return random.choice([one for one in choices if one not in but])
