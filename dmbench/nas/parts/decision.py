"""A decision of a search space; what makes a row of them whole, and how they are read from text."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Point = tuple[int, ...]


@dataclass(frozen=True)
class Decision:
    """One decision: its name and its choices.

    anchor: for a yes or no to a connection, the layers (from, to) that it connects, counted from 0. A controller
    decides it by content (Zoph and Le 2017, section 3.3). layer: the layer that the decision belongs to.
    """

    name: str
    choices: tuple[Any, ...]
    anchor: tuple[int, int] | None = None
    layer: int = 0


class Walk(Protocol):
    """What a space tells of its prefixes."""

    name: str
    state: Callable[[Point], Hashable]

    def complete(self, prefix: Point) -> bool:
        """Return whether a prefix is a whole point."""

    def allowed(self, prefix: Point) -> tuple[int, ...]:
        """Return the choices that may follow a prefix."""


def check_decisions(name: str, decisions: Sequence[Decision]) -> None:
    """Raise ValueError where there is no decision, or one without choices, or an equal name or choice."""
    if not decisions:
        raise ValueError(f"{name} has no decision")
    names = [decision.name for decision in decisions]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise ValueError(f"{name} has two decisions called {twice}")
    for decision in decisions:
        if not decision.choices:
            raise ValueError(f"{name} has a hole: {decision.name} has no choices")
        if len(set(map(str, decision.choices))) < len(decision.choices):
            raise ValueError(f"{name}: {decision.name} has a choice twice: {decision.choices}")


def check_walks(space: Walk) -> None:
    """Raise ValueError where the rules leave a prefix that is no point and that nothing may follow."""
    seen: set[Hashable] = set()
    prefixes: list[Point] = [()]
    while prefixes:
        prefix = prefixes.pop()
        key = (len(prefix), space.state(prefix))
        if key in seen or space.complete(prefix):
            continue
        seen.add(key)
        allowed = space.allowed(prefix)
        if not allowed:
            raise ValueError(f"{space.name} has a hole: nothing may follow {prefix}, which is no point")
        prefixes += [(*prefix, choice) for choice in allowed]


def by_name(space: str, decisions: Sequence[Decision], text: str) -> list[str]:
    """Return the values of text of `name=value` words. Raises: ValueError: other names, or another order."""
    parts = [word.partition("=") for word in text.split()]
    names, wanted = [part[0] for part in parts], [decision.name for decision in decisions[: len(parts)]]
    if names != wanted:
        raise ValueError(f"outside of {space}: need {', '.join(wanted) or 'some words'}, in this order: {text}")
    return [part[2] for part in parts]


def choice_of(space: str, decision: Decision, word: str) -> int:
    """Return which choice a word stands for. Raises: ValueError: none."""
    choices = [word_of(choice) for choice in decision.choices]
    if word not in choices:
        raise ValueError(f"outside of {space}: {decision.name} may be {' '.join(choices)}, not {word}")
    return choices.index(word)


def word_of(value: object) -> str:
    """Write a value without spaces."""
    return str(value).replace(" ", "")
