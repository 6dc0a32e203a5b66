"""MetaQNN: the update and the schedule as printed, what is learned of a small space, masks, errors."""

from collections import Counter

import pytest
import torch

from dmbench.nas.parts.replay import Memory
from dmbench.nas.parts.search import search
from dmbench.nas.q_learning import SCHEDULE, QLearning, epsilon_at, shortened
from dmbench.nas.space import Decision, Space, layer_chain

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1))])


def test_a_point_is_learned_from_its_end_by_the_equation():
    strategy = QLearning(SPACE, rate=0.3, discount=0.9, initial=0.5)
    q = {}
    for point, reward in (((0, 1, 0), 0.8), ((2, 1, 0), 0.2), ((0, 1, 1), 0.9), ((0, 0, 1), 0.4)):
        strategy.learn(point, reward)
        for place in (2, 1, 0):
            state = (place, point[place - 1 : place])
            after = (place + 1, point[place : place + 1])
            target = reward
            if place < 2:
                target = 0.9 * max(q.get((after, u), 0.5) for u in range((3, 2, 2)[place + 1]))
            key = (state, point[place])
            q[key] = 0.7 * q.get(key, 0.5) + 0.3 * target
    assert strategy.q == pytest.approx({((*state, None), u): value for (state, u), value in q.items()}, abs=1e-15)


def test_epsilon_follows_the_schedule_and_stays_at_its_end():
    values = [epsilon_at(SCHEDULE, asked) for asked in range(3000)]
    assert [values.index(epsilon) for epsilon, _ in SCHEDULE] == [
        0,
        1500,
        1600,
        1700,
        1800,
        1950,
        2100,
        2250,
        2400,
        2550,
    ]
    assert set(values[2550:]) == {0.1}


@pytest.mark.parametrize("budget", [10, 11, 27, 100, 2700])
def test_a_shortened_schedule_keeps_its_shares(budget):
    short = shortened(budget)
    assert [epsilon for epsilon, _ in short] == [epsilon for epsilon, _ in SCHEDULE]
    assert all(points >= 1 for _, points in short)
    assert abs(sum(points for _, points in short) - budget) <= (0 if budget >= 100 else 9)
    if budget == 2700:
        assert short == SCHEDULE


def test_without_chance_the_best_known_point_is_proposed():
    strategy = QLearning(SPACE, torch.Generator().manual_seed(0), schedule=[(0.0, 1)], rate=1.0, initial=0.0)
    strategy.learn((2, 0, 1), 0.7)
    strategy.learn((1, 1, 1), 0.6)
    assert [strategy.ask() for _ in range(5)] == [(2, 0, 1)] * 5
    random = QLearning(SPACE, torch.Generator().manual_seed(0), schedule=[(1.0, 1)], rate=1.0, initial=0.0)
    random.learn((2, 0, 1), 0.7)
    counts = Counter(random.ask() for _ in range(1200))
    assert len(counts) == 12
    assert max(abs(count - 100) for count in counts.values()) < 45


def test_ties_are_broken_by_chance():
    strategy = QLearning(SPACE, torch.Generator().manual_seed(0), schedule=[(0.0, 1)])
    assert len({strategy.ask() for _ in range(200)}) == 12


def test_a_search_learns_which_point_is_best():
    def worth(point):
        return 90.0 if point == (1, 0, 1) else 10.0 * point[0] + 5 * point[2]

    strategy = QLearning(SPACE, torch.Generator().manual_seed(0), schedule=[(1.0, 60), (0.1, 1)], rate=0.3, replays=20)
    history = search(strategy, worth, 120)
    late = Counter(history.points[60:])
    assert late.most_common(1)[0][0] == (1, 0, 1)
    assert strategy.value((), 1) == max(strategy.value((), choice) for choice in range(3)) <= 0.9


def test_what_no_rule_allows_promises_nothing():
    space = Space(
        "ruled",
        [Decision("a", (0, 1)), Decision("b", (0, 1, 2))],
        rule=lambda prefix, choice: prefix != (0,) or choice == 0,
        state=lambda prefix: prefix,
    )
    strategy = QLearning(space, rate=1.0, initial=0.5)
    strategy.learn((0, 0), 0.2)
    assert strategy.value((0,), 0) == 0.2
    assert strategy.value((), 0) == 0.2  # not the 0.5 of what may not follow


def test_rules_are_kept_and_states_are_what_they_go_by():
    space = layer_chain(3, 6)
    strategy = QLearning(space, torch.Generator().manual_seed(0), schedule=[(0.3, 1)], replays=5)
    for i in range(60):
        point = strategy.ask()
        assert point in space
        strategy.tell(point, float(i % 7))
    assert strategy.state((0,))[2] == space.state((0,))


def test_memory_is_drawn_from_at_random():
    memory = Memory()
    with pytest.raises(ValueError, match="nothing was remembered"):
        memory.draw(1)
    for i in range(4):
        memory.add((i,), float(i))
    counts = Counter(memory.draw(4000, torch.Generator().manual_seed(0)))
    assert set(counts) == {((i,), float(i)) for i in range(4)}
    assert max(abs(count - 1000) for count in counts.values()) < 120


def test_what_is_out_of_range_is_refused():
    for schedule in ([], [(1.1, 5)], [(0.5, 0)], [(-0.1, 5)]):
        with pytest.raises(ValueError, match="a schedule is pairs of a probability and a number of points"):
            QLearning(SPACE, schedule=schedule)
    for options in ({"rate": 0.0}, {"rate": 1.1}, {"discount": -0.1}, {"discount": 1.1}, {"replays": 0}):
        with pytest.raises(ValueError, match="need a rate in"):
            QLearning(SPACE, **options)
    with pytest.raises(ValueError, match="need a budget of at least 10 points: 9"):
        shortened(9)
