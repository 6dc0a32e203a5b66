"""Hill climbing: the local search as a loop, summits, restarts, answers out of order."""

import pytest
import torch

from dmbench.nas.hill_climbing import HillClimbing
from dmbench.nas.parts.search import search
from dmbench.nas.space import Decision, Space

SPACE = Space("small", [Decision(name, tuple(range(5))) for name in "abc"])


def single(point):
    return -float(sum((one - 3) ** 2 for one in point))


def rugged(point):
    return float((7 * point[0] + 11 * point[1] * point[2] + 3 * point[2]) % 31) + sum(point) / 100


def climb(start, worth, known):
    """Steepest ascent as a loop: the summits' path, and what was looked at."""
    here = start
    known.add(here)
    while True:
        near = SPACE.neighbours(here)
        known.update(near)
        best = max(near, key=worth)
        if worth(best) <= worth(here):
            return here
        here = best


@pytest.mark.parametrize("worth", [single, rugged])
def test_each_climb_ends_where_steepest_ascent_does_and_looks_at_no_cell_twice(worth):
    strategy = HillClimbing(SPACE, torch.Generator().manual_seed(0))
    starts, points = [], []
    while len(strategy.summits) < 3 and len(points) < 124:
        begins = strategy.here is None
        point = strategy.ask()
        if begins or strategy.here is None:
            starts.append(point)
        points.append(point)
        strategy.tell(point, worth(point))
    known = set()
    summits = [climb(start, worth, known) for start in starts]
    assert strategy.summits == summits[: len(strategy.summits)]
    assert len(strategy.summits) >= 2
    assert len(points) == len(set(points))
    assert set(points) <= known


def test_a_single_summit_is_found_from_anywhere():
    for seed in range(20):
        for steepest in (True, False):
            strategy = HillClimbing(SPACE, torch.Generator().manual_seed(seed), steepest=steepest)
            assert search(strategy, single, 125).best() == (3, 3, 3)


def test_the_first_better_neighbour_is_gone_to_at_once():
    strategy = HillClimbing(SPACE, torch.Generator().manual_seed(1), steepest=False)
    start = strategy.ask()
    strategy.tell(start, 0.0)
    near = strategy.ask()
    strategy.tell(near, 1.0)
    assert strategy.here == near
    steep = HillClimbing(SPACE, torch.Generator().manual_seed(1))
    steep.tell(steep.ask(), 0.0)
    steep.tell(steep.ask(), 1.0)
    assert steep.here == start


def test_a_plateau_is_a_summit():
    strategy = HillClimbing(SPACE, torch.Generator().manual_seed(0))
    search(strategy, lambda point: 1.0, 40)
    assert len(strategy.summits) >= 1


def test_a_space_that_is_all_known_is_searched_on():
    tiny = Space("tiny", [Decision("a", (0, 1))])
    history = search(HillClimbing(tiny, torch.Generator().manual_seed(0)), lambda point: float(point[0]), 30)
    assert len(history.points) == 30
    assert history.best() == (1,)
