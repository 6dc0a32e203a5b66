"""ReLU and leaky ReLU: the definitions as a loop, torch's functions, limits, dead units, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.kernels.pointwise import negative, positive
from dmbench.layers.relu import LeakyReLU, ReLU, leaky_relu, relu
from tests import activations
from tests.activations import noise

few = settings(deadline=None, max_examples=20, derandomize=True)
UNITS = {"relu": (relu, torch.nn.functional.relu), "leaky_relu": (leaky_relu, torch.nn.functional.leaky_relu)}
BOTH = pytest.mark.parametrize(("ours", "theirs"), UNITS.values(), ids=UNITS)


@few
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(-2, 2))
def test_they_are_the_definitions_value_by_value(values, slope):
    x = torch.tensor(values, dtype=torch.float64)
    assert relu(x).tolist() == [max(0, value) for value in values]
    assert leaky_relu(x, slope).tolist() == [value if value > 0 else slope * value for value in values]


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
def test_in_place_gives_the_same_and_the_same_gradient(ours, theirs):
    activations.works_in_place(ours)


@BOTH
def test_compile_and_func_give_the_same(ours, theirs):
    activations.compiles_and_transforms(ours)


@BOTH
def test_whole_numbers_are_refused(ours, theirs):
    activations.refuses_whole_numbers(ours)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_positive_and_negative_part_make_x_and_share_its_gradient_also_next_to_zero(dtype):
    least = {torch.float32: 2.0**-149, torch.float64: 2.0**-1074}[dtype]
    x = torch.tensor([0.0, -0.0, least, -least, 1.0, -1.0, math.inf, -math.inf], dtype=dtype, requires_grad=True)
    torch.testing.assert_close(positive(x) + negative(x), x, rtol=0, atol=0)
    (above,) = torch.autograd.grad(positive(x).sum(), x)
    (below,) = torch.autograd.grad(negative(x).sum(), x)
    assert above.tolist() == [0, 0, 1, 0, 1, 0, 1, 0]
    assert below.tolist() == [1, 1, 0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(("slope", "expected"), [(0.0, torch.relu), (1.0, lambda x: x), (-1.0, torch.abs)])
def test_slopes_of_0_1_and_minus_1_are_relu_the_identity_and_the_magnitude(slope, expected):
    x = noise(50)
    torch.testing.assert_close(leaky_relu(x, slope), expected(x), rtol=0, atol=0)


def test_a_dead_unit_gets_no_gradient_and_a_leaky_one_a_hundredth():
    x, bias = noise(32, 4), torch.full((1,), -50.0, dtype=torch.float64, requires_grad=True)
    found = [torch.autograd.grad(unit(x.sum(1) + bias).sum(), bias)[0].item() for unit in (relu, leaky_relu)]
    assert found == [0, pytest.approx(32 * 0.01)]


def test_the_layers_are_torchs_also_in_place():
    x = noise(4, 3)
    for ours, theirs in ((ReLU(), torch.nn.ReLU()), (LeakyReLU(0.2), torch.nn.LeakyReLU(0.2))):
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-16)
    y = x.clone()
    assert LeakyReLU(0.2, inplace=True)(y) is y
    torch.testing.assert_close(y, torch.nn.LeakyReLU(0.2)(x), rtol=0, atol=1e-16)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_slope_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=f"need a finite negative_slope: {bad}"):
        leaky_relu(torch.ones(2), bad)


def test_torchs_functions_meet_the_contracts():
    assert check("relu", numbers="equivariance", relu="torch.nn.functional:relu")
    assert check("relu", numbers="leaky_*", leaky_relu="torch.nn.functional:leaky_relu")
