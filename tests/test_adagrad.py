"""adagrad: the equations as loops, torch's optimiser, a closed form, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.optim.adagrad import Adagrad
from tests.walks import check_refusals, combinations, slope, start, walk

few = settings(deadline=None, max_examples=20, derandomize=True)
OPTIONS = combinations(
    lr_decay=[0, 0.1], weight_decay=[0, 0.1], initial_accumulator_value=[0, 0.5], eps=[1e-10, 0.1], maximize=[0, 1]
)


@few
@given(st.floats(0.01, 1), st.floats(0, 0.5), st.floats(0, 1), st.floats(1e-8, 0.1), st.floats(0, 0.2))
def test_it_is_the_equations_as_loops(lr, lr_decay, first, eps, decay):
    w, total, path = start().tolist(), [first] * 5, []
    for t in range(20):
        g = [a + decay * b for a, b in zip(slope(w), w, strict=True)]
        total = [a + b * b for a, b in zip(total, g, strict=True)]
        rate = lr / (1 + t * lr_decay)
        w = [a - rate * b / (math.sqrt(c) + eps) for a, b, c in zip(w, g, total, strict=True)]
        path.append(w)
    options = {"lr_decay": lr_decay, "initial_accumulator_value": first, "eps": eps, "weight_decay": decay}
    ours = walk(Adagrad, 20, {"lr": lr, **options})
    torch.testing.assert_close(ours, torch.tensor(path, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_optimiser_walks_the_same_way(options):
    options = {"lr": 0.1, **options}
    torch.testing.assert_close(walk(Adagrad, 50, options), walk(torch.optim.Adagrad, 50, options), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gradient", [1e-3, 1.0, -1e5])
def test_step_t_of_equal_gradients_is_lr_over_the_root_of_t(gradient):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    made, before = Adagrad([w], lr=0.1, eps=0.0), 0.0
    for t in range(1, 10):
        w.grad = torch.full_like(w, gradient)
        made.step()
        assert w.item() - before == pytest.approx(-math.copysign(0.1 / math.sqrt(t), gradient), abs=1e-14)
        before = w.item()


def test_options_out_of_range_and_gradients_that_are_not_finite_are_refused():
    check_refusals(Adagrad)
    for name in ("lr_decay", "initial_accumulator_value", "eps"):
        with pytest.raises(ValueError, match=f"{name} must be 0 or more, and finite: -1"):
            Adagrad([torch.zeros(1, requires_grad=True)], **{name: -1})
