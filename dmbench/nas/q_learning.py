"""MetaQNN: Q-learning over the choices of a point, from nothing but chance to little of it, with replay.

Source: Baker, Gupta, Naik and Raskar (2017), Designing Neural Network Architectures using Reinforcement Learning,
arXiv:1611.02167, sections 3 and 4.3, Table 2. A state is how far a point has come and what was chosen last, an action
the next choice. The reward is the accuracy of the whole point, and comes at its end; per point, `replays` points are
drawn from memory, and of each the choices are learned from the last one back (alpha the rate, gamma the discount):

    Q(s, u) = (1 - alpha) Q(s, u) + alpha (r + gamma max over u' of Q(s', u'))

Differs from the paper: 1. A point that is proposed again is evaluated again; the paper takes its first accuracy, which
for a table is the same.
"""

from collections.abc import Hashable, Sequence

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.replay import Memory

# Table 2: epsilon, and how many points are drawn with it.
SCHEDULE = (
    (1.0, 1500),
    (0.9, 100),
    (0.8, 100),
    (0.7, 100),
    (0.6, 150),
    (0.5, 150),
    (0.4, 150),
    (0.3, 150),
    (0.2, 150),
    (0.1, 150),
)


class QLearning:
    """Propose points epsilon-greedily.

    Args:
        schedule: of epsilon, pairs of its value and for how many points; the last value holds from then on.
        rate, discount, replays: alpha, gamma, and the points learned from for each one told.
        initial: what every Q is at first, in rewards.

    The reward is the accuracy in per cent over 100.
    Raises: ValueError: no schedule, an epsilon that is no probability, or a rate, discount or number out of range.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        schedule: Sequence[tuple[float, int]] = SCHEDULE,
        rate: float = 0.01,
        discount: float = 1.0,
        replays: int = 100,
        initial: float = 0.5,
    ) -> None:
        if not schedule or any(not 0 <= epsilon <= 1 or points < 1 for epsilon, points in schedule):
            raise ValueError(f"a schedule is pairs of a probability and a number of points: {tuple(schedule)}")
        if not 0 < rate <= 1 or not 0 <= discount <= 1 or replays < 1:
            raise ValueError(f"need a rate in (0, 1], a discount in [0, 1], a replay: {rate}, {discount}, {replays}")
        self.space, self.generator, self.schedule = space, generator, tuple(schedule)
        self.rate, self.discount, self.replays, self.initial = rate, discount, replays, initial
        self.q: dict[tuple[Hashable, int], float] = {}
        self.memory = Memory()
        self.asked = 0

    def ask(self) -> Point:
        """Propose a point: each choice at random with probability epsilon, else the best by Q, ties at random."""
        epsilon = epsilon_at(self.schedule, self.asked)
        self.asked += 1
        point: Point = ()
        while not self.space.complete(point):
            allowed = self.space.allowed(point)
            explore, tie = torch.rand(2, generator=self.generator, dtype=torch.float64).tolist()
            if explore >= epsilon:
                values = [self.value(point, choice) for choice in allowed]
                allowed = tuple(c for c, value in zip(allowed, values, strict=True) if value == max(values))
            point = (*point, allowed[int(tie * len(allowed))])
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Remember a point, and learn from some of all that were told."""
        self.memory.add(point, accuracy / 100)
        for one, reward in self.memory.draw(self.replays, self.generator):
            self.learn(one, reward)

    def learn(self, point: Point, reward: float) -> None:
        """Update Q along a point, from its last choice back to its first."""
        target = reward
        for place in reversed(range(len(point))):
            prefix, state = point[:place], self.state(point[:place])
            key = (state, point[place])
            self.q[key] = (1 - self.rate) * self.q.get(key, self.initial) + self.rate * target
            following = (self.q.get((state, other), self.initial) for other in self.space.allowed(prefix))
            target = self.discount * max(following)

    def value(self, prefix: Point, choice: int) -> float:
        """Return Q of a choice after a prefix."""
        return self.q.get((self.state(prefix), choice), self.initial)

    def state(self, prefix: Point) -> Hashable:
        """Return how far a prefix has come, and what was chosen last; with rules, also what they go by."""
        return len(prefix), prefix[-1:], None if self.space.product else self.space.state(prefix)


def epsilon_at(schedule: Sequence[tuple[float, int]], asked: int) -> float:
    """Return epsilon after so many points were proposed."""
    for epsilon, points in schedule:
        if asked < points:
            return epsilon
        asked -= points
    return schedule[-1][0]


def shortened(budget: int, schedule: Sequence[tuple[float, int]] = SCHEDULE) -> tuple[tuple[float, int], ...]:
    """Return the schedule with its shares of the points kept, for a budget of fewer; at least one point each.

    Raises: ValueError: the budget has fewer points than the schedule pairs.
    """
    if budget < len(schedule):
        raise ValueError(f"need a budget of at least {len(schedule)} points: {budget}")
    total = sum(points for _, points in schedule)
    ends, end = [], 0
    for index, (_, points) in enumerate(schedule):
        end += points
        ends.append(max(round(budget * end / total), index + 1))
    starts = [0, *ends[:-1]]
    return tuple(
        (epsilon, max(1, end - start)) for (epsilon, _), start, end in zip(schedule, starts, ends, strict=True)
    )
