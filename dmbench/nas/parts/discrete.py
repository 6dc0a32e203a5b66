"""A search space as data: decisions in a row, and rules for what may follow what.

A point is a tuple of whole numbers: of each decision, which of its choices is taken. Most spaces are products, in which
anything may follow anything. A rule masks choices; a stop ends a point before all decisions are taken.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from dmbench.nas.parts.decision import Decision, Point, by_name, check_decisions, check_walks, choice_of, word_of


def anything(prefix: Point, choice: int) -> bool:
    """The rule of a product."""
    return True


def never(prefix: Point) -> bool:
    """The stop of a product: points end where the decisions do."""
    return False


class Space:
    """A finite set of points.

    Args:
        name: what errors call it.
        decisions: at least one, each with choices that differ.
        network: makes a network of a point's values; called by `build`.
        rule: whether a choice may follow a prefix.
        stop: whether a prefix is a whole point.
        state: what of a prefix decides what may follow and how it may end; needed where there is a rule.
        spell, unspell: between values and the text that others write for them; by default `name=value` words.

    Raises:
        ValueError: no decision, one without choices or with equal ones, equal names, a rule or stop without a state, or
            a hole: a prefix that is no point and that nothing may follow.
    """

    def __init__(
        self,
        name: str,
        decisions: Sequence[Decision],
        network: Callable[..., nn.Module] | None = None,
        *,
        rule: Callable[[Point, int], bool] = anything,
        stop: Callable[[Point], bool] = never,
        state: Callable[[Point], Hashable] = len,
        spell: Callable[[Sequence[Any]], str] | None = None,
        unspell: Callable[[str], list[str]] | None = None,
    ) -> None:
        self.name, self.decisions, self.network = name, tuple(decisions), network
        self.rule, self.stop, self.state = rule, stop, state
        self._spell, self._unspell = spell, unspell
        self.product = rule is anything and stop is never
        if not self.product and state is len:
            raise ValueError(f"{name} has a rule or a stop: say by `state` what of a prefix they go by")
        self._counts: dict[Hashable, int] = {}
        self._sizes = tuple(len(decision.choices) for decision in self.decisions)
        check_decisions(name, self.decisions)
        if not self.product:
            check_walks(self)

    def __repr__(self) -> str:
        return f"Space({self.name}: {len(self.decisions)} decisions)"

    def complete(self, prefix: Point) -> bool:
        """Return whether a prefix is a whole point."""
        return len(prefix) == len(self.decisions) or (len(prefix) > 0 and self.stop(prefix))

    def allowed(self, prefix: Point) -> tuple[int, ...]:
        """Return the choices that may follow a prefix; none after a whole point."""
        if self.complete(prefix):
            return ()
        choices = range(len(self.decisions[len(prefix)].choices))
        return tuple(choices) if self.product else tuple(choice for choice in choices if self.rule(prefix, choice))

    def count(self, prefix: Point = ()) -> int:
        """Return how many points begin with a prefix; by default, all there are."""
        if self.product:
            return math.prod(self._sizes[len(prefix) :])
        key = (len(prefix), self.state(prefix))
        if key not in self._counts:
            following = (self.count((*prefix, choice)) for choice in self.allowed(prefix))
            self._counts[key] = 1 if self.complete(prefix) else sum(following)
        return self._counts[key]

    def points(self, prefix: Point = ()) -> Iterator[Point]:
        """Run through all points that begin with a prefix, in the order of their choices."""
        if self.complete(prefix):
            yield prefix
        for choice in self.allowed(prefix):
            yield from self.points((*prefix, choice))

    def validate(self, point: Sequence[int]) -> Point:
        """Return the point as a tuple.

        Raises: ValueError: it lies outside of the space; the decision that does not fit is named.
        """
        if self.product and len(point) == len(self._sizes):
            fits = (type(choice) is int and 0 <= choice < size for choice, size in zip(point, self._sizes, strict=True))
            if all(fits):
                return tuple(point)
        found: Point = ()
        for choice in point:
            if self.complete(found):
                raise ValueError(f"outside of {self.name}: a point ends after {len(found)} choices: {tuple(point)}")
            decision = self.decisions[len(found)]
            if isinstance(choice, bool) or not isinstance(choice, int) or choice not in self.allowed(found):
                may = ", ".join(map(str, self.allowed(found)))
                raise ValueError(f"outside of {self.name}: {decision.name} may be {may}, not {choice}: {tuple(point)}")
            found = (*found, choice)
        if not self.complete(found):
            raise ValueError(f"outside of {self.name}: {self.decisions[len(found)].name} is missing: {tuple(point)}")
        return found

    def __contains__(self, point: object) -> bool:
        """Return whether `validate` takes it."""
        try:
            self.validate(point)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        return True

    def values(self, point: Sequence[int]) -> tuple[Any, ...]:
        """Return what is chosen at each decision. Raises: ValueError: the point lies outside."""
        chosen = self.validate(point)
        return tuple(decision.choices[choice] for decision, choice in zip(self.decisions, chosen, strict=False))

    def encode(self, point: Sequence[int]) -> str:
        """Return a point as text. Raises: ValueError: it lies outside."""
        values = self.values(point)
        if self._spell:
            return self._spell(values)
        return " ".join(f"{one.name}={word_of(value)}" for one, value in zip(self.decisions, values, strict=False))

    def decode(self, text: str) -> Point:
        """Return the point that `encode` wrote. Raises: ValueError: the text is of no point of this space."""
        words = self._unspell(text) if self._unspell else by_name(self.name, self.decisions, text)
        found = [choice_of(self.name, decision, word) for decision, word in zip(self.decisions, words, strict=False)]
        return self.validate(found + [-1] * (len(words) - len(found)))

    def sample(self, generator: torch.Generator | None = None) -> Point:
        """Draw a point, all equally likely."""
        if self.product:
            places = torch.rand(len(self.decisions), generator=generator, dtype=torch.float64).tolist()
            return tuple(int(place * size) for place, size in zip(places, self._sizes, strict=True))
        point: Point = ()
        while not self.complete(point):
            allowed = self.allowed(point)
            shares = torch.tensor([float(self.count((*point, choice))) for choice in allowed], dtype=torch.float64)
            point = (*point, allowed[int(torch.multinomial(shares / shares.sum(), 1, generator=generator))])
        return point

    def neighbours(self, point: Sequence[int]) -> list[Point]:
        """Return the points that differ in one decision; where points may differ in length, also by one more or less.

        Raises: ValueError: the point lies outside.
        """
        here = self.validate(point)
        near = [
            (*here[:place], choice, *here[place + 1 :])
            for place, old in enumerate(here)
            for choice in self.allowed(here[:place])
            if choice != old
        ]
        if self.product:
            return near
        near += [(*here[:place], *here[place + 1 :]) for place in range(len(here))]
        near += [
            (*here[:place], choice, *here[place:])
            for place in range(min(len(here) + 1, len(self.decisions)))
            for choice in self.allowed(here[:place])
        ]
        return [one for one in dict.fromkeys(near) if one != here and one in self]

    def mutate(self, point: Sequence[int], generator: torch.Generator | None = None) -> Point:
        """Draw a neighbour: of a product, a decision and then another choice of it; else any neighbour.

        Raises: ValueError: the point lies outside, or has no neighbour.
        """
        if self.product:
            here = self.validate(point)
            open_ = [place for place, size in enumerate(self._sizes) if size > 1]
            if open_:
                first, second = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
                place = open_[int(first * len(open_))]
                others = self._sizes[place] - 1
                choice = (here[place] + 1 + int(second * others)) % (others + 1)
                return (*here[:place], choice, *here[place + 1 :])
        elif near := self.neighbours(point):
            return near[int(torch.randint(len(near), (), generator=generator))]
        raise ValueError(f"{self.name} has no neighbour of {tuple(point)}")

    def build(self, point: Sequence[int], **options: Any) -> nn.Module:
        """Return the network that a point describes. options: as the space's network takes them.

        Raises: ValueError: the point lies outside, or the space has no networks.
        """
        if self.network is None:
            raise ValueError(f"{self.name} has no networks: a space is given one by `network`")
        return self.network(self.values(point), **options)
