"""adam: the equations as loops, torch's optimisers, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.optim.adam import Adam
from tests.walks import check_refusals, combinations, slope, start, walk

few = settings(deadline=None, max_examples=20, derandomize=True)
OPTIONS = combinations(
    betas=[(0.9, 0.999), (0.5, 0.9)],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.1],
    amsgrad=[False, True],
    maximize=[False, True],
    decoupled_weight_decay=[False, True],
)


@few
@given(
    st.floats(0.001, 0.1),
    st.tuples(st.floats(0, 0.95), st.floats(0.5, 0.999)),
    st.floats(1e-6, 0.1),
    st.floats(0, 0.2),
    st.booleans(),
    st.booleans(),
)
def test_it_is_the_equations_as_loops(lr, betas, eps, decay, decoupled, amsgrad):
    w, path = start().tolist(), []
    m, v, largest = [0.0] * 5, [0.0] * 5, [0.0] * 5
    for t in range(1, 21):
        for i, g in enumerate(slope(w)):
            if decoupled:
                w[i] -= lr * decay * w[i]
            else:
                g += decay * path[-1][i] if path else decay * start()[i].item()
            m[i] = betas[0] * m[i] + (1 - betas[0]) * g
            v[i] = betas[1] * v[i] + (1 - betas[1]) * g * g
            largest[i] = max(largest[i], v[i])
            second = (largest[i] if amsgrad else v[i]) / (1 - betas[1] ** t)
            w[i] -= lr * m[i] / (1 - betas[0] ** t) / (math.sqrt(second) + eps)
        path.append(list(w))
    options = {"weight_decay": decay, "decoupled_weight_decay": decoupled, "amsgrad": amsgrad}
    ours = walk(Adam, 20, {"lr": lr, "betas": betas, "eps": eps, **options})
    torch.testing.assert_close(ours, torch.tensor(path, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_torchs_optimiser_walks_the_same_way(options):
    options = {"lr": 0.01, **options}
    torch.testing.assert_close(walk(Adam, 50, options), walk(torch.optim.Adam, 50, options), rtol=0, atol=1e-12)


def test_decoupled_decay_is_torchs_adamw():
    options = {"lr": 0.01, "weight_decay": 0.1}
    ours = walk(Adam, 50, {**options, "decoupled_weight_decay": True})
    torch.testing.assert_close(ours, walk(torch.optim.AdamW, 50, options), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gradient", [1e-3, 1.0, -1e5])
def test_every_step_of_equal_gradients_is_lr(gradient):
    """Both corrections together: without either one the first steps are of another size."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    made = Adam([w], lr=0.1, eps=0.0)
    for t in range(1, 6):
        w.grad = torch.full_like(w, gradient)
        made.step()
        assert w.item() == pytest.approx(-math.copysign(0.1 * t, gradient), abs=1e-12)


def test_options_out_of_range_and_gradients_that_are_not_finite_are_refused():
    check_refusals(Adam)
    w = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match="eps must be 0 or more, and finite: -1"):
        Adam([w], eps=-1)
    for place, betas in enumerate([(1.0, 0.9), (0.9, -0.1)], start=1):
        with pytest.raises(ValueError, match=f"beta{place} must be at least 0 and below 1: "):
            Adam([w], betas=betas)
