"""Batch normalisation: the algorithms as loops, torch's layer, gradients of every path, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.harness.errors import ContractError
from dmbench.layers.batch_norm import BatchNorm1d, BatchNorm2d, batch_norm, fold
from dmbench.layers.kernels import batch_norm_function as kernel

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 4)
PATHS = pytest.mark.parametrize("canonical", [False, True])
LAYOUTS = ("contiguous", "channels last", "transposed")


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def laid(x, layout):
    if layout == "channels last":
        return x.to(memory_format=torch.channels_last)
    return x.transpose(0, 3).contiguous().transpose(0, 3) if layout == "transposed" else x.contiguous()


def as_printed(x, weight, bias, eps):
    """Algorithm 1 value by value; the mean and variance of each channel beside."""
    y, means, variances = torch.empty_like(x), [], []
    for c in range(x.shape[1]):
        values = x[:, c].flatten().tolist()
        m = len(values)
        mean = sum(values) / m
        var = sum((value - mean) ** 2 for value in values) / m
        normalised = [(value - mean) / math.sqrt(var + eps) for value in values]
        scaled = [weight[c].item() * value + bias[c].item() for value in normalised]
        y[:, c] = torch.tensor(scaled, dtype=x.dtype).view_as(y[:, c])
        means.append(mean)
        variances.append(var)
    return y, torch.tensor(means, dtype=x.dtype), torch.tensor(variances, dtype=x.dtype)


def gradients_as_printed(dy, x, weight, eps):
    """The six equations of section 3, value by value."""
    dx, d_weight, d_bias = torch.empty_like(x), [], []
    for c in range(x.shape[1]):
        values, given = x[:, c].flatten().tolist(), dy[:, c].flatten().tolist()
        pairs = list(zip(values, given, strict=True))
        m = len(values)
        mean = sum(values) / m
        var = sum((value - mean) ** 2 for value in values) / m
        d_hat = [weight[c].item() * g for g in given]
        d_var = sum(d * (v - mean) for d, v in zip(d_hat, values, strict=True)) * -0.5 * (var + eps) ** -1.5
        d_mean = sum(d * -1 / math.sqrt(var + eps) for d in d_hat) + d_var * sum(-2 * (v - mean) for v in values) / m
        one = [
            d / math.sqrt(var + eps) + d_var * 2 * (v - mean) / m + d_mean / m
            for d, v in zip(d_hat, values, strict=True)
        ]
        dx[:, c] = torch.tensor(one, dtype=x.dtype).view_as(dx[:, c])
        d_weight.append(sum(g * (v - mean) / math.sqrt(var + eps) for v, g in pairs))
        d_bias.append(sum(given))
    return dx, torch.tensor(d_weight, dtype=x.dtype), torch.tensor(d_bias, dtype=x.dtype)


@PATHS
@pytest.mark.parametrize("layout", LAYOUTS)
@few
@given(st.integers(2, 4), sides, sides, sides, st.integers(1, 200))
def test_training_is_algorithm_1_and_its_six_gradients_value_by_value(layout, canonical, n, c, h, w, block):
    x = laid(noise(n, c, h, w) * 2 + 3, layout).requires_grad_()
    weight, bias = (noise(c, seed=seed).requires_grad_() for seed in (1, 2))
    dy, before = laid(noise(n, c, h, w, seed=3), layout), kernel.BLOCK
    kernel.BLOCK = block  # bytes: so that channels are taken one at a time, and together
    try:
        y = batch_norm(x, None, None, weight, bias, True, eps=0.1, canonical=canonical)
        found = torch.autograd.grad(y, (x, weight, bias), dy)
    finally:
        kernel.BLOCK = before
    torch.testing.assert_close(y, as_printed(x, weight, bias, 0.1)[0], rtol=0, atol=1e-13)
    for one, expected in zip(found, gradients_as_printed(dy, x, weight, 0.1), strict=True):
        torch.testing.assert_close(one, expected, rtol=0, atol=1e-13)


@PATHS
def test_algorithm_2_the_running_statistics_take_the_unbiased_variance(canonical):
    x = noise(3, 2, 2, 2)
    mean, var = noise(2, seed=1), noise(2, seed=2).abs()
    _, batch_mean, batch_var = as_printed(x, torch.ones(2), torch.zeros(2), 0.1)
    expected = 0.7 * mean + 0.3 * batch_mean, 0.7 * var + 0.3 * batch_var * 12 / 11
    batch_norm(x, mean, var, training=True, momentum=0.3, canonical=canonical)
    torch.testing.assert_close(mean, expected[0], rtol=0, atol=1e-15)
    torch.testing.assert_close(var, expected[1], rtol=0, atol=1e-15)


@PATHS
def test_inference_normalises_by_the_running_statistics_and_leaves_them(canonical):
    x, mean, var = noise(3, 2, 2, 2), noise(2, seed=1), noise(2, seed=2).abs()
    weight, bias, kept = noise(2, seed=3), noise(2, seed=4), (mean.clone(), var.clone())
    y = batch_norm(x, mean, var, weight, bias, eps=0.1, canonical=canonical)
    for n, c, i, j in torch.cartesian_prod(*(torch.arange(side) for side in x.shape)).tolist():
        exact = weight[c] * (x[n, c, i, j] - mean[c]) / math.sqrt(var[c] + 0.1) + bias[c]
        torch.testing.assert_close(y[n, c, i, j], exact, rtol=0, atol=1e-14)
    torch.testing.assert_close((mean, var), kept, rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_torchs_function_agrees_in_every_layout_and_dtype(layout, dtype):
    tolerance = {torch.float64: 1e-13, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 4e-2}[dtype]
    parameters = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    results = []
    for function in (batch_norm, torch.nn.functional.batch_norm):
        x = laid((noise(4, 6, 5, 3) + 1).to(dtype), layout).requires_grad_()
        weight, bias = ((noise(6, seed=s) + 1).to(parameters).requires_grad_() for s in (1, 2))
        mean, var = torch.zeros(6, dtype=parameters), torch.ones(6, dtype=parameters)
        y = function(x, mean, var, weight, bias, True)
        results.append((y, *torch.autograd.grad(y, (x, weight, bias), noise(4, 6, 5, 3, seed=9).to(dtype)), mean, var))
        assert y.dtype == dtype
        assert y.is_contiguous(memory_format=torch.channels_last) == (layout == "channels last")
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * float(theirs.detach().abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32_and_rounded_once(dtype):
    x, weight, bias = (t.to(dtype) for t in (noise(4, 3, 5, 5) + 9, noise(3, seed=1), noise(3, seed=2)))
    mean, var = torch.zeros(2, 3, dtype=dtype)
    exact_mean, exact_var = torch.zeros(2, 3)
    y = batch_norm(x, mean, var, weight, bias, True, 0.3)
    exact = batch_norm(x.float(), exact_mean, exact_var, weight.float(), bias.float(), True, 0.3)
    torch.testing.assert_close(
        (y, mean, var), tuple(t.to(dtype) for t in (exact, exact_mean, exact_var)), rtol=0, atol=0
    )
    y = batch_norm(x, mean, var, weight, bias)
    exact = batch_norm(x.float(), mean.float(), var.float(), weight.float(), bias.float())
    torch.testing.assert_close(y, exact.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}])
@pytest.mark.parametrize(
    ("build", "shape"), [(BatchNorm1d, (5, 3)), (BatchNorm1d, (5, 3, 4)), (BatchNorm2d, (2, 3, 4, 5))]
)
def test_the_layer_is_torchs_through_training_and_after(build, shape, options):
    ours, theirs = build(3, **options).double(), getattr(torch.nn, build.__name__)(3, **options).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += noise(3)
    ours.load_state_dict(theirs.state_dict())
    for step in range(3):
        mine, his = ours(noise(*shape, seed=step)), theirs(noise(*shape, seed=step))
        torch.testing.assert_close(mine, his, rtol=0, atol=1e-13)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-14)
    mine, his = ours.eval()(noise(*shape, seed=9)), theirs.eval()(noise(*shape, seed=9))
    torch.testing.assert_close(mine, his, rtol=0, atol=1e-13)


@PATHS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients_of_first_and_second_order_and_in_forward_mode(canonical, layout, affine):
    tensors = [laid(noise(3, 2, 2, 2), layout), *([noise(2, seed=1), noise(2, seed=2)] if affine else [])]
    tensors = [t.requires_grad_() for t in tensors]

    def run(x, weight=None, bias=None):
        return batch_norm(x, None, None, weight, bias, True, canonical=canonical)

    assert torch.autograd.gradcheck(run, tensors, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("asked", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_the_gradients_that_are_asked_for_come(asked):
    tensors = [t.requires_grad_(want) for t, want in zip((noise(3, 2, 2, 2), noise(2), noise(2)), asked, strict=True)]
    batch_norm(tensors[0], None, None, *tensors[1:], True).square().sum().backward()
    assert tuple(t.grad is not None for t in tensors) == asked


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_result_may_be_changed_in_place_as_by_a_relu_behind_it(layout):
    x, other = noise(3, 4, 5, 6), noise(3, 4, 5, 6)
    found, expected = (laid(t, layout).requires_grad_() for t in (x, x.clone()))
    batch_norm(found, training=True).relu_().mul(other).sum().backward()
    torch.relu(batch_norm(expected, training=True)).mul(other).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=0)


def test_torch_func_and_torch_compile_give_the_same():
    x, weight, bias = noise(3, 2, 2, 2), noise(2, seed=1), noise(2, seed=2)
    gradient = torch.func.grad(lambda x: batch_norm(x, None, None, weight, bias, True).pow(3).sum())(x)
    leaf = x.clone().requires_grad_()
    batch_norm(leaf, None, None, weight, bias, True).pow(3).sum().backward()
    torch.testing.assert_close(gradient, leaf.grad, rtol=0, atol=1e-13)
    compiled = torch.compile(batch_norm, backend="eager", fullgraph=True)
    torch.testing.assert_close(
        compiled(x, None, None, weight, bias, True), batch_norm(x, None, None, weight, bias, True)
    )


def test_saved_for_the_backward_pass_is_the_input_alone():
    x, weight, bias = noise(4, 3, 5, 5).requires_grad_(), noise(3), noise(3)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        batch_norm(x, None, None, weight, bias, True)
    assert sum(size for size in sizes if size > 3) == x.numel()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mean_a_thousand_times_the_deviation_costs_no_more_than_in_torch(layout):
    x = laid(noise(8, 2, 16, 16), layout)
    exact = batch_norm(x, None, None, training=True)
    found = [
        (function((x + 1000).float(), None, None, training=True) - exact).abs().max()
        for function in (batch_norm, torch.nn.functional.batch_norm)
    ]
    assert found[0] < 1.5 * found[1] + 1e-6


def test_a_convolution_with_its_normalisation_folded_in_is_both():
    conv, norm = torch.nn.Conv2d(3, 4, 3, groups=1).double(), BatchNorm2d(4).double()
    with torch.no_grad():
        norm.weight += noise(4)
        norm.bias += noise(4, seed=1)
    norm(conv(noise(5, 3, 6, 6)))
    norm.eval()
    x = noise(2, 3, 6, 6, seed=5)
    for bias in (conv.bias, None):
        both = norm(torch.nn.functional.conv2d(x, conv.weight, bias))
        folded = fold(conv.weight, bias, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps)
        torch.testing.assert_close(torch.nn.functional.conv2d(x, *folded), both, rtol=0, atol=1e-14)
    plain = fold(conv.weight.flatten(1), None, norm.running_mean, norm.running_var)
    rows = noise(2, 27)
    torch.testing.assert_close(
        rows @ plain[0].T + plain[1],
        batch_norm(rows @ conv.weight.flatten(1).T, norm.running_mean, norm.running_var),
        rtol=0,
        atol=1e-14,
    )


def test_a_flat_channel_becomes_its_bias_without_a_division_by_zero():
    y = batch_norm(torch.full((2, 1, 3, 3), 7.0), None, None, torch.ones(1), torch.full((1,), 0.5), True)
    torch.testing.assert_close(y, torch.full((2, 1, 3, 3), 0.5), rtol=0, atol=0)


@PATHS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_flat_channel_has_finite_gradients_and_leaves_the_others_alone(canonical, layout):
    x = noise(3, 2, 2, 2)
    x[:, 0] = 7.0
    x, upstream = laid(x, layout).requires_grad_(), noise(3, 2, 2, 2, seed=4)
    weight, bias = (noise(2, seed=seed).requires_grad_() for seed in (1, 2))
    y = batch_norm(x, None, None, weight, bias, True, canonical=canonical)
    found = torch.autograd.grad(y, (x, weight, bias), upstream)
    for one, exact in zip(found, gradients_as_printed(upstream, x, weight, 1e-5), strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, exact, rtol=0, atol=1e-11)  # a flat channel's are 1 / sqrt(eps) times larger


@PATHS
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_stay_in_their_channel_as_in_torch(canonical, bad):
    x = noise(2, 3, 2, 2)
    x[0, 1, 0, 0] = bad
    stats = [(torch.zeros(3).double(), torch.ones(3).double()) for _ in range(2)]
    ours = batch_norm(x, *stats[0], training=True, canonical=canonical)
    theirs = torch.nn.functional.batch_norm(x, *stats[1], training=True)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14, equal_nan=True)
    torch.testing.assert_close(*stats, rtol=0, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("shape", [(0, 3, 2, 2), (2, 3, 0, 2), (0, 3)])
def test_an_empty_batch_gives_an_empty_result_and_moves_no_statistics(shape):
    x, weight = torch.zeros(shape, requires_grad=True), torch.ones(3, requires_grad=True)
    mean, var = torch.full((3,), 2.0), torch.full((3,), 3.0)
    y = batch_norm(x, mean, var, weight, None, training=True)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
    torch.testing.assert_close((mean, var, weight.grad), (torch.full((3,), 2.0), torch.full((3,), 3.0), torch.zeros(3)))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_one_value_a_channel_has_no_variance_in_training(shape):
    with pytest.raises(ValueError, match="more than one value a channel in training"):
        batch_norm(torch.ones(shape), training=True)
    assert batch_norm(torch.ones(shape), torch.zeros(3), torch.ones(3)).shape == shape


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": torch.ones(4)}, r"need input \(N, C, ...\): \(4,\)"),
        ({"running_mean": torch.zeros(2)}, r"need running_mean and running_var, both"),
        ({}, r"need running_mean and running_var, both; or neither and training=True"),
        ({"training": True, "weight": torch.ones(3)}, r"need weight of shape \(2,\): \(3,\)"),
        ({"training": True, "eps": 0.0}, "need eps above 0 and momentum from 0 to 1: 0.0, 0.1"),
        ({"training": True, "momentum": 1.5}, "momentum from 0 to 1: 1e-05, 1.5"),
        ({"training": True, "eps": math.nan}, "need eps above 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(given, message):
    with pytest.raises(ValueError, match=message):
        batch_norm(**{"input": torch.ones(4, 2), **given})


def test_dtypes_and_devices_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="need a floating-point input, convert first: torch.int64"):
        batch_norm(torch.ones(4, 2, dtype=torch.int64), training=True)
    with pytest.raises(TypeError, match="need weight as the input, torch.float32 on cpu"):
        batch_norm(torch.ones(4, 2), weight=torch.ones(2).double(), training=True)
    with pytest.raises(TypeError, match="on meta"):
        batch_norm(torch.ones(4, 2), weight=torch.ones(2, device="meta"), training=True)


def test_layers_refuse_what_they_are_not_for():
    with pytest.raises(ValueError, match="need num_features of at least 1: 0"):
        BatchNorm1d(0)
    with pytest.raises(ValueError, match=r"need 4 dimensions: \(2, 3\)"):
        BatchNorm2d(3)(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"need 2 or 3 dimensions: \(2, 3, 4, 5\)"):
        BatchNorm1d(3)(torch.ones(2, 3, 4, 5))
    with pytest.raises(ValueError, match=r"need statistics of 4 channels: \(3,\)"):
        fold(torch.ones(4, 2), None, torch.zeros(3), torch.ones(3))


def test_peers_and_only_what_keeps_the_contract_are_measured():
    from dmbench.experiments.batch_norm import BATCH_NORM

    assert check("batch_norm", numbers="difference_float64", batch_norm="dmbench.peers.batch_norm:torch_nn")
    assert check("batch_norm", numbers="folded_convolution", fold="dmbench.peers.batch_norm:torch_nn_fold")
    with pytest.raises(ContractError, match="returned"):
        BATCH_NORM.check(lambda x, *rest: x[:1])
