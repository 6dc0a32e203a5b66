"""What strategies that learn a policy share: asking it, and gathering what points reached until there is a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.policies import SoftmaxPolicy

Reward = Callable[[Tensor], Tensor]


def share(accuracy: Tensor) -> Tensor:
    """Return a share of 1 of an accuracy in per cent."""
    return accuracy / 100


class PolicySearch:
    """Draw from a policy; learn from each batch.

    Args:
        policy: made for the space; by default a softmax for each decision.
        lanes: searches that share nothing, run by `ask_all` and `tell_all`; only where there is no policy given.
        batch: evaluations of a lane between two updates.
        reward: of accuracies (L); by default the share of 1 that the per cent are.

    Raises: ValueError: no lane, or a batch below 1.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        policy: Any = None,
        lanes: int = 1,
        batch: int = 1,
        reward: Reward = share,
    ) -> None:
        if lanes < 1 or batch < 1:
            raise ValueError(f"need a lane and a batch of at least 1: {lanes}, {batch}")
        self.space, self.generator, self.batch, self.reward = space, generator, batch, reward
        self.policy = SoftmaxPolicy(space, lanes, generator) if policy is None else policy
        self.lanes: int = self.policy.lanes
        self.gathered: list[tuple[list[Point], Tensor]] = []

    def ask(self) -> Point:
        """Propose a point of the only lane."""
        return self.ask_all()[0]

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point of the only lane reached."""
        self.tell_all([point], torch.tensor([accuracy]))

    def ask_all(self) -> list[Point]:
        """Propose a point in each lane."""
        points: list[Point] = self.policy.draw(self.lanes, self.generator)
        return points

    def tell_all(self, points: Sequence[Point], accuracies: Tensor) -> None:
        """Learn what a point of each lane reached, accuracies (L).

        Raises: ValueError: there is not one of each lane.
        """
        if not len(points) == len(accuracies) == self.lanes:
            raise ValueError(f"need a point and an accuracy of {self.lanes} lanes: {len(points)}, {len(accuracies)}")
        self.gathered.append((list(points), self.reward(accuracies)))
        if len(self.gathered) == self.batch:
            gathered, self.gathered = self.gathered, []
            self.update([points for points, _ in gathered], torch.stack([rewards for _, rewards in gathered]))

    def judge(self, batch: Sequence[Sequence[Point]]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and entropies of a batch of points of each lane, both (batch, L)."""
        pairs = [self.policy.judge(points) for points in batch]
        logs, entropies = zip(*pairs, strict=True)
        return torch.stack(logs), torch.stack(entropies)

    def update(self, batch: Sequence[Sequence[Point]], rewards: Tensor) -> None:
        """Learn from a batch of points of each lane and their rewards, (batch, L)."""
        raise NotImplementedError
