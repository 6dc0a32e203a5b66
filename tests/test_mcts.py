"""Tree search: UCT as a loop, the tree's counts, convergence, masks, errors."""

import math

import pytest
import torch

from dmbench.nas.mcts import MCTS, uct
from dmbench.nas.parts.search import search
from dmbench.nas.space import Decision, Space, layer_chain

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1))])


def worth(point):
    return 100 * ((5 * point[0] + 3 * point[1] + point[2]) % 7) / 7


def test_visits_and_totals_are_those_of_the_points_below():
    strategy = MCTS(SPACE, torch.Generator().manual_seed(0))
    history = search(strategy, worth, 40)
    for prefix, visits in strategy.visits.items():
        below = [point for point in history.points if point[: len(prefix)] == prefix]
        # A prefix joins the tree with the first point whose parent is in it, and counts from then on.
        assert visits <= len(below)
        if len(prefix) < 3:
            children = sum(strategy.visits.get((*prefix, u), 0) for u in range(3))
            assert children == (40 if prefix == () else visits - 1)
        if visits == len(below):
            assert strategy.totals[prefix] == pytest.approx(sum(worth(point) for point in below) / 100)


def test_a_child_is_chosen_by_the_formula_and_new_ones_first():
    strategy = MCTS(SPACE, torch.Generator().manual_seed(0), exploration=0.3)
    seen = [strategy_ask_tell(strategy)[0] for _ in range(3)]
    assert sorted(seen) == [0, 1, 2]
    for _ in range(30):
        n = strategy.visits[()]
        values = {
            a: strategy.totals[(a,)] / strategy.visits[(a,)] + 0.3 * math.sqrt(2 * math.log(n) / strategy.visits[(a,)])
            for a in range(3)
        }
        assert values[strategy_ask_tell(strategy)[0]] == pytest.approx(max(values.values()), abs=1e-14)


def strategy_ask_tell(strategy):
    point = strategy.ask()
    strategy.tell(point, worth(point))
    return point


def test_uct_is_the_mean_and_a_bonus():
    assert uct(3.0, 4, 10, 0.5) == pytest.approx(0.75 + 0.5 * math.sqrt(2 * math.log(10) / 4), abs=1e-15)
    assert uct(3.0, 4, 10, 0.0) == 0.75
    assert uct(1.0, 1, 1, 5.0) == 1.0


def test_the_best_point_is_proposed_most_in_the_end():
    best = max(SPACE.points(), key=worth)
    strategy = MCTS(SPACE, torch.Generator().manual_seed(0), exploration=0.3)
    points = search(strategy, worth, 600, patience=600).points[400:]
    assert max(set(points), key=points.count) == best
    child = strategy.best_child()
    assert child == best[:1]
    assert strategy.best_child(child) == best[:2]


def test_rules_are_kept():
    space = layer_chain(3, 6)
    strategy = MCTS(space, torch.Generator().manual_seed(0))
    for i in range(80):
        point = strategy.ask()
        assert point in space
        strategy.tell(point, float(i % 9))


def test_what_is_out_of_range_is_refused():
    for exploration in (-0.1, math.nan):
        with pytest.raises(ValueError, match="need an exploration of 0 or more"):
            MCTS(SPACE, exploration=exploration)
    with pytest.raises(ValueError, match=r"nothing below \(\) was visited"):
        MCTS(SPACE).best_child()
