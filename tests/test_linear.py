"""linear: the definition as loops, torch's function, gradients, limits, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.linear import Linear, linear

few = settings(deadline=None, max_examples=20, derandomize=True)


def noise(*shape):
    generator = torch.Generator().manual_seed(len(shape) + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_it_is_the_definition_as_loops(rows, inputs, outputs, biased):
    x, weight, bias = noise(rows, inputs), noise(outputs, inputs), noise(outputs)
    actual = linear(x, weight, bias if biased else None)
    for n in range(rows):
        for o in range(outputs):
            total = sum(x[n, i].item() * weight[o, i].item() for i in range(inputs)) + biased * bias[o].item()
            assert actual[n, o].item() == pytest.approx(total, abs=1e-14)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3), (2, 0, 3)])
@pytest.mark.parametrize("biased", [False, True])
def test_torchs_function_agrees_in_any_number_of_dimensions(shape, biased):
    x, weight, bias = noise(*shape), noise(6, 3), noise(6) if biased else None
    torch.testing.assert_close(linear(x, weight, bias), torch.nn.functional.linear(x, weight, bias), rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients():
    leaves = [one.requires_grad_() for one in (noise(2, 2, 3), noise(4, 3), noise(4))]
    assert torch.autograd.gradcheck(linear, leaves, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(linear, leaves)


def test_no_inputs_leave_the_bias():
    bias = noise(4)
    torch.testing.assert_close(linear(torch.zeros(2, 0).double(), torch.zeros(4, 0).double(), bias), bias.repeat(2, 1))


def test_the_identity_changes_nothing():
    x = noise(5, 4)
    torch.testing.assert_close(linear(x, torch.eye(4).double()), x, rtol=0, atol=0)


@pytest.mark.parametrize("bias", [False, True])
def test_the_module_takes_torchs_state_dictionary_and_draws_within_its_bounds(bias):
    torch.manual_seed(0)
    ours, theirs = Linear(25, 8, bias=bias), torch.nn.Linear(25, 8, bias=bias)
    assert 0.18 < max(parameter.abs().max().item() for parameter in ours.parameters()) <= 0.2
    ours.load_state_dict(theirs.state_dict())
    x = noise(3, 25).float()
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("x", "weight"), [((2, 3), (4, 2)), ((3,), (3,)), ((), (4, 1))])
def test_shapes_that_do_not_fit_are_refused(x, weight):
    with pytest.raises(ValueError, match=r"need x \(\.\.\., I\) and weight \(O, I\)"):
        linear(torch.zeros(x), torch.zeros(weight))


def test_a_bias_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"need a bias of shape \(4,\): \(1,\)"):
        linear(noise(2, 3), noise(4, 3), noise(1))


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.int64, torch.int64)])
def test_dtypes_that_differ_or_are_not_floating_are_refused(dtypes):
    with pytest.raises(TypeError, match="need one floating-point dtype"):
        linear(torch.ones(2, 3, dtype=dtypes[0]), torch.ones(4, 3, dtype=dtypes[1]))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_a_module_without_inputs_or_outputs_is_refused(sizes):
    with pytest.raises(ValueError, match=f"at least one input and output: {sizes[0]}, {sizes[1]}"):
        Linear(*sizes)


def test_torchs_function_meets_the_contract():
    assert check("linear", numbers="converted*", linear="torch.nn.functional:linear")
