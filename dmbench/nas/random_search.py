"""Random search: every point is as likely as any other.

Source: Bergstra and Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13; as a strategy of
architecture search Li and Talwalkar (2019), arXiv:1902.07638.
"""

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


class RandomSearch:
    """Draw points of a space; by default with replacement.

    fresh: never propose a point twice.
    """

    def __init__(self, space: Space, generator: torch.Generator | None = None, *, fresh: bool = False) -> None:
        self.space, self.generator, self.fresh = space, generator, fresh
        self.seen: set[Point] = set()

    def ask(self) -> Point:
        """Propose a point. Raises: RuntimeError: fresh, and every point was proposed."""
        if self.fresh and len(self.seen) == self.space.count():
            raise RuntimeError(f"all {len(self.seen)} points of {self.space.name} were proposed")
        point = self.space.sample(self.generator)
        while self.fresh and point in self.seen:
            point = self.space.sample(self.generator)
        if self.fresh:
            self.seen.add(point)
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn nothing."""
