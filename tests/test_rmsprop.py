"""rmsprop: the equations as loops, torch's optimiser, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.optim.rmsprop import RMSprop
from tests.walks import check_refusals, combinations, slope, start, walk

few = settings(deadline=None, max_examples=20, derandomize=True)
OPTIONS = combinations(
    alpha=[0.99, 0.5],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.1],
    momentum=[0, 0.9],
    centered=[False, True],
    maximize=[0, 1],
)


@few
@given(st.floats(0.001, 0.1), st.floats(0.5, 0.99), st.floats(1e-3, 0.1), st.floats(0, 0.9), st.booleans())
def test_it_is_the_equations_as_loops(lr, alpha, eps, mu, centred):
    w, path = start().tolist(), []
    n, m, delta = [0.0] * 5, [0.0] * 5, [0.0] * 5
    for _ in range(20):
        for i, g in enumerate(slope(w)):
            n[i] = alpha * n[i] + (1 - alpha) * g * g
            m[i] = alpha * m[i] + (1 - alpha) * g
            spread = n[i] - m[i] ** 2 if centred else n[i]
            delta[i] = mu * delta[i] + g / (math.sqrt(spread) + eps)
            w[i] -= lr * delta[i]
        path.append(list(w))
    ours = walk(RMSprop, 20, {"lr": lr, "alpha": alpha, "eps": eps, "momentum": mu, "centered": centred})
    torch.testing.assert_close(ours, torch.tensor(path, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_optimiser_walks_the_same_way(options):
    options = {"lr": 0.01, **options}
    torch.testing.assert_close(walk(RMSprop, 50, options), walk(torch.optim.RMSprop, 50, options), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gradient", [1e-3, -1e5])
def test_the_first_step_depends_on_the_gradients_sign_alone(gradient):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    made = RMSprop([w], lr=0.1, alpha=0.96, eps=0.0)
    w.grad = torch.full_like(w, gradient)
    made.step()
    assert w.item() == pytest.approx(-math.copysign(0.1 / math.sqrt(1 - 0.96), gradient), abs=1e-14)


def test_without_memory_it_is_the_gradients_sign():
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    made = RMSprop([w], lr=0.1, alpha=0.0, eps=0.0)
    for g in ([3.0, -0.5], [7.0, -9.0]):
        w.grad = torch.tensor(g, dtype=torch.float64)
        made.step()
    torch.testing.assert_close(w.detach(), torch.tensor([-0.2, 0.2], dtype=torch.float64), rtol=0, atol=1e-15)


def test_options_out_of_range_and_gradients_that_are_not_finite_are_refused():
    check_refusals(RMSprop)
    w = torch.zeros(1, requires_grad=True)
    for name in ("eps", "momentum"):
        with pytest.raises(ValueError, match=f"{name} must be 0 or more, and finite: -1"):
            RMSprop([w], **{name: -1})
    with pytest.raises(ValueError, match="alpha must be at least 0 and below 1: 1"):
        RMSprop([w], alpha=1)
