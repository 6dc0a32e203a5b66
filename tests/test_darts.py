"""DARTS: its mixtures, its gradients by finite differences, its discrete cell."""

import pytest
import torch

from dmbench.experiments._darts_subjects import RATE, Problem
from dmbench.experiments.darts import far
from dmbench.nas.darts import MixedCell, SuperNet, architecture_gradient, mixture, strongest
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS


@pytest.fixture
def problem():
    return Problem(torch.device("cpu"))


def given(problem):
    return problem.train, problem.validation, [problem.w], problem.alpha


def test_the_mixture_passes_gradcheck():
    drawn = torch.Generator().manual_seed(0)
    alpha = torch.randn(3, generator=drawn, dtype=torch.float64, requires_grad=True)
    outputs = [torch.randn(2, 4, generator=drawn, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda a, *o: mixture(a.softmax(-1), o), [alpha, *outputs])


def test_the_super_network_passes_gradcheck_in_alpha():
    torch.manual_seed(0)
    net = SuperNet(classes=3, channels=2, cells=1, inputs=1).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)

    def scores(alpha):
        return torch.func.functional_call(net, {"alpha": alpha}, (x,))

    alpha = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(scores, alpha, eps=1e-6, atol=1e-6)


def test_second_order_follows_the_bilevel_loss_downhill(problem):
    before = problem.bilevel(problem.alpha.detach())
    step = 1e-3 * architecture_gradient(*given(problem), RATE, exact=True)
    after = problem.bilevel(problem.alpha.detach() - step)
    assert before - after == pytest.approx(float((step * step / 1e-3).sum()), rel=0.01)


def test_the_papers_difference_is_near_the_exact_second_derivative(problem):
    exact = architecture_gradient(*given(problem), RATE, exact=True)
    first = architecture_gradient(*given(problem))
    assert far(architecture_gradient(*given(problem), RATE), exact) < 1e-3
    assert far(first, exact) > 0.05


@pytest.mark.parametrize("exact", [False, True])
def test_weights_and_gradients_are_left_alone(problem, exact):
    before = problem.w.detach().clone()
    architecture_gradient(*given(problem), RATE, exact=exact)
    assert torch.equal(problem.w, before)
    assert problem.w.grad is None
    assert problem.alpha.grad is None


def test_weights_are_put_back_when_a_loss_fails(problem):
    before, calls = problem.w.detach().clone(), []

    def fails():
        calls.append(None)
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        architecture_gradient(problem.train, fails, [problem.w], problem.alpha, RATE)
    assert calls
    assert torch.equal(problem.w, before)


def test_a_cell_of_one_operation_is_that_of_the_benchmark():
    torch.manual_seed(0)
    cell = MixedCell(4).double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    weights = torch.zeros(len(EDGES), len(OPERATIONS), dtype=torch.float64)
    weights[:, OPERATIONS.index("skip_connect")] = 1
    assert torch.allclose(cell(x, weights), 4 * x, atol=1e-12)  # paths from 0 to 3: one, two by one node, one by both
    weights = weights.roll(-1, 1)  # "none"
    assert torch.equal(cell(x, weights), torch.zeros_like(x))


def test_the_strongest_operations_make_the_cell_and_none_is_never_one():
    alpha = torch.tensor([[9.0, 1, 0, 0, 0], [0, 0, 0, 2, 1], [5, -3, -2, -1, -4]])
    assert strongest(alpha) == ["skip_connect", "nor_conv_3x3", "nor_conv_3x3"]
    assert strongest(alpha.softmax(-1)) == strongest(alpha)


def test_alpha_is_no_weight():
    net = SuperNet(channels=2, cells=1)
    assert len(net.weights()) == len(list(net.parameters())) - 1
    assert all(value is not net.alpha for value in net.weights())
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(problem, rate):
    with pytest.raises(ValueError, match="need a rate of at least 0"):
        architecture_gradient(*given(problem), rate)


def test_a_gradient_that_is_nan_is_an_error(problem):
    with pytest.raises(FloatingPointError, match="is not finite"):
        architecture_gradient(problem.train, lambda: problem.validation() * float("nan"), [problem.w], problem.alpha)


def test_alphas_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"need alpha of shape \(edges, 5\): \(6, 4\)"):
        strongest(torch.zeros(6, 4))
    with pytest.raises(ValueError, match="alpha holds NaN"):
        strongest(torch.full((6, 5), float("nan")))
