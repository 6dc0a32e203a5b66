"""PReLU: Eqs. 1 to 3 as loops, torch's function and layer, gradients of every order, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.prelu import PReLU, prelu

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 4)
HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def as_printed(x, slopes, upstream):
    """Eq. 1 value by value; Eq. 2's sum of Eq. 3 for each slope."""
    y, to_slopes = torch.empty_like(x), [0.0] * len(slopes)
    for n, c, i in torch.cartesian_prod(*(torch.arange(side) for side in x.shape)).reshape(-1, 3).tolist():
        value, which = x[n, c, i].item(), c if len(slopes) > 1 else 0
        y[n, c, i] = value if value > 0 else slopes[which] * value
        to_slopes[which] += upstream[n, c, i].item() * (0 if value > 0 else value)
    return y, torch.tensor(to_slopes, dtype=x.dtype)


@few
@given(sides, sides, sides, st.booleans())
def test_output_and_slopes_gradients_are_the_equations_as_printed(batch, channels, places, shared):
    x, upstream = noise(batch, channels, places), noise(batch, channels, places, seed=1)
    a = noise(1 if shared else channels, seed=2).requires_grad_()
    y = prelu(x, a)
    expected, to_slopes = as_printed(x, a.tolist(), upstream)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-15)
    (found,) = torch.autograd.grad(y, a, upstream)
    torch.testing.assert_close(found, to_slopes, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (3,), (5, 3), (2, 3, 4), (2, 3, 4, 2), (0, 3)])
@pytest.mark.parametrize("shared", [False, True])
def test_torchs_function_agrees_in_every_shape_and_dtype(shape, shared, dtype):
    slopes = shape[1] if len(shape) > 1 and not shared else 1
    results = []
    for function in (prelu, torch.nn.functional.prelu):
        x, a = noise(*shape).to(dtype).requires_grad_(), noise(slopes, seed=1).to(dtype).requires_grad_()
        y = function(x, a)
        results.append((y, *torch.autograd.grad(y, (x, a), noise(*shape, seed=2).to(dtype))))
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.float16: 1e-2, torch.bfloat16: 1e-1}[dtype]
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


@HALVES
def test_half_types_are_computed_in_float32_and_rounded_once(dtype):
    x, a = noise(4, 3, 5).to(dtype), noise(3).to(dtype)
    torch.testing.assert_close(prelu(x, a), prelu(x.float(), a.float()).to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_of_first_and_second_order_and_in_forward_mode(shared):
    leaves = [noise(2, 3, 2).requires_grad_(), noise(1 if shared else 3).requires_grad_()]
    assert torch.autograd.gradcheck(prelu, leaves, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(prelu, leaves)


def test_at_zero_the_gradient_is_the_slope_and_the_slopes_gradient_is_zero():
    x, a = torch.zeros(1, 1, requires_grad=True), torch.full((1,), 0.3, requires_grad=True)
    prelu(x, a).sum().backward()
    assert (x.grad.item(), a.grad.item()) == (pytest.approx(0.3), 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("slope", [0.0, 0.25, -1.0])
def test_nan_and_infinity_give_what_torch_gives_also_in_the_slopes_gradients(bad, slope):
    results = []
    for function in (prelu, torch.nn.functional.prelu):
        x = torch.tensor([[1.0, bad, -2.0]], requires_grad=True)
        a = torch.full((3,), slope, requires_grad=True)
        y = function(x, a)
        results.append((y.detach(), *torch.autograd.grad(y.sum(), (x, a))))
    if math.isnan(bad):  # a gradient at NaN has no meaning
        results = [(y, to_x[:, [0, 2]], to_a) for y, to_x, to_a in results]
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def test_a_slope_of_one_changes_nothing_and_of_minus_one_is_the_magnitude():
    x = noise(3, 2, 4)
    torch.testing.assert_close(prelu(x, torch.ones(2).double()), x, rtol=0, atol=0)
    torch.testing.assert_close(prelu(x, -torch.ones(1).double()), x.abs(), rtol=0, atol=0)


def test_the_slope_that_the_target_has_is_learned_also_one_below_zero():
    x, layer = noise(256, 1), PReLU(dtype=torch.float64)
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(100):
        optimiser.zero_grad()
        (layer(x) - torch.where(x > 0, x, -0.6 * x)).square().mean().backward()
        optimiser.step()
    assert layer.weight.item() == pytest.approx(-0.6, abs=1e-9)


@pytest.mark.parametrize("channels", [1, 5])
def test_the_layer_is_torchs_and_takes_its_state_dictionary(channels):
    ours, theirs = PReLU(channels), torch.nn.PReLU(channels)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=0)
    with torch.no_grad():
        theirs.weight += noise(channels)
    ours.load_state_dict(theirs.state_dict())
    x = noise(4, 5, 3).float()
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-7)
    assert repr(ours) == repr(theirs)


def test_under_autocast_the_slopes_follow_the_map():
    layer, x = PReLU(2), torch.ones(1, 2, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(-x).tolist() == [[-0.25, -0.25]]


@pytest.mark.parametrize(("shape", "slopes"), [((2, 3), (2,)), ((3,), (3,)), ((2, 3), (1, 3)), ((2, 3), (0,))])
def test_slopes_of_another_shape_are_refused(shape, slopes):
    with pytest.raises(ValueError, match=r"need weight \(C\) or \(1\), for \d channels: "):
        prelu(torch.zeros(shape), torch.zeros(slopes))


def test_dtypes_and_devices_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="need a floating-point dtype, convert first: torch.int64"):
        prelu(torch.ones(2, 2, dtype=torch.int64), torch.ones(2))
    with pytest.raises(TypeError, match="need weight as x, torch.float32 on cpu: torch.float64 on cpu"):
        prelu(torch.ones(2, 2), torch.ones(2).double())
    with pytest.raises(TypeError, match="on meta"):
        prelu(torch.ones(2, 2), torch.ones(2, device="meta"))


def test_a_layer_without_slopes_is_refused():
    with pytest.raises(ValueError, match="need num_parameters of at least 1: 0"):
        PReLU(0)


def test_torchs_function_meets_the_contract_and_the_numbers():
    assert check("prelu", numbers="*slope_gradient", prelu="torch.nn.functional:prelu")
