"""Bagging: bootstrap samples counted, averages and votes as loops, the error of averages by covariance, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments.bagging import check_bootstrap
from dmbench.harness.errors import ContractError
from dmbench.regularizers.bagging import Ensemble, average, bootstrap, distinct_share, expected_error, vote

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 5)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shares(*shape, seed=0):
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize(("count", "size"), [(5, None), (5, 3), (3, 20), (1, None)])
def test_each_draw_is_any_case_with_the_same_chance_whatever_was_drawn_before(count, size):
    samples = torch.stack([bootstrap(count, size, generator=seeded(seed)) for seed in range(4000)])
    assert samples.shape == (4000, count if size is None else size)
    seen = torch.stack([(samples == case).double().mean(0) for case in range(count)])
    error = 5 * math.sqrt((1 - 1 / count) / count / 4000) + 1e-12
    assert float((seen - 1 / count).abs().max()) <= error
    if samples.shape[1] > 1:
        twice = (samples[:, 0] == samples[:, 1]).double().mean().item()
        assert twice == pytest.approx(1 / count, abs=error)


@pytest.mark.parametrize(("count", "size"), [(4, None), (4, 2), (3, 6), (1, None)])
def test_the_distinct_share_is_that_of_all_samples_counted(count, size):
    drawn = count if size is None else size
    samples = torch.cartesian_prod(*[torch.arange(count)] * drawn).view(-1, drawn)
    held = sum(len(sample.unique()) for sample in samples) / (len(samples) * count)
    assert distinct_share(count, size) == pytest.approx(held, abs=1e-12)


def test_a_generator_gives_the_same_sample_again():
    assert bootstrap(50, generator=seeded(3)).tolist() == bootstrap(50, generator=seeded(3)).tolist()
    assert bootstrap(50, generator=seeded(3)).tolist() != bootstrap(50, generator=seeded(4)).tolist()


@few
@given(sizes, sizes, sizes)
def test_the_average_is_the_mean_over_models_and_sums_to_1(models, examples, classes):
    given_ = shares(models, examples, classes)
    found = average(given_)
    for n in range(examples):
        for c in range(classes):
            mean = sum(given_[k, n, c].item() for k in range(models)) / models
            assert found[n, c].item() == pytest.approx(mean, abs=1e-15)
    torch.testing.assert_close(found.sum(-1), torch.ones(examples, dtype=torch.float64), rtol=0, atol=1e-14)


@few
@given(sizes, sizes, sizes, st.integers(0, 9))
def test_the_vote_is_the_class_named_most_and_of_several_the_first(models, examples, classes, seed):
    named = torch.randint(classes, (models, examples), generator=seeded(seed))
    for n, elected in enumerate(vote(named, classes).tolist()):
        counts = [named[:, n].tolist().count(c) for c in range(classes)]
        assert elected == counts.index(max(counts))


@few
@given(st.integers(1, 6), st.floats(0.1, 3), st.floats(0, 1))
def test_the_error_of_an_average_is_the_mean_of_the_covariance_matrix(models, variance, share):
    low = -variance / (models - 1) if models > 1 else 0
    covariance = low + share * (variance - low)
    matrix = [[variance if i == j else covariance for j in range(models)] for i in range(models)]
    expected = sum(map(sum, matrix)) / models**2
    assert expected_error(variance, covariance, models) == pytest.approx(expected, abs=1e-12)


def test_one_model_has_its_own_error_and_many_alike_no_less():
    assert expected_error(2.0, 0.5, 1) == 2
    assert expected_error(2.0, 2.0, 7) == pytest.approx(2)
    assert expected_error(2.0, 0.0, 4) == 0.5


def test_an_ensemble_averages_probabilities_and_not_scores():
    torch.manual_seed(0)
    models = [torch.nn.Linear(3, 4).double().requires_grad_(False) for _ in range(3)]
    x = torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    expected = sum(model(x).softmax(-1) for model in models) / 3
    torch.testing.assert_close(Ensemble(models)(x), expected, rtol=0, atol=1e-15)
    scores = (sum(model(x) for model in models) / 3).softmax(-1)
    assert float((expected - scores).abs().max()) > 1e-3


def test_gradients_reach_every_model():
    probabilities = shares(3, 2, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(average(probabilities)[0, 0], probabilities)
    expected = torch.zeros_like(gradient)
    expected[:, 0, 0] = 1 / 3
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("value", [-0.1, 1.5, math.nan])
def test_what_is_no_probability_is_refused(value):
    given_ = torch.tensor([[value, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match=f"need probabilities from 0 to 1, not scores: {value}"):
        average(given_)


def test_probabilities_that_do_not_sum_to_1_are_refused():
    with pytest.raises(ValueError, match=r"need probabilities that sum to 1: 0\.8"):
        average(torch.tensor([[0.5, 0.3], [0.5, 0.5]]))


@pytest.mark.parametrize("shape", [(0, 2), (3,), (2, 0)])
def test_no_models_are_refused(shape):
    with pytest.raises(ValueError, match="at least one model"):
        average(torch.zeros(shape))
    with pytest.raises(ValueError, match="at least one model"):
        vote(torch.zeros((0, 3), dtype=torch.int64), 2)
    with pytest.raises(ValueError, match="at least one model"):
        Ensemble([])


@pytest.mark.parametrize("named", [-1, 3])
def test_a_vote_for_no_class_is_refused(named):
    with pytest.raises(ValueError, match="need classes 0 to 2"):
        vote(torch.tensor([[named, 1]]), 3)


@pytest.mark.parametrize("call", [bootstrap, distinct_share])
@pytest.mark.parametrize(("count", "size"), [(0, None), (-1, None), (3, 0)])
def test_no_cases_are_refused(call, count, size):
    with pytest.raises(ValueError, match=f"one case to draw from, and one to draw: {count}, "):
        call(count, size)


@pytest.mark.parametrize(("variance", "covariance", "models"), [(1, 1.1, 2), (1, -0.6, 3), (1, math.nan, 2)])
def test_a_covariance_that_no_errors_have_is_refused(variance, covariance, models):
    with pytest.raises(ValueError, match=f"no {models} errors of variance 1 have a covariance of {covariance}"):
        expected_error(variance, covariance, models)


@pytest.mark.parametrize(("variance", "models"), [(-1, 2), (math.nan, 2), (1, 0)])
def test_a_negative_variance_or_no_model_is_refused(variance, models):
    with pytest.raises(ValueError, match="need at least one model, and a variance of at least 0"):
        expected_error(variance, 0, models)


def test_another_bootstrap_must_draw_with_replacement():
    assert check("bagging", numbers="distinct", bootstrap=lambda n: torch.randint(n, (n,)))
    with pytest.raises(ContractError, match="a permutation"):
        check_bootstrap(torch.randperm)
    with pytest.raises(ContractError, match=r"returned torch.float32, not 1000 whole numbers"):
        check_bootstrap(torch.rand)
    with pytest.raises(ContractError, match="drew cases [12] to 1000 of 0 to 999"):
        check_bootstrap(lambda n: torch.cat([torch.randint(1, n, (n - 1,)), torch.tensor([n])]))
