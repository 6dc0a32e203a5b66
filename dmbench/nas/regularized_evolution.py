"""Evolution by tournaments: the best of a few is copied with one change, and the oldest dies.

Source: Real, Aggarwal, Huang and Le (2019), Regularized Evolution for Image Classifier Architecture Search,
arXiv:1802.01548, Algorithm 1; P population, S sample. Non-aging evolution lets the worst die instead, as Real et al.
(2017), arXiv:1703.01041, of the tournament.

Differs from the paper: 1. A mutation changes one decision of the space at hand; the paper's change an operation or a
connection of its own one.
"""

from collections import deque

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


class RegularizedEvolution:
    """Keep the P youngest points that were told; propose a neighbour of the best of S of them, drawn with replacement.

    The first P points are random. aging: the oldest dies; else the worst of the sample, drawn anew.
    Raises: ValueError: P or S is below 1.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        population: int = 10,
        sample: int = 3,
        aging: bool = True,
    ) -> None:
        if population < 1 or sample < 1:
            raise ValueError(f"need a population and a sample of at least 1: {population}, {sample}")
        self.space, self.generator = space, generator
        self.size, self.sample, self.aging = population, sample, aging
        self.population: deque[tuple[Point, float]] = deque()  # the oldest first
        self.asked = 0

    def ask(self) -> Point:
        """Propose a random point P times, then a mutated winner of a tournament."""
        self.asked += 1
        if self.asked <= self.size or not self.population:
            return self.space.sample(self.generator)
        winner = max(self._drawn(), key=lambda place: self.population[place][1])
        return self.space.mutate(self.population[winner][0], self.generator)

    def tell(self, point: Point, accuracy: float) -> None:
        """Add a point; where that makes more than P, one dies."""
        self.population.append((point, accuracy))
        if len(self.population) > self.size:
            if self.aging:
                self.population.popleft()
            else:
                del self.population[min(self._drawn(), key=lambda place: self.population[place][1])]

    def _drawn(self) -> list[int]:
        """Draw S places of the population, with replacement."""
        count = len(self.population)
        drawn: list[int] = torch.randint(count, (self.sample,), generator=self.generator).tolist()
        return drawn
