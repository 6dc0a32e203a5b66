"""The sigmoid and tanh: the definitions as a loop, torch's functions, values far from 0 and near it, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.sigmoid import Sigmoid, Tanh, scaled_tanh, sigmoid, tanh
from tests import activations
from tests.activations import noise

few = settings(deadline=None, max_examples=20, derandomize=True)
UNITS = {"sigmoid": (sigmoid, torch.sigmoid), "tanh": (tanh, torch.tanh)}
BOTH = pytest.mark.parametrize(("ours", "theirs"), UNITS.values(), ids=UNITS)


@few
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_they_are_the_definitions_value_by_value(values):
    x = torch.tensor(values, dtype=torch.float64)
    for value, s, t, scaled in zip(values, sigmoid(x).tolist(), tanh(x).tolist(), scaled_tanh(x).tolist(), strict=True):
        up, down = math.exp(value), math.exp(-value)
        assert s == pytest.approx(1 / (1 + down), rel=1e-14)
        assert t == pytest.approx((up - down) / (up + down), abs=1e-15)
        assert scaled == pytest.approx(1.7159 * math.tanh(2 * value / 3), rel=1e-14)


@BOTH
@pytest.mark.parametrize("dtype", activations.TOLERANCES)
def test_torchs_function_agrees_in_every_shape_and_dtype(ours, theirs, dtype):
    activations.agrees(ours, theirs, dtype)


@BOTH
def test_zero_large_values_infinity_and_nan_give_what_torch_gives(ours, theirs):
    activations.agrees_at_the_edges(ours, theirs)


@BOTH
def test_half_types_are_computed_in_float32_and_rounded_once(ours, theirs):
    activations.rounds_once(ours)


@BOTH
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_of_first_and_second_order_and_in_forward_mode(ours, theirs):
    activations.has_gradients(ours)


@BOTH
def test_compile_and_func_give_the_same(ours, theirs):
    activations.compiles_and_transforms(ours)


@pytest.mark.parametrize("function", [sigmoid, tanh, scaled_tanh])
def test_whole_numbers_are_refused(function):
    activations.refuses_whole_numbers(function)


def test_small_probabilities_and_small_tangents_keep_all_their_digits():
    x = torch.tensor([-700.0, -300.0, -40.0], dtype=torch.float64)
    torch.testing.assert_close(sigmoid(x), torch.exp(x), rtol=1e-15, atol=0)
    x = torch.tensor([1e-300, -1e-20, 3e-10], dtype=torch.float64)
    torch.testing.assert_close(tanh(x), x, rtol=1e-15, atol=0)


@BOTH
def test_far_from_zero_values_are_exact_and_gradients_vanish_without_nan(ours, theirs):
    x = torch.tensor([-1e4, 1e4, -math.inf, math.inf], requires_grad=True)
    y = ours(x)
    assert y.tolist() == theirs(x).tolist()
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0, 0, 0, 0]


def test_at_zero_the_slopes_are_a_quarter_and_one():
    for unit, slope in ((sigmoid, 0.25), (tanh, 1.0)):
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.grad(unit(x), x)[0].item() == slope


def test_tanh_is_odd_and_the_sigmoid_is_symmetric_about_a_half():
    x = noise(100)
    torch.testing.assert_close(tanh(-x), -tanh(x), rtol=0, atol=0)
    torch.testing.assert_close(sigmoid(-x), 1 - sigmoid(x), rtol=0, atol=1e-15)


def test_the_layers_are_the_functions():
    x = noise(3, 4)
    torch.testing.assert_close((Sigmoid()(x), Tanh()(x)), (sigmoid(x), tanh(x)), rtol=0, atol=0)


def test_torchs_functions_meet_the_contracts():
    assert check("sigmoid", numbers="identity", sigmoid="torch:sigmoid", tanh="torch:tanh")
