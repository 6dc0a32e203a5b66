"""Random search, the loop that runs any strategy, and what many runs say."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from dmbench.datasets.nas_bench_201 import DATA, generated, parse
from dmbench.experiments import _nas, _nas_anytime, random_search
from dmbench.experiments._nas_statistics import Summary, equivalence, improvement, interval, ranks, regrets, summary
from dmbench.experiments._nas_strategies import STRATEGIES
from dmbench.harness.errors import ContractError
from dmbench.nas.parts.search import History, StuckError, search, search_lanes
from dmbench.nas.random_search import RandomSearch
from dmbench.nas.space import Decision, Space, nas_bench_201

SMALL = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1))])


class Told:
    """A strategy of given points, which remembers what it was told."""

    def __init__(self, points):
        self.points, self.told = iter(points), []

    def ask(self):
        return next(self.points)

    def tell(self, point, accuracy):
        self.told.append((point, accuracy))


def worth(point):
    return 10.0 * point[0] + point[1]


def test_draws_are_uniform_and_by_the_generator():
    counts = Counter(RandomSearch(SMALL, torch.Generator().manual_seed(seed)).ask() for seed in range(600))
    assert set(counts) == set(SMALL.points())
    assert max(abs(count - 100) for count in counts.values()) < 45  # five deviations
    one, two = (RandomSearch(SMALL, torch.Generator().manual_seed(3)) for _ in range(2))
    assert [one.ask() for _ in range(20)] == [two.ask() for _ in range(20)]


def test_fresh_draws_take_every_point_once_and_then_end():
    strategy = RandomSearch(SMALL, torch.Generator().manual_seed(0), fresh=True)
    assert sorted(strategy.ask() for _ in range(6)) == list(SMALL.points())
    with pytest.raises(RuntimeError, match="all 6 points of small were proposed"):
        strategy.ask()


def test_the_loop_tells_what_it_evaluated_and_keeps_it_in_order():
    points = [(0, 1), (2, 0), (1, 1), (2, 0), (2, 1)]
    strategy = Told(points)
    history = search(strategy, worth, 5)
    assert history.points == points
    assert strategy.told == [(point, worth(point)) for point in points]
    assert history.anytime() == [(0, 1), (2, 0), (2, 0), (2, 0), (2, 1)]
    assert [history.best(n) for n in (1, 4, 5)] == [(0, 1), (2, 0), (2, 1)]
    assert history.best() == (2, 1)


def test_the_first_of_equals_is_the_best_and_minus_infinity_is_no_trouble():
    assert search(Told([(0, 0), (0, 1)]), lambda point: 1.0, 2).best() == (0, 0)
    assert search(Told([(0, 0), (0, 1)]), lambda point: -math.inf, 2).anytime() == [(0, 0), (0, 0)]


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_of_nothing_is_refused(budget):
    with pytest.raises(ValueError, match=f"need a budget and a patience of at least 1 evaluation: {budget}, 100"):
        search(Told([]), worth, budget)
    with pytest.raises(ValueError, match="need a budget"):
        search_lanes(Told([]), worth, budget)


def test_a_nan_is_refused_with_its_point():
    with pytest.raises(ValueError, match=r"the accuracy of \(2, 0\) is NaN"):
        search(Told([(0, 1), (2, 0)]), lambda point: math.nan if point[0] == 2 else 1.0, 2)


@pytest.mark.parametrize("given", ["95", None, torch.zeros(2), 1j])
def test_what_is_no_number_is_refused_with_its_point(given):
    with pytest.raises(TypeError, match=r"must return a number, .* is none: at \(0, 1\)"):
        search(Told([(0, 1)]), lambda point: given, 1)


def test_a_strategy_that_proposes_the_same_point_for_ever_is_stopped():
    def forever():
        yield (0, 1)
        while True:
            yield (1, 1)

    with pytest.raises(StuckError, match=r"Told proposed \(1, 1\) 101 times running: it is stuck"):
        search(Told(forever()), worth, 1000)
    assert len(search(Told(forever()), worth, 1000, patience=1000).points) == 1000
    assert len(search(Told([(0, 0), (0, 1)] * 500), worth, 1000, patience=1).points) == 1000


def test_a_history_of_too_little_has_no_best():
    for history, asked in ((History(), None), (search(Told([(0, 0)]), worth, 1), 2), (History(), 0)):
        with pytest.raises(ValueError, match="need from 1 to"):
            history.best(asked)


def test_mean_deviation_and_interval_are_students():
    values = np.random.default_rng(0).normal(93.7, 0.4, 20)
    assert summary(values) == Summary(values.mean(), values.std(ddof=1), 20)
    assert str(Summary(93.701, 0.364, 500)) == "93.70 +- 0.36 (500 runs)"
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert interval(values) == pytest.approx((values.mean(), low, high), abs=1e-12)


def test_equivalence_needs_the_whole_interval():
    values = [1.0, 2.0, 3.0]  # mean 2, 2.48 on either side
    assert [
        equivalence(values, printed, atol) for printed, atol in ((2, 2.5), (2, 2.4), (7, 2.5), (-3, 2.5), (7, 2.6))
    ] == [
        "equivalent",
        "inconclusive",
        "different",
        "different",
        "inconclusive",
    ]
    with pytest.raises(ValueError, match="need an atol above 0: 0"):
        equivalence(values, 2, 0)


def test_improvement_is_mann_and_whitneys():
    ours, theirs = np.random.default_rng(1).integers(0, 6, (2, 30))
    u = stats.mannwhitneyu(ours, theirs).statistic
    assert improvement(ours, theirs) == pytest.approx(u / 900, abs=1e-12)
    assert improvement(ours, ours) == 0.5


def test_ranks_are_a_loop_over_runs():
    random = np.random.default_rng(2)
    runs = {name: random.integers(0, 4, 25).astype(float) for name in "abc"}
    found = ranks(runs)
    for name, values in runs.items():
        total = 0.0
        for i, value in enumerate(values):
            others = [runs[other][i] for other in runs if other != name]
            total += 1 + sum(one > value for one in others) + sum(one == value for one in others) / 2
        assert found[name].value == pytest.approx(total / 25, abs=1e-12)
        assert found[name].low < found[name].value < found[name].high
    assert sum(one.value for one in found.values()) == pytest.approx(6, abs=1e-12)


def test_runs_that_do_not_fit_are_refused():
    for values in ([1.0], [], [1.0, math.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="need two runs or more, all finite"):
            summary(values)
    with pytest.raises(ValueError, match=r"need two strategies or more, of as many runs: \[2, 3\]"):
        ranks({"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(ValueError, match="need two strategies"):
        ranks({"a": [1, 2]})


@pytest.fixture(scope="module")
def bench():
    """A table whose signal and test disagree: the signal is best at 4s, the test at 3s."""

    def accuracy(cell, column):
        return sum(one if column.endswith("val12") else -abs(one - 3) for one in cell) + 20 + len(column)

    return parse(generated(accuracy))


def test_regret_is_of_what_the_signal_chose(bench):
    histories = [search(Told([(0,) * 6, (3,) * 6, (4,) * 6]), bench.signal("cifar100"), 3)]
    assert regrets(histories, bench.test("cifar100")).tolist() == [[18, 0, 6]]


@pytest.fixture
def ctx(bench, monkeypatch):
    """A context of the generated table."""

    class Context:
        seed, curve = 0, []

        def subject(self, name):
            return RandomSearch

        def note(self, **settings):
            pass

        def progress(self, done, total):
            pass

        def point(self, **values):
            self.curve.append(values)

    monkeypatch.setattr(_nas, "read_bench", lambda ctx: bench)
    for module in (random_search, _nas_anytime):
        monkeypatch.setattr(module, "read_bench", lambda ctx: bench)
        monkeypatch.setattr(module, "RUNS", 2)
    return Context()


def test_an_experiment_chooses_by_the_signal_and_reports_the_test(bench, ctx):
    found = _nas.table_5(ctx, RandomSearch, 3)
    histories = _nas.runs(RandomSearch, _nas.SPACE, bench.signal("cifar10"), count=3, budget=150, seed=0)
    for data in DATA:
        chosen = [max(h.points[:100], key=bench.signal("cifar10")) for h in histories]
        wanted = np.mean([bench.test(data).of(point).percent for point in chosen])
        assert found[data] == pytest.approx(wanted, abs=1e-12)
    early = [max(h.points[:50], key=bench.signal("cifar10")) for h in histories]
    assert found["cifar10_50"] == pytest.approx(np.mean([bench.test("cifar10").of(one).percent for one in early]))
    assert set(found) == set(_nas.TABLE_5)


def test_the_slow_experiments_give_their_numbers_and_a_curve_that_never_rises_without_the_signal(ctx, monkeypatch):
    monkeypatch.setattr(random_search, "STRATEGIES", {k: STRATEGIES[k] for k in ("random_search", "reinforce")})
    monkeypatch.setattr(random_search, "EVALUATIONS", 5)
    monkeypatch.setattr(_nas_anytime, "DRAWN", (1, 5, 100))
    found = random_search.comparison(ctx)
    assert set(found) == {"rank_random_search", "rank_reinforce"}
    assert sum(found.values()) == pytest.approx(3)
    assert set(random_search.search(ctx, "cifar100")) == {"cifar100_anytime", "cifar100_improvement"}
    assert [point["sample"] for point in ctx.curve] == [1, 5, 100]


@pytest.mark.parametrize("data", DATA)
def test_the_slow_experiments_search_by_the_signal_and_report_the_test(bench, ctx, monkeypatch, data):
    seen = []

    def spied(make, space, evaluate, **options):
        seen.append(evaluate)
        return _nas.runs(make, space, evaluate, **options)

    for module in (random_search, _nas_anytime):
        monkeypatch.setattr(module, "runs", spied)
    monkeypatch.setattr(random_search, "STRATEGIES", {k: STRATEGIES[k] for k in ("random_search", "hill_climbing")})
    monkeypatch.setattr(random_search, "EVALUATIONS", 3)
    found = random_search.search(ctx, data)[f"{data}_anytime"]
    histories = _nas.runs(RandomSearch, _nas.SPACE, bench.signal(data), count=2, budget=150, seed=0)
    chosen = [max(history.points[:100], key=bench.signal(data)) for history in histories]
    assert found == pytest.approx(np.mean([bench.test(data).of(point).percent for point in chosen]), abs=1e-12)
    assert [one is bench.signal(data) for one in seen] == [True, True]
    seen.clear()
    random_search.comparison(ctx)
    assert [id(one) for one in seen] == [id(bench.signal(one)) for one in DATA for _ in range(2)]


def test_runs_of_a_seed_do_not_depend_on_how_many_there_are():
    def both(count):
        return [h.points for h in _nas.runs(RandomSearch, SMALL, worth, count=count, budget=4, seed=1)]

    assert both(2) == both(5)[:2]


def test_only_what_keeps_the_contract_is_measured():
    check = random_search.STRATEGY.check
    check(RandomSearch)

    class Outside(RandomSearch):
        def ask(self):
            return (9, 0, 0, 0, 0, 0)

    with pytest.raises(ContractError, match=r"proposed \(9, 0, 0, 0, 0, 0\), which is no point of NAS-Bench-201"):
        check(Outside)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_keeps_the_contract_and_takes_answers_out_of_order(name):
    if name not in ("random_search", "reinforce", "ppo"):  # lanes are asked and told together
        strategy = STRATEGIES[name](nas_bench_201(), torch.Generator().manual_seed(0))
        waiting = [strategy.ask() for _ in range(5)]
        for turn in range(25):
            point = waiting.pop(turn % len(waiting))
            strategy.tell(point, float(sum(point)))
            waiting.append(strategy.ask())
    _nas.check_strategy(STRATEGIES[name])


def test_the_pictures_draw_what_was_searched(bench, monkeypatch):
    from dmbench.experiments import _random_search_pictures as pictures

    monkeypatch.setattr(pictures, "read_bench", lambda ctx: bench)
    monkeypatch.setattr(pictures, "RUNS", 2)
    monkeypatch.setattr(pictures, "EVALUATIONS", 12)
    monkeypatch.setattr(pictures, "DRAWN", {name: pictures.DRAWN[name] for name in ("random_search", "mcts")})
    for axes, data in zip(pictures.regret(None).axes, DATA, strict=True):
        histories = _nas.runs(RandomSearch, _nas.SPACE, bench.signal(data), count=2, budget=12, seed=0)
        wanted = regrets(histories, bench.test(data)).mean(0)
        np.testing.assert_allclose(axes.lines[0].get_ydata(), wanted, rtol=0, atol=1e-12)
    found = pictures.cells(None).axes
    assert [axes.get_title() for axes in found[1::2]] == [
        f"{name}, best of all: {bench.test(data).best.percent:.2f} %" for data, name in pictures.NAMES.items()
    ]
    assert [len(axes.patches) for axes in found[1::2]] == [6, 6, 6]  # six convolutions
