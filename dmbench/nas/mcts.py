"""Monte Carlo tree search over the choices of a point, by UCT.

Sources: Kocsis and Szepesvari (2006), Bandit based Monte-Carlo Planning, ECML; the four phases as in Browne et al.
(2012), A Survey of Monte Carlo Tree Search Methods, Algorithm 2; for architectures Negrinho and Gordon (2017),
arXiv:1704.08792, and Wang et al. (2020), arXiv:1903.11059. With q the mean reward of the points below a child, n how
often it was visited and N its parent:

    take the child with the highest  q + c sqrt(2 ln N / n),  one that was never visited first
"""

import math

import torch

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


class MCTS:
    """Descend to a prefix that is new, add it to the tree, and finish the point at random.

    exploration: c, 1 in the paper for rewards from 0 to 1. The reward is the accuracy in per cent over 100.
    Raises: ValueError: a negative exploration.
    """

    def __init__(self, space: Space, generator: torch.Generator | None = None, *, exploration: float = 1.0) -> None:
        if not exploration >= 0:
            raise ValueError(f"need an exploration of 0 or more: {exploration}")
        self.space, self.generator, self.exploration = space, generator, exploration
        self.visits: dict[Point, int] = {(): 0}  # the tree: prefixes, and how often a point below was told
        self.totals: dict[Point, float] = {(): 0.0}  # of their rewards

    def ask(self) -> Point:
        """Propose a point: by UCT down to the first prefix outside of the tree, at random from there."""
        point: Point = ()
        while point in self.visits and not self.space.complete(point):
            point = self._child(point)
        while not self.space.complete(point):
            allowed = self.space.allowed(point)
            point = (*point, allowed[int(torch.randint(len(allowed), (), generator=self.generator))])
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Add the first prefix outside of the tree, and the reward to it and all above."""
        for length in range(len(point) + 1):
            prefix = point[:length]
            new = prefix not in self.visits
            self.visits[prefix] = self.visits.get(prefix, 0) + 1
            self.totals[prefix] = self.totals.get(prefix, 0.0) + accuracy / 100
            if new:
                break

    def best_child(self, prefix: Point = ()) -> Point:
        """Return the child that was visited most. Raises: ValueError: none was."""
        children = [(*prefix, choice) for choice in self.space.allowed(prefix)]
        visited = [child for child in children if child in self.visits]
        if not visited:
            raise ValueError(f"nothing below {prefix} was visited")
        return max(visited, key=self.visits.__getitem__)

    def _child(self, prefix: Point) -> Point:
        children = [(*prefix, choice) for choice in self.space.allowed(prefix)]
        new = [child for child in children if child not in self.visits]
        if new:
            return new[int(torch.randint(len(new), (), generator=self.generator))]
        visits = self.visits[prefix]
        return max(children, key=lambda child: uct(self.totals[child], self.visits[child], visits, self.exploration))


def uct(total: float, visits: int, parent: int, exploration: float) -> float:
    """Return what a child is chosen by: its mean reward, and c sqrt(2 ln N / n). visits, parent: at least 1."""
    return total / visits + exploration * math.sqrt(2 * math.log(parent) / visits)
