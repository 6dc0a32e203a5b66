"""Hill climbing: look at the neighbours of a point, go to a better one, and start anew where there is none.

Sources: White, Nolen and Savani (2021), Exploring the Loss Landscape in Neural Architecture Search, arXiv:2005.02960,
Algorithm 1 (local search), and den Ottelander et al. (2021), arXiv:2004.08996; as a strategy that trains networks
Elsken, Metzen and Hutter (2018), arXiv:1711.04528, whose neighbours are network morphisms.
"""

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space

TRIES = 100  # draws of a start before one that is known is taken after all


class HillClimbing:
    """Climb from random points.

    steepest: look at all neighbours and go to the best; else go to the first that is better. What was told is
    remembered, and not proposed again as a neighbour.
    """

    def __init__(self, space: Space, generator: torch.Generator | None = None, *, steepest: bool = True) -> None:
        self.space, self.generator, self.steepest = space, generator, steepest
        self.known: dict[Point, float] = {}
        self.here: Point | None = None  # None: a climb is about to begin
        self.around: list[Point] = []  # its neighbours
        self.open: list[Point] = []  # those of them that are neither known nor proposed, in random order
        self.waiting: set[Point] = set()  # what was proposed and not told
        self.summits: list[Point] = []

    def ask(self) -> Point:
        """Propose an unknown neighbour; where all are known, go on from the best, or begin a climb."""
        while self.here is not None and not self.open and not self.waiting:
            best = max(self.around, key=self.known.__getitem__, default=self.here)
            if self.known[best] > self.known[self.here]:
                self._go(best)
            else:
                self.summits.append(self.here)
                self.here = None
        point = self.open.pop() if self.open else self._start()
        self.waiting.add(point)
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point reached; the first one told is where a climb begins."""
        self.waiting.discard(point)
        self.known[point] = accuracy
        if self.here is None or (not self.steepest and point in self.around and accuracy > self.known[self.here]):
            self._go(point)

    def _go(self, point: Point) -> None:
        self.here, self.around = point, self.space.neighbours(point)
        unknown = [near for near in self.around if near not in self.known and near not in self.waiting]
        order = torch.randperm(len(unknown), generator=self.generator).tolist()
        self.open = [unknown[place] for place in order]

    def _start(self) -> Point:
        for _ in range(TRIES):
            point = self.space.sample(self.generator)
            if point not in self.known and point not in self.waiting:
                break
        return point
