"""Adversarial training: the step by hand, every corner of the box, closed forms, gradients, limits, bad input."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, softplus

from dmbench import check
from dmbench.experiments._digits_training import Digits
from dmbench.experiments.adversarial_training import Logistic, check_attack, threes_and_sevens
from dmbench.harness.errors import ContractError
from dmbench.regularizers.adversarial_training import adversarial_logistic_loss, adversarial_loss, fast_gradient_sign

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 5)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(count, seed=0):
    return torch.randint(2, (count,), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1


@few
@given(sizes, sizes, st.floats(0, 2))
def test_each_value_moves_by_eps_where_the_loss_grows_by_finite_differences(rows, columns, eps):
    x, weight = noise(rows, columns), noise(columns, seed=1)

    def loss(given):
        return (given @ weight).square().mean()

    moved = fast_gradient_sign(loss, x, eps)
    for i in range(rows):
        for j in range(columns):
            step = torch.zeros_like(x)
            step[i, j] = 1e-6
            slope = (loss(x + step) - loss(x - step)).item()
            assert moved[i, j].item() == pytest.approx(x[i, j].item() + math.copysign(eps, slope), abs=1e-15)


@few
@given(st.integers(1, 7), st.sampled_from([-1.0, 1.0]), st.floats(0.01, 1))
def test_no_corner_of_the_box_is_worse_for_a_linear_score(width, y, eps):
    x, weight = noise(width), noise(width, seed=1)

    def loss(given):
        return softplus(-y * (given @ weight))

    corners = [loss(x + eps * torch.tensor(signs, dtype=x.dtype)).item() for signs in product((-1, 1), repeat=width)]
    assert loss(fast_gradient_sign(loss, x, eps)).item() == pytest.approx(max(corners), abs=1e-13)


def test_the_loss_of_a_network_grows_and_does_not_fall():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Tanh(), torch.nn.Linear(30, 4)).double()
    x, y = noise(10, 20), torch.arange(10) % 4

    def loss(given):
        return cross_entropy(net(given), y)

    assert loss(fast_gradient_sign(loss, x, 0.01)).item() > loss(x).item()


def test_the_step_leaves_parameters_their_gradients_and_x_as_it_was():
    net, x = torch.nn.Linear(3, 2).double(), noise(4, 3).requires_grad_()
    kept = x.detach().clone()
    with torch.no_grad():
        moved = fast_gradient_sign(lambda given: net(given).square().mean(), x)
    assert net.weight.grad is None
    assert x.grad is None
    assert not moved.requires_grad
    torch.testing.assert_close(x.detach(), kept, rtol=0, atol=0)
    assert float((moved - kept).abs().max()) == pytest.approx(0.25)


def test_a_value_without_a_gradient_stays():
    moved = fast_gradient_sign(lambda x: x[0], torch.ones(2), 0.5)
    assert moved.tolist() == [1.5, 1.0]


def test_bounds_clamp_the_result():
    moved = fast_gradient_sign(lambda x: (x * torch.tensor([1.0, -1.0])).sum(), torch.tensor([0.9, 0.5]), bounds=(0, 1))
    assert moved.tolist() == [1.0, 0.25]


@few
@given(st.integers(1, 6), st.integers(1, 5), st.floats(0, 1))
def test_the_closed_form_of_logistic_regression_is_the_attacked_loss_and_its_gradient(rows, inputs, eps):
    x, y = noise(rows, inputs), labels(rows)
    weight, bias = noise(inputs, seed=1).requires_grad_(), noise(1, seed=2)[0].requires_grad_()

    def loss(given):
        return softplus(-y * (given @ weight + bias)).mean()

    by_attack, closed = loss(fast_gradient_sign(loss, x, eps)), adversarial_logistic_loss(weight, bias, x, y, eps)
    assert closed.item() == pytest.approx(by_attack.item(), abs=1e-14)
    expected = sum(
        math.log1p(math.exp(eps * weight.abs().sum().item() - y[n].item() * (x[n] @ weight + bias).item()))
        for n in range(rows)
    )
    assert closed.item() == pytest.approx(expected / rows, abs=1e-13)
    if eps:  # at 0 the kink of |w| does not count, and the attack has no sign
        pairs = zip(*(torch.autograd.grad(value, (weight, bias)) for value in (by_attack, closed)), strict=True)
        for mine, his in pairs:
            torch.testing.assert_close(mine, his, rtol=0, atol=1e-14)


@few
@given(st.floats(0, 1))
def test_the_objective_weighs_both_losses_and_their_gradients_by_alpha(alpha):
    net, x, y = torch.nn.Linear(4, 3).double(), noise(5, 4), torch.arange(5) % 3

    def loss(given):
        return cross_entropy(net(given), y)

    fixed = fast_gradient_sign(loss, x, 0.1)
    expected = alpha * loss(x) + (1 - alpha) * loss(fixed)
    found = adversarial_loss(loss, x, 0.1, alpha)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    pairs = zip(*(torch.autograd.grad(value, list(net.parameters())) for value in (found, expected)), strict=True)
    for mine, his in pairs:
        torch.testing.assert_close(mine, his, rtol=0, atol=1e-15)


def test_at_eps_0_the_objective_is_the_plain_loss():
    x, weight = noise(5, 4), noise(4, seed=1)
    found = adversarial_loss(lambda given: (given @ weight).square().mean(), x, 0)
    torch.testing.assert_close(found, (x @ weight).square().mean(), rtol=0, atol=1e-14)


def test_another_attack_may_take_the_steps_place():
    found = adversarial_loss(lambda x: x.sum(), torch.zeros(3), 0.5, 0.25, attack=lambda loss, x, eps: x + 2 * eps)
    assert found.item() == 0.75 * 3


def test_gradients_of_the_closed_form():
    inputs = [noise(3, seed=1), noise(1, seed=2)[0], noise(4, 3)]
    y = labels(4)
    leaves = [one.requires_grad_() for one in inputs]
    assert torch.autograd.gradcheck(lambda w, b, x: adversarial_logistic_loss(w, b, x, y, 0.1), leaves)


@pytest.mark.parametrize("eps", [-0.1, -1, math.nan])
def test_a_negative_eps_is_refused(eps):
    message = f"need eps of at least 0: {eps}"
    with pytest.raises(ValueError, match=message):
        fast_gradient_sign(lambda x: x.sum(), noise(2), eps)
    with pytest.raises(ValueError, match=message):
        adversarial_logistic_loss(noise(2), noise(1)[0], noise(3, 2), labels(3), eps)


def test_nan_images_are_refused_with_their_count():
    x = noise(2, 5)
    x[0, 1] = x[1, 3] = math.nan
    with pytest.raises(ValueError, match="2 of 10 values of the examples are NaN: remove them first"):
        fast_gradient_sign(lambda given: given.sum(), x)


def test_a_nan_gradient_is_refused():
    with pytest.raises(ValueError, match="2 of 2 values of the loss's gradient are NaN"):
        fast_gradient_sign(lambda x: (x * math.nan).sum(), noise(2))


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"need a loss that is one number: \(3,\)"):
        fast_gradient_sign(lambda x: x.square(), noise(3))


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"need floating-point examples, convert first: torch\.uint8"):
        fast_gradient_sign(lambda x: x.sum(), torch.zeros(2, dtype=torch.uint8))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_an_alpha_outside_0_to_1_is_refused(alpha):
    with pytest.raises(ValueError, match=f"need alpha from 0 to 1: {alpha}"):
        adversarial_loss(lambda x: x.sum(), noise(2), alpha=alpha)


def test_labels_other_than_minus_1_and_1_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"need labels -1 or 1: \[0.0, 1.0\]"):
        adversarial_logistic_loss(noise(2), noise(1)[0], noise(2, 2), torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"need x \(N, I\), weight \(I\), y \(N\): \(2, 3\), \(2,\), \(2,\)"):
        adversarial_logistic_loss(noise(2), noise(1)[0], noise(2, 3), labels(2))


def test_threes_and_sevens_are_chosen_and_labelled():
    found = threes_and_sevens(Digits(torch.arange(6.0), torch.tensor([3, 1, 7, 7, 0, 3])))
    assert (found.images.tolist(), found.labels.tolist()) == ([0, 2, 3, 5], [0, 1, 1, 0])


def test_logistic_regression_as_two_classes_has_the_logistic_loss():
    net, images = Logistic(), noise(3, 1, 28, 28).float()
    with torch.no_grad():
        net.weight.copy_(noise(784, seed=1))
        net.bias.fill_(0.3)
    score = images.flatten(1) @ net.weight + net.bias
    expected = softplus(-score * torch.tensor([1.0, 1.0, -1.0])).mean()
    torch.testing.assert_close(cross_entropy(net(images), torch.tensor([0, 0, 1])), expected)


def test_another_attack_must_step_by_eps():
    assert check("adversarial_training", numbers="activation_growth", attack=fast_gradient_sign)
    with pytest.raises(ContractError, match="moved values by 0.5 to 0.5, not 0.25"):
        check_attack(lambda loss, x, eps: x + 2 * eps)
    with pytest.raises(ContractError, match=r"returned \(2,\), not shape \(2, 3\)"):
        check_attack(lambda loss, x, eps: x[:, 0])
