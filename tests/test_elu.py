"""ELU: the definition as a loop, torch's function, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.elu import ELU, elu
from tests import activations
from tests.activations import noise

few = settings(deadline=None, max_examples=20, derandomize=True)


@few
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(0.01, 3))
def test_it_is_the_definition_value_by_value(values, alpha):
    x = torch.tensor(values, dtype=torch.float64)
    expected = [value if value > 0 else alpha * math.expm1(value) for value in values]
    assert elu(x, alpha).tolist() == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("dtype", activations.TOLERANCES)
@pytest.mark.parametrize("alpha", [1.0, 0.3, 2.0])
def test_torchs_function_agrees_in_every_shape_and_dtype(alpha, dtype):
    activations.agrees(lambda x: elu(x, alpha), lambda x: torch.nn.functional.elu(x, alpha), dtype)


def test_zero_large_values_infinity_and_nan_give_what_torch_gives():
    activations.agrees_at_the_edges(elu, torch.nn.functional.elu)


def test_half_types_are_computed_in_float32_and_rounded_once():
    activations.rounds_once(lambda x: elu(x, 0.3))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_of_first_and_second_order_and_in_forward_mode():
    activations.has_gradients(lambda x: elu(x, 0.7))


def test_in_place_gives_the_same_and_the_same_gradient():
    activations.works_in_place(elu)


def test_compile_and_func_give_the_same():
    activations.compiles_and_transforms(elu)


def test_whole_numbers_are_refused():
    activations.refuses_whole_numbers(elu)


def test_at_zero_the_slope_is_alpha_and_far_below_it_is_saturated():
    x = torch.tensor([0.0, -1e4], dtype=torch.float64, requires_grad=True)
    y = elu(x, 0.5)
    assert y.tolist() == [0, -0.5]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [0.5, 0]


def test_small_values_keep_all_their_digits():
    x = torch.tensor([-1e-12, -1e-300], dtype=torch.float64)
    torch.testing.assert_close(elu(x), x, rtol=1e-12, atol=0)


def test_the_layer_is_torchs_also_in_place():
    x = noise(4, 3)
    expected = torch.nn.ELU(0.4)(x)
    torch.testing.assert_close(ELU(0.4)(x), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(ELU(0.4, inplace=True)(x), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_an_alpha_that_is_not_above_0_is_refused(bad):
    with pytest.raises(ValueError, match=f"need alpha above 0: {bad}"):
        elu(torch.ones(2), bad)


def test_torchs_function_meets_the_contract():
    assert check("elu", numbers="derivative", elu="torch.nn.functional:elu")
