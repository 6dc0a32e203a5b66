"""Points as vectors, for models of what a point reaches.

Sources: one-hot adjacency and paths: White, Neiswanger and Savani (2021), BANANAS, arXiv:1910.11858, section 3; for
NAS-Bench-201 White et al. (2020), A Study on Neural Architecture Encodings, arXiv:2007.04965. A path is what the
operations from the cell's input to its output are called, in order, whichever nodes it passes.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS
from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


def adjacency(space: Space, points: Sequence[Point]) -> Tensor:
    """Return of each point a 1 for each choice that it takes, (n, choices of all decisions), float64.

    Where a point ends early, the rest is 0. The points are taken to be of the space.
    """
    decisions = len(space.decisions)
    sizes = [len(decision.choices) for decision in space.decisions]
    begins = torch.tensor([0, *accumulate(sizes[:-1])])
    taken = torch.tensor([(*point, *[-1] * (decisions - len(point))) for point in points]).reshape(-1, decisions)
    found = torch.zeros(len(points), sum(sizes), dtype=torch.float64)
    return found.scatter_add_(1, begins + taken.clamp(min=0), (taken >= 0).double())


def paths(space: Space, points: Sequence[Point]) -> Tensor:
    """Return of each cell of NAS-Bench-201 a 1 for each path that it has, (n, 155), float64.

    The operation none makes a path like any other, as in the authors' code; two paths may be the same.
    Raises: ValueError: the space is another one.
    """
    if tuple(decision.choices for decision in space.decisions) != (OPERATIONS,) * len(EDGES):
        raise ValueError(f"paths are those of NAS-Bench-201's cells: {space.name} has others")
    base = len(OPERATIONS)
    taken = torch.tensor(points).reshape(-1, len(EDGES))
    found = torch.zeros(len(points), number_of_paths(base, range(1, 4)), dtype=torch.float64)
    for edges in edge_paths():
        place = torch.full((len(points), 1), number_of_paths(base, range(1, len(edges))))
        for power, edge in enumerate(reversed(edges)):
            place += base**power * taken[:, [edge]]
        found.scatter_(1, place, 1.0)
    return found


def edge_paths(to: int = 3) -> list[tuple[int, ...]]:
    """Return the ways from node 0 to a node of the cell, each by the places of its edges."""
    if to == 0:
        return [()]
    arriving = [(edge, source) for edge, (end, source) in enumerate(EDGES) if end == to]
    return [(*before, edge) for edge, source in arriving for before in edge_paths(source)]


def number_of_paths(operations: int, lengths: Iterable[int]) -> int:
    """Return how many rows of operations there are of these lengths: the sum of operations^length."""
    return sum(operations**length for length in lengths)
