"""Successive halving: brackets as printed, who goes on, the model's densities as loops, budgets, errors."""

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.experiments import _halving_training as training
from dmbench.experiments import successive_halving as experiments
from dmbench.harness.errors import ContractError
from dmbench.nas.parts.parzen import Density, ParzenSearch, reference_bandwidths, split
from dmbench.nas.parts.rungs import brackets, halving
from dmbench.nas.parts.search import search
from dmbench.nas.space import Decision, Space, layer_chain
from dmbench.nas.successive_halving import BOHB, Hyperband, SuccessiveHalving, Trial, chosen, spend

SPACE = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1, 2, 3))])
WIDE = Space("wide", [Decision(name, tuple(range(5))) for name in "abcd"])
RULES = layer_chain(2, 6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def worth(point):
    return 90.0 - sum((one - 3) ** 2 for one in point)


def test_the_brackets_of_81_are_table_1():
    assert brackets(81, 3) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert brackets(1) == [[(1, 1)]]


@settings(deadline=None)
@given(most=st.integers(1, 3000), eta=st.integers(2, 6))
def test_brackets_are_algorithm_1_in_whole_numbers(most, eta):
    last = max(s for s in range(13) if eta**s <= most)
    found = brackets(most, eta)
    assert len(found) == last + 1
    for bracket, s in zip(found, range(last, -1, -1), strict=True):
        n = -(-(last + 1) * eta**s // (s + 1))
        assert [rung.points for rung in bracket] == [n // eta**i for i in range(s + 1)]
        assert [rung.resource for rung in bracket] == pytest.approx([most / eta ** (s - i) for i in range(s + 1)])
        # No bracket takes more than the budget of one, but for what rounding up adds.
        assert sum(n * r for n, r in bracket) <= (last + 1) * most + (s + 1) * most


def test_the_best_of_a_rung_go_on_with_more():
    strategy = SuccessiveHalving(WIDE, seeded(), points=9, rungs=3)
    told = spend(strategy, lambda point, resource: worth(point) + resource, 27)
    rungs = {r: [one.trial for one in told if one.trial.rung == r] for r in range(3)}
    assert [len(rungs[r]) for r in range(3)] == [9, 3, 1]
    assert [{trial.resource for trial in rungs[r]} for r in range(3)] == [{1.0}, {3.0}, {9.0}]
    for r in range(2):
        best = sorted((worth(trial.point) for trial in rungs[r]), reverse=True)[: len(rungs[r + 1])]
        assert sorted((worth(trial.point) for trial in rungs[r + 1]), reverse=True) == best
    assert [one.spent for one in told] == list(itertools.accumulate(one.trial.resource for one in told))
    assert chosen(told) == rungs[2][0].point


def test_the_chosen_one_is_the_best_of_the_most_resource():
    strategy = SuccessiveHalving(WIDE, seeded(), points=4, rungs=2, eta=2)
    # With more of the resource the order turns, and all are lower.
    told = spend(strategy, lambda point, resource: worth(point) if resource == 1 else -worth(point), 8)
    assert {one.trial.resource for one in told} == {1.0, 2.0}
    last = [one for one in told if one.trial.resource == 2]
    assert chosen(told) == max(last, key=lambda one: one.accuracy).trial.point
    assert chosen(told) != max(told, key=lambda one: one.accuracy).trial.point
    with pytest.raises(ValueError, match="nothing was told"):
        chosen([])


def test_a_bracket_that_waits_is_left_open_and_the_next_begun():
    strategy = Hyperband(WIDE, seeded(), most=9)
    waiting = [strategy.ask() for _ in range(12)]
    assert [trial.bracket for trial in waiting] == [0] * 9 + [1] * 3
    assert {trial.resource for trial in waiting[9:]} == {3.0}
    for trial in reversed(waiting[:9]):
        strategy.tell(trial, worth(trial.point))
    following = [strategy.ask() for _ in range(3)]
    assert [(trial.bracket, trial.rung, trial.resource) for trial in following] == [(0, 1, 3.0)] * 3
    best = sorted((worth(trial.point) for trial in waiting[:9]), reverse=True)[:3]
    assert [worth(trial.point) for trial in following] == best


def test_brackets_come_again_for_ever_and_leave_nothing_open():
    strategy = Hyperband(WIDE, seeded(), most=9)
    told = spend(strategy, lambda point, resource: worth(point), 3 * sum(n * r for b in brackets(9) for n, r in b))
    assert Counter(one.trial.bracket for one in told) == Counter(
        {bracket: sum(rung.points for rung in brackets(9)[bracket % 3]) for bracket in range(9)}
    )
    assert [bracket.number for bracket in strategy.open] == [9]  # of the trial that the budget did not cover


def test_a_plan_of_whole_trainings_is_random_search():
    told = spend(Hyperband(WIDE, seeded(), plan=[halving(1, 9.0, 1)]), lambda point, resource: worth(point), 100)
    assert [one.trial.resource for one in told] == [9.0] * 11
    assert [one.trial.point for one in told] == [WIDE.sample(g) for g in [seeded()] for _ in range(11)]


def test_a_trial_is_told_once_and_only_if_it_was_asked_for():
    strategy = SuccessiveHalving(WIDE, seeded(), points=3, rungs=2)
    first, second, third = (strategy.ask() for _ in range(3))
    strategy.tell(first, 1.0)
    stranger = Trial(third.point, 1.0, 0, 0, 7)
    for trial in (first, stranger, third._replace(bracket=5), third._replace(rung=1), third._replace(point=(9,) * 4)):
        with pytest.raises(ValueError, match=r"Trial\(.*\) was not asked for, or was told already"):
            strategy.tell(trial, 1.0)
    strategy.tell(second, 2.0)
    strategy.tell(third, 3.0)
    with pytest.raises(ValueError, match="was not asked for, or was told already"):
        strategy.tell(third, 1.0)  # its rung is over


@pytest.mark.parametrize("make", [Hyperband, BOHB])
def test_a_nan_is_refused_and_minus_infinity_is_the_lowest(make):
    strategy = make(WIDE, seeded(), most=9)
    trial = strategy.ask()
    with pytest.raises(ValueError, match="is NaN: tell the lowest one"):
        strategy.tell(trial, math.nan)
    strategy.tell(trial, -math.inf)
    lowest = trial.point
    for _ in range(8):
        trial = strategy.ask()
        strategy.tell(trial, worth(trial.point))
    assert lowest not in [strategy.ask().point for _ in range(3)]


def test_density_is_a_sum_of_products_over_points():
    points = [(0, 1, 2), (0, 0, 2), (2, 1, 3), (0, 1, 2)]
    density = Density(SPACE, points, least=0.05)
    sizes, bandwidths = (3, 2, 4), density.bandwidths.tolist()
    for asked in SPACE.points():
        total = 0.0
        for point in points:
            product = 1.0
            for one, other, size, h in zip(point, asked, sizes, bandwidths, strict=True):
                product *= 1 - h if one == other else h / (size - 1)
            total += product / len(points)
        assert float(density.log_prob([asked])) == pytest.approx(math.log(total), abs=1e-12)
    assert float(density.log_prob(list(SPACE.points())).exp().sum()) == pytest.approx(1, abs=1e-12)


def test_bandwidths_follow_the_reference_rule_within_bounds():
    points = torch.tensor([[0, 1, 2], [0, 0, 2], [0, 1, 2], [0, 1, 2]])
    deviation = math.sqrt(3) / 4
    wanted = [0.0, 1.06 * deviation * 4 ** (-1 / 7), 0.0]
    assert reference_bandwidths(points).tolist() == pytest.approx(wanted, abs=1e-14)
    density = Density(SPACE, [tuple(row) for row in points.tolist()], least=0.01)
    assert density.bandwidths.tolist() == pytest.approx([0.01, wanted[1], 0.01], abs=1e-14)
    wide = Density(SPACE, [tuple(row) for row in points.tolist()], least=0.01, factor=1e9)
    assert wide.bandwidths.tolist() == pytest.approx([2 / 3, 1 / 2, 3 / 4], abs=1e-14)


def test_points_are_drawn_from_the_density():
    density = Density(SPACE, [(0, 1, 2), (0, 0, 2), (2, 1, 3)], least=0.1)
    counts = Counter(density.sample(20_000, seeded()))
    points = list(SPACE.points())
    for point, chance in zip(points, density.log_prob(points).exp().tolist(), strict=True):
        assert abs(counts[point] / 20_000 - chance) < 5 * math.sqrt(chance / 20_000)


def test_good_and_bad_are_split_by_the_share_with_enough_of_either():
    known = [((place,), float(place)) for place in range(20)]
    assert split(known, 0.15, 3) == ([(19,), (18,), (17,)], [(place,) for place in reversed(range(17))])
    assert split(known, 0.5, 3)[0] == [(place,) for place in range(19, 9, -1)]
    good, bad = split(known[:6], 0.15, 4)
    assert (good, bad) == ([(5,), (4,), (3,), (2,)], [(3,), (2,), (1,), (0,)])
    assert split(known[:5], 0.15, 4) is None


def test_the_model_proposes_the_best_ratio_of_good_to_bad():
    strategy = ParzenSearch(WIDE, seeded(), random=0.0)
    for _ in range(30):
        point = WIDE.sample(strategy.generator)
        strategy.tell(point, worth(point))
    parts = split(strategy.known, 0.15, 5)
    drawn = Density(WIDE, parts[0], factor=3.0)
    generator = seeded()
    generator.set_state(strategy.generator.get_state())
    torch.rand((), generator=generator, dtype=torch.float64)
    options = drawn.sample(64, generator)
    ratios = Density(WIDE, parts[0]).log_prob(options) - Density(WIDE, parts[1]).log_prob(options)
    assert strategy.ask() == options[int(ratios.argmax())]


def test_the_model_finds_better_points_than_chance():
    reached = []
    for random in (0.2, 1.0):
        histories = [search(ParzenSearch(WIDE, seeded(seed), random=random), worth, 60) for seed in range(6)]
        reached.append(sum(sum(history.accuracies[40:]) for history in histories) / 120)
    assert reached[0] > reached[1] + 3


def test_bohb_models_the_highest_resource_with_enough_answers():
    asked = []

    class Model(ParzenSearch):
        def ask(self):
            asked.append((len(self.known), {accuracy for _, accuracy in self.known}))
            return super().ask()

    strategy = BOHB(WIDE, seeded(), most=27, model=Model)
    told = spend(strategy, lambda point, resource: resource, 2 * sum(n * r for b in brackets(27) for n, r in b))
    assert all(count >= 7 for count, _ in asked)
    assert all(len(resources) == 1 for _, resources in asked)
    used = [next(iter(resources)) for _, resources in asked]
    assert used == sorted(used)
    assert used[0] == 1.0
    assert used[-1] == 27.0
    assert len([one for one in told if one.trial.rung == 0]) > len(asked) > 0


@pytest.mark.parametrize("eta", [1, 1.0, 0.5, -2, math.inf, math.nan])
def test_an_eta_that_keeps_all_is_refused(eta):
    for call in (lambda: brackets(81, eta), lambda: halving(9, 1.0, 2, eta), lambda: Hyperband(SPACE, eta=eta)):
        with pytest.raises(ValueError, match="need an eta above 1"):
            call()


@pytest.mark.parametrize("most", [0, 0.5, -1, math.inf, math.nan])
def test_a_resource_of_nothing_is_refused(most):
    with pytest.raises(ValueError, match="need a finite most resource of 1 or more"):
        brackets(most)


@pytest.mark.parametrize("budget", [0, -1.0, math.inf, math.nan])
def test_a_budget_of_nothing_or_without_an_end_is_refused(budget):
    with pytest.raises(ValueError, match="need a budget above 0"):
        spend(Hyperband(SPACE), lambda point, resource: 1.0, budget)


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match="a budget of 2 is less than the first trial takes: 3.0"):
        spend(SuccessiveHalving(SPACE, resource=3.0), lambda point, resource: 1.0, 2)
    for points, resource, rungs in ((0, 1.0, 1), (9, 1.0, 0), (9, 0.0, 1), (9, math.nan, 1)):
        with pytest.raises(ValueError, match="need a point, a rung and a resource"):
            halving(points, resource, rungs)
    with pytest.raises(ValueError, match="8 points leave none for rung 3: begin with 9"):
        halving(8, 1.0, 3)
    for plan in ([], [[]]):
        with pytest.raises(ValueError, match="need a bracket or more, each with a rung"):
            Hyperband(SPACE, plan=plan)
    for options in ({"random": 1.1}, {"good": 0.0}, {"good": 1.0}, {"samples": 0}, {"factor": 0.0}, {"least": 0.0}):
        with pytest.raises(ValueError, match="need shares, samples, a factor and a bandwidth"):
            ParzenSearch(SPACE, **options)
    with pytest.raises(ValueError, match="is NaN: tell the lowest one"):
        ParzenSearch(SPACE).tell((0, 0, 0), math.nan)
    with pytest.raises(ValueError, match="outside of small"):
        ParzenSearch(SPACE).tell((9, 0, 0), 1.0)
    for call in (lambda: ParzenSearch(RULES), lambda: Density(RULES, [(0,)])):
        with pytest.raises(ValueError, match="densities are of products: chain of up to 2 layers has rules"):
            call()
    for options in ({"points": []}, {"least": 0.0}, {"factor": 0.0}):
        with pytest.raises(ValueError, match="need points, and a bandwidth and factor above 0"):
            Density(SPACE, **{"points": [(0, 0, 0)], **options})


def test_only_what_keeps_the_contract_is_measured():
    experiments.STRATEGY.check(ParzenSearch)
    experiments.check_plan(brackets)
    for plan in (lambda most, eta: [[(1, 1)]], lambda most, eta: 5, lambda most, eta: [[1], [2], [3]]):
        with pytest.raises(ContractError):
            experiments.check_plan(plan)


class Made:
    """A context of pictures that the test made: bright where their label says."""

    seed, device = 0, torch.device("cpu")

    def __init__(self, monkeypatch):
        labels = torch.randint(10, (60,), generator=seeded())
        images = torch.rand(60, 1, 28, 28, generator=seeded()) / 4
        images[torch.arange(60), 0, 2 * labels] += 0.7
        monkeypatch.setattr(training, "read_digits", lambda ctx, part, data: training.Digits(images, labels))
        monkeypatch.setattr(training, "SIZES", {"train": 40, "validation": 20, "batch": 10})
        monkeypatch.setattr(experiments, "MOST", 3)
        monkeypatch.setattr(training, "MOST", 3)
        self.points = []

    def note(self, **settings):
        pass

    def progress(self, done, total):
        pass

    def point(self, **values):
        self.points.append(values)


def test_a_training_with_more_updates_is_the_same_and_goes_on(monkeypatch):
    trainings = training.Trainings(Made(monkeypatch))
    point = training.SPACE.decode("rate=0.1 momentum=0.9 hidden=16 scale=1.0 decay=0.0")
    untrained, short, again, long = (trainings.trained(point, units) for units in (0, 1, 1, 12))
    assert torch.equal(short[1].weight, again[1].weight)
    assert not torch.equal(short[1].weight, untrained[1].weight)
    assert trainings.accuracy(point, 12) > trainings.accuracy(point, 0) + 30
    assert math.isfinite(float(long[1].weight.detach().sum()))
    wild = training.SPACE.decode("rate=10.0 momentum=0.9 hidden=64 scale=3.0 decay=0.01")
    assert 0 <= trainings.accuracy(wild, 12) <= 100


def test_all_searches_spend_as_much_and_what_they_chose_is_tested(monkeypatch):
    ctx = Made(monkeypatch)
    monkeypatch.setattr(experiments, "halving", lambda points, resource, rungs: halving(3, 1.0, 2))
    found = experiments.fashion(ctx)
    assert set(found) == {f"{name}_error" for name in ("random", "halving", "hyperband", "bohb")}
    assert all(0 <= error <= 100 for error in found.values())
    assert [point["sample"] for point in ctx.points][-1] == 3 * 2 * (3 + 3 + 2 * 3)
    for name in ("random", "halving", "hyperband", "bohb"):
        errors = [point[name] for point in ctx.points if name in point]
        assert errors == sorted(errors, reverse=True)
