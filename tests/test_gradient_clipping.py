"""gradient_clipping: the rules value by value, torch's functions, what is left alone, what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.optim.gradient_clipping import clip_adjustable_, clip_by_norm_, clip_by_value_

few = settings(deadline=None, max_examples=25, derandomize=True)


def weights(*gradients):
    made = []
    for g in gradients:
        w = torch.zeros(len(g), dtype=torch.float64)
        w.grad = torch.tensor(g, dtype=torch.float64)
        made.append(w)
    return made


rows = st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=4), min_size=1, max_size=3)


@few
@given(rows, st.floats(0.1, 10), st.sampled_from([1.0, 2.0, 3.5, math.inf]))
def test_by_norm_is_algorithm_1_value_by_value(gradients, theta, p):
    values = [abs(g) for row in gradients for g in row]
    norm = max(values) if p == math.inf else sum(v**p for v in values) ** (1 / p)
    share = theta / norm if norm >= theta else 1.0
    made = weights(*gradients)
    assert float(clip_by_norm_(made, theta, p)) == pytest.approx(norm, abs=1e-12)
    for w, row in zip(made, gradients, strict=True):
        assert w.grad.tolist() == pytest.approx([share * g for g in row], abs=1e-12)


@few
@given(rows, st.floats(0.1, 10))
def test_by_value_bounds_each_value_alone(gradients, theta):
    made = weights(*gradients)
    clip_by_value_(iter(made), theta)
    for w, row in zip(made, gradients, strict=True):
        assert w.grad.tolist() == [min(max(g, -theta), theta) for g in row]


@pytest.mark.parametrize("theta", [0.1, 1.0, 100.0])
def test_torchs_functions_leave_the_same_but_for_their_1e_6(theta):
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(7, generator=generator, dtype=torch.float64).tolist() for _ in range(3)]
    for ours, theirs in (
        (clip_by_norm_, torch.nn.utils.clip_grad_norm_),
        (clip_by_value_, torch.nn.utils.clip_grad_value_),
    ):
        mine, his = weights(*given), weights(*given)
        results = ours(mine, theta), theirs(his, theta)
        for a, b in zip(mine, his, strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-6, atol=0)
        if ours is clip_by_norm_:
            torch.testing.assert_close(*results, rtol=0, atol=1e-14)


def test_the_bound_on_a_step_is_the_same_at_every_rate():
    for rate in (0.1, 0.001):
        (w,) = weights([-1e6, 0.5, 1e6])
        clip_adjustable_(w, theta=0.01, learning_rate=rate)
        assert (rate * w.grad).tolist() == pytest.approx([-0.01, min(0.5 * rate, 0.01), 0.01], abs=1e-15)


def test_weights_without_a_gradient_are_left_out_and_half_types_keep_their_type():
    w, none = torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2)
    w.grad = torch.tensor([3.0, 4.0], dtype=torch.bfloat16)
    assert float(clip_by_norm_([none, w], 1.0)) == 5
    assert w.grad.dtype == torch.bfloat16
    assert w.grad.tolist() == pytest.approx([0.6, 0.8], abs=0.004)
    assert none.grad is None
    assert float(clip_by_norm_([none], 1.0)) == 0
    clip_by_value_([], 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_not_finite_are_refused_before_anything_is_changed(bad):
    for clip in (clip_by_norm_, clip_by_value_, lambda p, theta: clip_adjustable_(p, theta, 0.1)):
        made = weights([30.0, -40.0], [1.0, bad])
        with pytest.raises(FloatingPointError, match="nothing was clipped; lower the learning rate"):
            clip(made, 0.5)
        assert made[0].grad.tolist() == [30, -40]
    made, his = (weights([30.0, -40.0], [1.0, bad]) for _ in range(2))
    norm = clip_by_norm_(made, 0.5, error_if_nonfinite=False)
    torch.testing.assert_close(norm, torch.nn.utils.clip_grad_norm_(his, 0.5), equal_nan=True)
    torch.testing.assert_close([w.grad for w in made], [w.grad for w in his], equal_nan=True)
    made, his = (weights([1.0, bad]) for _ in range(2))
    clip_by_value_(made, 0.5, error_if_nonfinite=False)
    torch.nn.utils.clip_grad_value_(his, 0.5)
    torch.testing.assert_close(made[0].grad, his[0].grad, equal_nan=True)


def test_a_gradient_of_zero_stays_zero():
    (w,) = weights([0.0, 0.0])
    assert float(clip_by_norm_(w, 1.0)) == 0
    assert w.grad.tolist() == [0, 0]


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_bounds_out_of_range_are_refused(bad):
    for clip in (clip_by_norm_, clip_by_value_):
        with pytest.raises(ValueError, match=f"theta must be above 0, and finite: {bad}"):
            clip([], bad)


@pytest.mark.parametrize(("theta", "rate"), [(0, 0.1), (0.1, 0), (-1, 0.1)])
def test_what_is_not_positive_is_refused(theta, rate):
    with pytest.raises(ValueError, match=f"theta and the learning rate must be positive: {theta}, {rate}"):
        clip_adjustable_([], theta, rate)
    with pytest.raises(ValueError, match="norm_type must be above 0: 0"):
        clip_by_norm_([], 1.0, 0)


def test_torchs_functions_reproduce_the_rules():
    assert check("gradient_clipping", numbers="value_bounded", by_value="torch.nn.utils:clip_grad_value_")
    assert check("gradient_clipping", numbers="difference_torch", by_norm="torch.nn.utils:clip_grad_norm_")
