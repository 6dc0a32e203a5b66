"""Evolution: Algorithm 1 as a loop, who dies, what a child differs in, errors."""

from collections import Counter

import pytest
import torch

from dmbench.nas.parts.search import search
from dmbench.nas.regularized_evolution import RegularizedEvolution
from dmbench.nas.space import Decision, Space

SPACE = Space("small", [Decision(name, tuple(range(7))) for name in "abcd"])


def worth(point):
    return float(sum((i + 1) * one for i, one in enumerate(point)) % 23)


def apart(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("aging", [True, False])
def test_the_search_is_algorithm_1_as_a_loop(aging):
    found = search(RegularizedEvolution(SPACE, torch.Generator().manual_seed(5), population=6, aging=aging), worth, 80)
    random, population, history = torch.Generator().manual_seed(5), [], []

    def tournament(better):
        drawn = torch.randint(len(population), (3,), generator=random).tolist()
        best = drawn[0]
        for one in drawn[1:]:
            best = one if better(worth(population[one]), worth(population[best])) else best
        return best

    while len(history) < 80:
        if len(history) < 6:
            child = SPACE.sample(random)
        if len(history) >= 6:
            child = SPACE.mutate(population[tournament(lambda a, b: a > b)], random)
        population.append(child)
        history.append(child)
        if len(population) > 6:
            population.pop(0 if aging else tournament(lambda a, b: a < b))
    assert found.points == history


def test_the_oldest_dies_though_it_is_the_best():
    strategy = RegularizedEvolution(SPACE, population=3)
    for accuracy, point in ((99.0, (0, 0, 0, 0)), (1.0, (0, 0, 0, 1)), (2.0, (0, 0, 0, 2)), (0.0, (0, 0, 0, 3))):
        strategy.tell(point, accuracy)
    assert [accuracy for _, accuracy in strategy.population] == [1, 2, 0]


def test_without_aging_the_best_never_dies_in_a_tournament_of_all():
    strategy = RegularizedEvolution(SPACE, torch.Generator().manual_seed(0), population=3, sample=60, aging=False)
    for i in range(50):
        strategy.tell((0, 0, 0, i % 7), float((i * 37) % 50))
    assert sorted(accuracy for _, accuracy in strategy.population) == [47, 48, 49]


def test_a_child_differs_in_one_decision_from_the_best_of_a_large_tournament():
    strategy = RegularizedEvolution(SPACE, torch.Generator().manual_seed(0), population=5, sample=100)
    for i in range(5):
        assert strategy.ask() in SPACE
        strategy.tell((i, i, i, i), float(i == 2))
    children = [strategy.ask() for _ in range(200)]
    assert {apart(child, (2, 2, 2, 2)) for child in children} == {1}
    assert len(Counter(children)) == 24


def test_a_random_point_is_proposed_as_long_as_nothing_was_told():
    strategy = RegularizedEvolution(SPACE, torch.Generator().manual_seed(0), population=2)
    assert all(strategy.ask() in SPACE for _ in range(5))


def test_a_population_of_nothing_is_refused():
    for options in ({"population": 0}, {"sample": 0}):
        with pytest.raises(ValueError, match="need a population and a sample of at least 1"):
            RegularizedEvolution(SPACE, **options)
