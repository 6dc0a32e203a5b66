"""Bayesian optimisation: the process as equations, expected improvement as integral, encodings, proposals, errors."""

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dmbench.experiments import bayesian_optimization as experiments
from dmbench.harness.discovery import peers
from dmbench.harness.errors import ContractError
from dmbench.nas.bayesian_optimization import BayesianOptimization, expected_improvement
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS
from dmbench.nas.parts.encodings import adjacency, edge_paths, number_of_paths, paths
from dmbench.nas.parts.gaussian_process import (
    GaussianProcess,
    cholesky,
    conditioned,
    fitted,
    matern52,
    squared_exponential,
)
from dmbench.nas.parts.search import search
from dmbench.nas.space import Decision, Space, layer_chain, nas_bench_201

SMALL = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1))])
WIDE = Space("wide", [Decision(name, tuple(range(5))) for name in "abcd"])


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def loops(kernel, a, b, length):
    def value(x, y):
        r = math.dist(x, y) / length
        if kernel is squared_exponential:
            return math.exp(-r * r / 2)
        return (1 + math.sqrt(5) * r + 5 * r * r / 3) * math.exp(-math.sqrt(5) * r)

    return torch.tensor([[value(x, y) for y in b.tolist()] for x in a.tolist()], dtype=torch.float64)


@settings(deadline=None, max_examples=15)
@given(n=st.integers(1, 12), m=st.integers(1, 5), d=st.integers(1, 4), seed=st.integers(0, 99))
@pytest.mark.parametrize("kernel", [matern52, squared_exponential])
def test_the_posterior_is_the_joint_normal_conditioned(kernel, n, m, d, seed):
    x, new, y = drawn(seed, n, d), drawn(seed + 100, m, d), drawn(seed + 200, n)
    process = GaussianProcess(x, y, partial(kernel, length=0.8), variance=1.7, noise=0.05)
    told = 1.7 * loops(kernel, x, x, 0.8) + 0.05 * torch.eye(n, dtype=torch.float64)
    across = 1.7 * loops(kernel, new, x, 0.8)
    mean, variance = process.predict(new)
    torch.testing.assert_close(mean, across @ torch.linalg.solve(told, y), rtol=0, atol=1e-11)
    wanted = 1.7 - (across * torch.linalg.solve(told, across.T).T).sum(1)
    torch.testing.assert_close(variance, wanted, rtol=0, atol=1e-11)
    density = stats.multivariate_normal.logpdf(y.numpy(), mean=[0.0] * n, cov=told.numpy())
    assert process.log_likelihood == pytest.approx(float(density), abs=1e-10)


def test_without_noise_what_was_told_is_certain_and_far_away_is_the_prior():
    x, y = drawn(0, 6, 2), drawn(1, 6)
    process = GaussianProcess(x, y, matern52, variance=2.0, noise=0.0)
    mean, variance = process.predict(torch.cat([x, torch.full((1, 2), 1e3, dtype=torch.float64)]))
    torch.testing.assert_close(mean[:6], y, rtol=0, atol=1e-12)
    assert float(variance[:6].max()) < 1e-12
    assert float(variance.min()) >= 0
    assert (float(mean[6]), float(variance[6])) == (0.0, 2.0)


def test_one_value_is_shrunk_towards_the_mean_by_the_noise():
    one = torch.ones(1, 1, dtype=torch.float64)
    mean, variance = GaussianProcess(one, torch.tensor([3.0]), matern52, variance=2.0, noise=1.0).predict(one)
    assert float(mean) == pytest.approx(2.0, abs=1e-14)
    assert float(variance) == pytest.approx(2 / 3, abs=1e-14)


def test_the_fit_is_the_pair_of_the_highest_likelihood_with_the_best_variance():
    x, lengths, noises = drawn(2, 15, 2), (0.3, 1.0, 3.0), (1e-3, 1e-1)
    root = cholesky(matern52(x, x, 1.0) + 1e-3 * torch.eye(15, dtype=torch.float64))
    y = 5 * root @ drawn(3, 15)
    found = {}
    for length, noise in itertools.product(lengths, noises):
        process = conditioned(x, y, matern52, length, noise)
        found[length, noise] = process.log_likelihood
        assert process.noise == pytest.approx(noise * process.variance, rel=1e-12)
        again = GaussianProcess(x, y, partial(matern52, length=length), variance=process.variance, noise=process.noise)
        assert again.log_likelihood == pytest.approx(process.log_likelihood, abs=1e-9)
        torch.testing.assert_close(again.predict(x[:3] + 0.1), process.predict(x[:3] + 0.1), rtol=0, atol=1e-9)
        for factor in (0.9, 1.1):  # another variance is less likely
            assert process.scaled(factor).log_likelihood < process.log_likelihood
    assert fitted(x, y, matern52, lengths, noises) == max(found, key=found.get) == (1.0, 1e-3)


def test_values_that_are_all_the_same_can_be_fitted():
    assert conditioned(drawn(0, 4, 2), torch.zeros(4), matern52, 1.0, 0.1).variance == 1e-12
    assert fitted(drawn(0, 4, 2), torch.zeros(4), matern52, (1.0, 2.0), (0.1,))[1] == 0.1


def test_a_point_that_is_there_twice_needs_noise():
    x, y = torch.zeros(2, 3), torch.tensor([1.0, 3.0])
    with pytest.raises(ValueError, match="covariances of 2 points are singular: no point may be there twice, or add"):
        GaussianProcess(x, y, matern52, noise=0.0)
    assert float(GaussianProcess(x, y, matern52, noise=1e-6).predict(x[:1])[0]) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_no_process_can_be_of_is_refused(bad):
    x, y = torch.zeros(2, 3), torch.zeros(2)
    for points, values in ((x, y[:1]), (x[0], y), (x[:0], y[:0])):
        with pytest.raises(ValueError, match=r"need points \(n, d\) and values \(n\), at least one"):
            GaussianProcess(points, values, matern52)
    for points, values in ((x, torch.tensor([0.0, bad])), (torch.full((2, 3), bad), y)):
        with pytest.raises(ValueError, match="needs finite points and values"):
            GaussianProcess(points, values, matern52)
    for options in ({"variance": 0.0}, {"variance": bad}, {"noise": -1.0}, {"noise": bad}):
        with pytest.raises(ValueError, match="need a variance above 0 and a noise of 0 or more"):
            GaussianProcess(x, y, matern52, **options)
    for lengths, noises in (((), (0.1,)), ((1.0,), ()), ((0.0,), (0.1,)), ((1.0,), (0.0,))):
        with pytest.raises(ValueError, match="need lengths and noises above 0"):
            fitted(x, y, matern52, lengths, noises)


@pytest.mark.parametrize(("mean", "deviation", "best"), [(0.3, 1.2, 0.5), (2.0, 0.4, 0.0), (-3.0, 1.0, 1.0)])
def test_expected_improvement_is_the_mean_of_what_exceeds_the_best(mean, deviation, best):
    shares = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    values = mean + deviation * torch.special.ndtri(shares)
    found = expected_improvement(*(torch.tensor([one], dtype=torch.float64) for one in (mean, deviation)), best)
    assert float(found) == pytest.approx(float((values - best).clamp(min=0).mean()), abs=2e-6)


def test_expected_improvement_grows_with_mean_and_deviation_and_is_never_negative():
    mean = torch.linspace(-60, 5, 300, dtype=torch.float64)
    found = expected_improvement(mean, torch.ones_like(mean), 0.0)
    assert bool((found >= 0).all())
    assert float(found.diff().min()) > -1e-14
    assert bool((found[mean > -5].diff() > 0).all())
    deviation = torch.linspace(0.1, 3, 50, dtype=torch.float64)
    assert bool((expected_improvement(torch.zeros_like(deviation), deviation, 0.7).diff() > 0).all())
    certain = expected_improvement(torch.tensor([1.0, 3.0]), torch.zeros(2), 2.0)
    assert certain.tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="a deviation is 0 or more: -1.0"):
        expected_improvement(torch.zeros(1), -torch.ones(1), 0.0)


def test_expected_improvement_has_the_gradients_of_the_closed_form():
    mean, deviation = drawn(0, 5).requires_grad_(), drawn(1, 5).abs().add(0.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, d: expected_improvement(m, d, 0.3), (mean, deviation))
    u = ((mean - 0.3) / deviation).detach()
    by_mean, by_deviation = torch.autograd.grad(expected_improvement(mean, deviation, 0.3).sum(), (mean, deviation))
    torch.testing.assert_close(by_mean, torch.special.ndtr(u), rtol=0, atol=1e-14)
    density = torch.exp(-u.square() / 2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(by_deviation, density, rtol=0, atol=1e-14)


def test_a_one_stands_for_each_choice_that_is_taken():
    for space in (SMALL, layer_chain(2, 6)):
        points = list(space.points())[:200]
        sizes = [len(decision.choices) for decision in space.decisions]
        for point, row in zip(points, adjacency(space, points).tolist(), strict=True):
            wanted = [0.0] * sum(sizes)
            for place, choice in enumerate(point):
                wanted[sum(sizes[:place]) + choice] = 1.0
            assert row == wanted
    assert adjacency(SMALL, []).shape == (0, 7)


def test_paths_are_walked_from_the_input_to_the_output():
    space = nas_bench_201()
    names = [path for length in (1, 2, 3) for path in itertools.product(OPERATIONS, repeat=length)]
    points = [space.sample(seeded(seed)) for seed in range(30)]
    for point, row in zip(points, paths(space, points).tolist(), strict=True):
        waiting, wanted = [(0, ())], set()
        while waiting:
            node, path = waiting.pop()
            if node == 3:
                wanted.add(path)
            for (to, source), operation in zip(EDGES, space.values(point), strict=True):
                if source == node:
                    waiting.append((to, (*path, operation)))
        assert {path for path, there in zip(names, row, strict=True) if there} == wanted
        assert set(row) <= {0.0, 1.0}
    assert sorted(edge_paths()) == [(0, 2, 5), (0, 4), (1, 5), (3,)]
    assert number_of_paths(5, (1, 2, 3)) == len(names)
    with pytest.raises(ValueError, match="paths are those of NAS-Bench-201's cells: small has others"):
        paths(SMALL, [(0, 0, 0)])


def worth(point):
    return 90.0 - sum((one - 3) ** 2 for one in point)


def test_what_is_proposed_has_the_highest_expected_improvement_of_all_candidates():
    strategy = BayesianOptimization(SMALL, seeded(), first=4, best=12, drawn=0)
    history = search(strategy, worth, 5)
    for _ in range(4):
        strategy.chosen = (1.0, 0.01)
        told = torch.tensor(history.accuracies, dtype=torch.float64)
        y = (told - told.mean()) / told.std()
        process = conditioned(adjacency(SMALL, history.points), y, matern52, 1.0, 0.01)
        rest = [point for point in SMALL.points() if point not in history.points]
        mean, variance = process.predict(adjacency(SMALL, rest))
        values = expected_improvement(mean, variance.sqrt(), float(y.max())).tolist()
        near = {other for point in history.points for other in SMALL.neighbours(point)}
        assert near >= set(rest)  # so that all that is left is a candidate
        point = strategy.ask()
        assert values[rest.index(point)] == pytest.approx(max(values), abs=1e-12)
        history.add(point, worth(point))
        strategy.tell(point, worth(point))


def test_candidates_are_neighbours_of_the_best_and_random_points_and_new():
    strategy = BayesianOptimization(WIDE, seeded(), first=3, best=2, drawn=0)
    history = search(strategy, worth, 3)
    top = sorted(history.points, key=worth, reverse=True)[:2]
    wanted = {other for point in top for other in WIDE.neighbours(point)} - set(history.points)
    assert set(strategy._candidates()) == wanted
    strategy.best, strategy.drawn = 0, 40
    found = strategy._candidates()
    assert 30 < len(found) == len(set(found)) <= 40
    assert not set(found) & set(history.points)


def test_length_and_noise_are_chosen_each_so_many_points():
    strategy = BayesianOptimization(WIDE, seeded(), first=4, refit=3)
    chosen_at = []
    for _ in range(14):
        point = strategy.ask()
        strategy.tell(point, worth(point))
        chosen_at.append(strategy.chosen_at)
    assert sorted(set(chosen_at)) == [0, 4, 7, 10, 13]


def test_it_finds_the_best_of_625_points_in_60_evaluations_where_chance_does_not():
    for seed in range(3):
        history = search(BayesianOptimization(WIDE, seeded(seed)), worth, 60)
        assert history.best() == (3, 3, 3, 3)
        assert len(set(history.points)) == 60


@pytest.mark.parametrize("first", [2, 5, 12])
def test_each_point_is_proposed_once_and_then_it_ends(first):
    strategy = BayesianOptimization(SMALL, seeded(), first=first)
    assert sorted(search(strategy, worth, 12).points) == list(SMALL.points())
    with pytest.raises(RuntimeError, match="all 12 points of small were proposed"):
        strategy.ask()


def test_points_that_wait_are_not_proposed_again_and_may_be_told_in_any_order():
    strategy = BayesianOptimization(WIDE, seeded(), first=4)
    search(strategy, worth, 6)
    waiting = [strategy.ask() for _ in range(20)]
    assert len(set(waiting)) == 20
    for point in reversed(waiting):
        strategy.tell(point, worth(point))
    assert strategy.ask() not in waiting


def test_a_point_told_twice_counts_with_its_mean():
    strategy = BayesianOptimization(SMALL, seeded(), first=2)
    for point, accuracy in (((0, 0, 0), 10.0), ((1, 0, 0), 30.0), ((0, 0, 0), 20.0), ((0, 0, 0), 60.0)):
        strategy.tell(point, accuracy)
    assert {point: mean for point, (mean, _) in strategy.known.items()} == {(0, 0, 0): 30.0, (1, 0, 0): 30.0}
    assert strategy.process()[0].y.tolist() == [0.0, 0.0]  # no spread: nothing is divided by it
    assert strategy.ask() in set(SMALL.points()) - {(0, 0, 0), (1, 0, 0)}


def test_spaces_with_rules_are_searched():
    space = layer_chain(3, 6)
    points = search(
        BayesianOptimization(space, seeded(), first=3, drawn=20), lambda point: float(len(point)), 12
    ).points
    assert all(point in space for point in points)


@pytest.mark.parametrize("accuracy", [math.nan, math.inf, -math.inf])
def test_an_accuracy_that_is_not_finite_is_refused(accuracy):
    with pytest.raises(ValueError, match=rf"the accuracy of \(0, 0, 0\) is {accuracy}: tell a finite one"):
        BayesianOptimization(SMALL).tell((0, 0, 0), accuracy)


def test_what_is_out_of_range_is_refused():
    for options in ({"first": 1}, {"best": -1}, {"best": 0, "drawn": 0}, {"refit": 0}):
        with pytest.raises(ValueError, match="need two first points, candidates, and a refit of 1 or more"):
            BayesianOptimization(SMALL, **options)
    with pytest.raises(ValueError, match="outside of small: a may be 0, 1, 2, not 7"):
        BayesianOptimization(SMALL).tell((7, 0, 0), 1.0)
    with pytest.raises(ValueError, match="need a budget and a patience of at least 1"):
        search(BayesianOptimization(SMALL), worth, 0)


def test_only_what_keeps_the_contracts_is_measured():
    experiments.STRATEGY.check(BayesianOptimization)
    experiments.check_regression(experiments.regression)
    experiments.check_improvement(expected_improvement)
    with pytest.raises(ContractError, match=r"three new points have \(2,\) means"):
        experiments.check_regression(lambda x, y, new, **settings: (y, y, 0.0))
    with pytest.raises(ContractError, match=r"three means have \(\) improvements"):
        experiments.check_improvement(lambda mean, deviation, best: mean.sum())


def test_scikit_learn_regresses_as_we_do():
    generator = seeded(5)
    x, y, new = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((20, 3), (20,), (7, 3)))
    try:
        theirs = peers("bayesian_optimization")["scikit-learn"]["regression"](x, y, new, **experiments.SETTINGS)
    except NotImplementedError as error:
        pytest.skip(str(error))
    for one, other in zip(experiments.regression(x, y, new, **experiments.SETTINGS)[:2], theirs, strict=False):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)
    assert experiments.regression(x, y, new, **experiments.SETTINGS)[2] == pytest.approx(theirs[2], abs=1e-8)


def test_the_picture_looks_where_expected_improvement_is_highest():
    from dmbench.experiments import _bayesian_optimization_pictures as pictures

    axes = pictures.posterior(None).axes
    shown, below = axes[: len(pictures.SHOWN)], axes[len(pictures.SHOWN) :]
    assert [one.get_title() for one in shown] == [f"{count} evaluations" for count in pictures.SHOWN]
    first, second = shown[0].lines[2].get_xdata(), shown[1].lines[2].get_xdata()
    assert list(second) == [*first, below[0].lines[0].get_xdata()[0]]
    gain = pictures.known(list(pictures.FIRST))[2]
    assert float(pictures.PLACES[gain.argmax()]) == second[-1]
    last = shown[-1].lines[2].get_xdata()
    assert max(pictures.curve(torch.from_numpy(last))) > 0.75  # it found the higher hill
