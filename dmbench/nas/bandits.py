"""The stateless view: each decision is a bandit, whose arms are its choices and whose reward is the point's accuracy.

Sources: UCB1: Auer, Cesa-Bianchi and Fischer (2002), Finite-time Analysis of the Multiarmed Bandit Problem, Machine
Learning 47, Figure 1 and Theorem 1. Thompson sampling: Thompson (1933); for rewards between 0 and 1 Agrawal and Goyal
(2012), arXiv:1111.1797, Algorithm 2, which draws a success or a failure for each reward. With x the mean reward of an
arm, n how often it was played, t how often any:

    UCB1 plays the arm with the highest x + c sqrt(2 ln t / n), each once first; c = 1 in the paper

Differs from the papers: 1. Where bandits share a reward, each arm is to be played more than once first (`first`). After
one play each, the arms that were played together have the same mean in all bandits, and would stay together for ever.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


class Bandit(Protocol):
    """What plays some arms."""

    def choose(self) -> int:
        """Return the arm to play."""

    def learn(self, arm: int, reward: float) -> None:
        """Learn a reward, from 0 to 1."""


class UCB1:
    """Be optimistic about what was played little.

    arms: how many, at least 1. scale: c. first: how often each is played before bounds decide.
    Raises: ValueError: no arm, a negative scale, or no first play.
    """

    def __init__(
        self, arms: int, generator: torch.Generator | None = None, *, scale: float = 1.0, first: int = 1
    ) -> None:
        if arms < 1 or not scale >= 0 or first < 1:
            raise ValueError(f"need an arm, a scale of 0 or more and a first play: {arms}, {scale}, {first}")
        self.scale, self.first, self.generator = scale, first, generator
        self.plays, self.totals = [0] * arms, [0.0] * arms

    def choose(self) -> int:
        """Return an arm that was played least, at random, until each was played first; then the best by its bound."""
        least = min(self.plays)
        new = [arm for arm, plays in enumerate(self.plays) if plays == least] if least < self.first else []
        if new:
            return new[int(torch.randint(len(new), (), generator=self.generator))]
        played = sum(self.plays)
        return max(range(len(self.plays)), key=lambda arm: self.bound(arm, played))

    def bound(self, arm: int, played: int) -> float:
        """Return an arm's bound after so many plays of all arms."""
        plays = self.plays[arm]
        return self.totals[arm] / plays + self.scale * math.sqrt(2 * math.log(played) / plays)

    def learn(self, arm: int, reward: float) -> None:
        """Learn a reward. Raises: ValueError: it is not from 0 to 1."""
        self.plays[arm] += 1
        self.totals[arm] += in_range(reward)


class Thompson:
    """Play each arm as likely as it is the best: draw a mean from each arm's beta distribution, and play the highest.

    arms: how many, at least 1. Raises: ValueError: no arm.
    """

    def __init__(self, arms: int, generator: torch.Generator | None = None) -> None:
        if arms < 1:
            raise ValueError(f"need an arm: {arms}")
        self.generator = generator
        self.successes, self.failures = [1.0] * arms, [1.0] * arms  # the uniform prior

    def choose(self) -> int:
        """Return the arm with the highest of the means that are drawn."""
        shapes = torch.tensor([self.successes, self.failures], dtype=torch.float64)
        drawn = torch._standard_gamma(shapes, generator=self.generator)
        return int((drawn[0] / drawn.sum(0)).argmax())

    def learn(self, arm: int, reward: float) -> None:
        """Learn a reward: a success with that probability. Raises: ValueError: it is not from 0 to 1."""
        chance = torch.rand((), generator=self.generator, dtype=torch.float64)
        if float(chance) < in_range(reward):
            self.successes[arm] += 1
        else:
            self.failures[arm] += 1


class BanditSearch:
    """A bandit for each decision, none of which knows of the others.

    bandit: makes one of a number of arms and a generator; UCB1 by default. The reward is the accuracy in per cent,
    shifted and stretched so that `low` is 0 and `high` is 1, and what lies outside of that 0 or 1.
    Raises: ValueError: the space is no product, so that what may be chosen depends on the choices before, or low is not
        below high.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        bandit: Callable[[int, torch.Generator | None], Bandit] = UCB1,
        low: float = 0.0,
        high: float = 100.0,
    ) -> None:
        if not space.product:
            raise ValueError(f"bandits know of no rules: {space.name} is no product")
        if not low < high:
            raise ValueError(f"need low below high: {low}, {high}")
        self.low, self.high = low, high
        self.bandits = [bandit(len(decision.choices), generator) for decision in space.decisions]

    def ask(self) -> Point:
        """Propose the arms that the bandits choose."""
        return tuple(bandit.choose() for bandit in self.bandits)

    def tell(self, point: Point, accuracy: float) -> None:
        """Give all bandits the same reward."""
        reward = min(max((accuracy - self.low) / (self.high - self.low), 0.0), 1.0)
        for bandit, arm in zip(self.bandits, point, strict=True):
            bandit.learn(arm, reward)


def in_range(reward: float) -> float:
    """Return a reward. Raises: ValueError: it is not from 0 to 1."""
    if not 0 <= reward <= 1:
        raise ValueError(f"a reward is from 0 to 1: {reward}")
    return reward
