"""dynamic_filter: the definitions as loops, torch's own functions, gradients, limits, errors, the networks."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d

from dmbench import check
from dmbench.experiments._dynamic_filter import PLANS, Prediction, gaussian_derivatives, steered
from dmbench.experiments.dynamic_filter import CONVOLUTION, LOCAL
from dmbench.harness.device import peak_bytes
from dmbench.harness.errors import ContractError
from dmbench.layers.dynamic_filter import (
    DynamicConv2d,
    DynamicLocalFilter,
    canonical_dynamic_conv2d,
    canonical_dynamic_local_filter,
    dynamic_conv2d,
    dynamic_local_filter,
    normalise,
)
from dmbench.peers.dynamic_filter import torch_nn

few = settings(deadline=None, max_examples=25, derandomize=True)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
FORMS = {5: (dynamic_conv2d, canonical_dynamic_conv2d), 7: (dynamic_local_filter, canonical_dynamic_local_filter)}
LAYER = pytest.mark.parametrize("ndim", [5, 7], ids=["convolution", "local"])


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def cases(draw):
    """x, the sides of the filters and their count, stride and padding."""
    kernel, stride = draw(pairs), draw(pairs)
    padding = tuple(draw(st.integers(0, 2)) for _ in range(2))
    size = tuple(draw(st.integers(max(1, k - 2 * p), 7)) for k, p in zip(kernel, padding, strict=True))
    batch, channels, count = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    output = tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, padding, kernel, stride, strict=True))
    x = noise(batch, channels, *size)
    return x, noise(batch, count, channels, *kernel, *output, seed=1), stride, padding


def small(ndim):
    x, filters = noise(2, 2, 4, 5), noise(2, 3, 2, 3, 2, 2, 4, seed=1)
    return x, (filters if ndim == 7 else filters[..., 0, 0]).contiguous(), (2, 1), (1, 0)


def looped(x, filters, stride, padding):
    """The definition: every output the sum over what it sees, of x times the filter of its place."""
    _, _, channels, rows, columns, height, width = filters.shape
    out = torch.zeros(*filters.shape[:2], height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                for u in range(rows):
                    for v in range(columns):
                        y, z = i * stride[0] + u - padding[0], j * stride[1] + v - padding[1]
                        if 0 <= y < x.shape[2] and 0 <= z < x.shape[3]:
                            out[:, :, i, j] += filters[:, :, c, u, v, i, j] * x[:, c, y, z].unsqueeze(1)
    return out


@few
@given(cases())
def test_local_filtering_is_the_definition_as_loops(case):
    x, filters, stride, padding = case
    expected = looped(x, filters, stride, padding)
    for form in FORMS[7]:
        torch.testing.assert_close(form(x, filters, stride, padding), expected, rtol=0, atol=1e-13)


@few
@given(cases())
def test_dynamic_convolution_is_the_definition_as_loops(case):
    x, filters, stride, padding = case
    own = filters[..., 0, 0]
    expected = looped(x, own[..., None, None].expand_as(filters), stride, padding)
    for form in FORMS[5]:
        torch.testing.assert_close(form(x, own, stride, padding), expected, rtol=0, atol=1e-13)


@few
@given(cases())
def test_torchs_functions_agree(case):
    x, filters, stride, padding = case
    for given_filters in (filters, filters[..., 0, 0]):
        ours = FORMS[given_filters.ndim][0](x, given_filters, stride, padding)
        torch.testing.assert_close(torch_nn(x, given_filters, stride, padding), ours, rtol=0, atol=1e-13)


@few
@given(cases())
def test_the_gradients_are_those_of_the_canonical_forms(case):
    x, filters, stride, padding = case
    for given_filters in (filters, filters[..., 0, 0].contiguous()):
        leaves = x.clone().requires_grad_(), given_filters.clone().requires_grad_()
        results = [form(*leaves, stride, padding) for form in FORMS[given_filters.ndim]]
        upstream = noise(*results[0].shape, seed=2)
        found = [torch.autograd.grad(result, leaves, upstream) for result in results]
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@LAYER
@FORWARD_MODE
def test_gradients_of_both_orders_and_forward_mode(ndim):
    x, filters, stride, padding = small(ndim)
    inputs = x.requires_grad_(), filters.requires_grad_()
    for form in FORMS[ndim]:
        call = lambda x, f, form=form: form(x, f, stride, padding)  # noqa: E731
        assert torch.autograd.gradcheck(call, inputs, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(call, inputs)


@LAYER
@FORWARD_MODE
@pytest.mark.parametrize("wanted", [0, 1])
def test_the_gradient_of_one_input_alone(ndim, wanted):
    x, filters, stride, padding = small(ndim)
    inputs = [x, filters]
    inputs[wanted].requires_grad_()
    ours, theirs = (
        torch.autograd.grad(form(*inputs, stride, padding).square().sum(), inputs[wanted])[0] for form in FORMS[ndim]
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@FORWARD_MODE
def test_torch_func_transforms_see_through():
    x, filters, stride, padding = small(7)
    mapped = torch.func.vmap(lambda a, b: dynamic_local_filter(a[None], b[None], stride, padding)[0])(x, filters)
    torch.testing.assert_close(mapped, dynamic_local_filter(x, filters, stride, padding), rtol=0, atol=1e-13)
    slope = torch.func.grad(lambda a: dynamic_local_filter(a, filters, stride, padding).square().sum())(x)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(dynamic_local_filter(leaf, filters, stride, padding).square().sum(), leaf)
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-12)


@LAYER
def test_torch_compile_sees_no_break(ndim):
    x, filters, stride, padding = small(ndim)
    whole = torch.compile(FORMS[ndim][0], fullgraph=True, backend="eager")
    torch.testing.assert_close(
        whole(x, filters, stride, padding), FORMS[ndim][0](x, filters, stride, padding), rtol=0, atol=1e-13
    )


def test_local_filtering_takes_no_more_memory_than_its_result_and_a_padded_picture():
    x, filters = torch.randn(2, 1, 32, 32), torch.randn(2, 1, 1, 9, 9, 32, 32)
    bytes_taken = peak_bytes(lambda: dynamic_local_filter(x, filters, 1, 4), torch.device("cpu"))
    assert bytes_taken <= 4 * (2 * 32 * 32 + 2 * 40 * 40) + 1024


@LAYER
def test_memory_order_changes_nothing(ndim):
    x, filters, stride, padding = small(ndim)
    form = FORMS[ndim][0]
    expected = form(x, filters, stride, padding)
    turned = filters.permute(*reversed(range(ndim))).contiguous().permute(*reversed(range(ndim)))
    other = form(x.to(memory_format=torch.channels_last), turned, stride, padding)
    torch.testing.assert_close(other, expected, rtol=0, atol=1e-14)


@LAYER
def test_no_number_spoils_only_the_outputs_that_see_it(ndim):
    filters = noise(1, 1, 1, 3, 3, 6, 6) if ndim == 7 else noise(1, 1, 1, 3, 3)
    x = noise(1, 1, 6, 6)
    x[0, 0, 0, 0] = math.nan
    for form in FORMS[ndim]:
        assert form(x, filters, 1, 1).isnan().sum().item() == 4


@LAYER
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_near_float64(ndim, dtype):
    x, filters, stride, padding = small(ndim)
    y = FORMS[ndim][0](x.to(dtype), filters.to(dtype), stride, padding)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), FORMS[ndim][1](x, filters, stride, padding), rtol=0, atol=0.1)


@LAYER
def test_autocast_takes_mixed_dtypes(ndim):
    x, filters, stride, padding = small(ndim)
    with torch.autocast("cpu", torch.bfloat16):
        y = FORMS[ndim][0](x.float(), filters.bfloat16(), stride, padding)
    torch.testing.assert_close(y.double(), FORMS[ndim][1](x, filters, stride, padding), rtol=0, atol=0.1)


@LAYER
def test_an_empty_batch_gives_an_empty_result_with_gradients(ndim):
    x, filters, stride, padding = small(ndim)
    inputs = x[:0].requires_grad_(), filters[:0].requires_grad_()
    y = FORMS[ndim][0](*inputs, stride, padding)
    assert y.shape == (0, 3, 2, 4)
    assert [g.shape for g in torch.autograd.grad(y.sum(), inputs)] == [t.shape for t in inputs]


def test_the_softmax_is_over_the_weights_of_each_filter():
    filters = noise(2, 3, 2, 3, 2, 4, 5)
    made = normalise(filters)
    torch.testing.assert_close(made.sum((2, 3, 4)), torch.ones(2, 3, 4, 5, dtype=torch.float64), rtol=0, atol=1e-15)
    ratio = (filters[0, 1, 1, 2, 1] - filters[0, 1, 0, 0, 0]).exp()
    torch.testing.assert_close(made[0, 1, 1, 2, 1] / made[0, 1, 0, 0, 0], ratio, rtol=1e-12, atol=0)


def test_the_layers_are_the_functions_of_what_their_generators_give():
    torch.manual_seed(0)
    x, condition = noise(2, 2, 6, 5).float(), noise(2, 7, seed=3).float()
    whole = DynamicConv2d(nn.Linear(7, 3 * 2 * 3 * 2), 2, 3, (3, 2), stride=2, padding=1, softmax=True)
    filters = normalise(whole.generator(condition).view(2, 3, 2, 3, 2))
    torch.testing.assert_close(whole(x, condition), dynamic_conv2d(x, filters, 2, 1), rtol=0, atol=0)
    local = DynamicLocalFilter(nn.Conv2d(2, 3 * 2 * 3 * 3, 3, padding=1), 2, 3, 3, padding=1)
    filters = local.generator(x).view(2, 3, 2, 3, 3, 6, 5)
    torch.testing.assert_close(local(x), dynamic_local_filter(x, filters, 1, 1), rtol=0, atol=0)
    torch.autograd.backward(local(x).sum() + whole(x, condition).sum())
    assert min(float(p.grad.abs().max()) for layer in (whole, local) for p in layer.parameters()) > 0


@pytest.mark.parametrize("task", list(PLANS))
def test_the_networks_predict_pictures_from_pictures_and_a_state(task):
    torch.manual_seed(0)
    plan = PLANS[task]
    net, pictures = Prediction(plan), torch.rand(1, plan.inputs, 64, 64)
    with torch.no_grad():
        y, state = net(pictures)
        again, _ = net(pictures, state)
    assert y.shape == again.shape == (1, 1, 64, 64)
    assert torch.equal(y, again) is not plan.recurrent
    if not plan.bias:  # a mean of pixels
        assert pictures.min() * 0 <= y.min()
        assert y.max() <= pictures.max()


@pytest.mark.parametrize("task", list(PLANS))
def test_a_network_without_weights_takes_the_mean_of_the_last_picture_plus_the_generated_bias(task):
    plan = PLANS[task]
    net, pictures = Prediction(plan), torch.rand(1, plan.inputs, 64, 64)
    with torch.no_grad():
        net.filters.weight.zero_()
        net.filters.bias.zero_()
        net.filters.bias[-1] = 0.5 if plan.bias else 0
        y, _ = net(pictures)
    rows, columns = plan.kernel
    last = pictures[:, -1:] + (0.5 if plan.bias else 0)
    expected = avg_pool2d(last, plan.kernel, 1, (rows // 2, columns // 2))
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-5)


def test_the_basis_filters_are_derivatives_of_a_gaussian():
    basis = gaussian_derivatives()
    place = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)  # y, x
    slope = torch.autograd.grad(torch.exp(-place.square().sum() / 2), place)[0]
    torch.testing.assert_close(torch.stack([basis[0, 5, 2], basis[1, 5, 2]]), -slope.flip(0), rtol=0, atol=1e-15)
    quarter = steered(torch.tensor([math.pi / 2]), basis)[0]
    torch.testing.assert_close(quarter, basis[1], rtol=0, atol=1e-7)


def test_filters_of_half_a_picture_slide_as_those_of_a_convolution():
    x, filters = noise(1, 2, 6, 6), noise(4, 2, 3, 3)
    torch.testing.assert_close(
        dynamic_conv2d(x, filters[None], 1, 1), conv2d(x, filters, padding=1), rtol=0, atol=1e-14
    )


@pytest.mark.gpu
@LAYER
def test_a_gpu_gives_what_the_cpu_gives(cuda, ndim):
    x, filters, stride, padding = small(ndim)
    y = FORMS[ndim][0](x.to(cuda), filters.to(cuda), stride, padding)
    torch.testing.assert_close(y.cpu(), FORMS[ndim][0](x, filters, stride, padding), rtol=0, atol=1e-13)


BOTH = pytest.mark.parametrize("form", [form for forms in FORMS.values() for form in forms])


def filters_for(form, *shape):
    return torch.ones(*shape, *((3, 3) if form in FORMS[7] else ()))


@BOTH
@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 0, 3, 3), (1, 1, 3, 0)])
def test_shapes_that_are_no_batch_of_pictures_are_refused(form, shape):
    with pytest.raises(ValueError, match=r"need x \(N, C, H, W\), empty in N only"):
        form(torch.ones(shape), filters_for(form, 1, 1, 1, 1, 1))


@BOTH
@pytest.mark.parametrize("shape", [(2, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 1, 0, 1), (1, 1, 1, 1)])
def test_filters_of_another_shape_are_refused(form, shape):
    with pytest.raises(ValueError, match=r"need filters \(N, K, C, F, F'.*\) with N = 1, empty in N only"):
        form(torch.ones(1, 1, 3, 3), filters_for(form, *shape))


@BOTH
def test_filters_for_other_channels_are_refused(form):
    with pytest.raises(ValueError, match="are for 2 channels, x has 1"):
        form(torch.ones(1, 1, 3, 3), filters_for(form, 1, 1, 2, 1, 1))


@BOTH
def test_filters_larger_than_the_padded_picture_are_refused(form):
    with pytest.raises(ValueError, match="the window spans 6, more than the padded picture: 5"):
        form(torch.ones(1, 1, 3, 3), filters_for(form, 1, 1, 1, 6, 1), padding=1)


@BOTH
@pytest.mark.parametrize(("options", "name"), [({"stride": 0}, "stride"), ({"padding": -1}, "padding")])
def test_strides_and_paddings_that_are_too_small_are_refused(form, options, name):
    with pytest.raises(ValueError, match=f"{name} must be one or two whole numbers of at least"):
        form(torch.ones(1, 1, 3, 3), filters_for(form, 1, 1, 1, 1, 1), **options)


@BOTH
def test_dtypes_and_devices_that_differ_are_refused(form):
    x, filters = torch.ones(1, 1, 3, 3), filters_for(form, 1, 1, 1, 1, 1)
    with pytest.raises(TypeError, match="filters are torch.float64 and x torch.float32: convert one of them"):
        form(x, filters.double())
    with pytest.raises(TypeError, match="must be floating, convert first: torch.int64, torch.float32"):
        form(x.long(), filters)
    with pytest.raises(ValueError, match="filters are on meta and x on cpu: move one of them"):
        form(x, filters.to("meta"))


@pytest.mark.parametrize("form", FORMS[7])
def test_filters_for_another_size_of_the_output_are_refused(form):
    with pytest.raises(ValueError, match=re.escape("filters are for an output of (3, 3), it has (2, 2)")):
        form(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 1, 2, 2, 3, 3))


def test_generators_of_another_width_are_refused():
    with pytest.raises(
        ValueError, match=re.escape("the generator must give (2, 9), the weights of the filters: (2, 8)")
    ):
        DynamicConv2d(nn.Linear(4, 8), 1, 1, 3)(torch.ones(2, 1, 5, 5), torch.ones(2, 4))
    with pytest.raises(ValueError, match=re.escape("the generator must give (1, 9, 3, 3)")):
        DynamicLocalFilter(nn.Conv2d(1, 9, 1), 1, 1, 3)(torch.ones(1, 1, 5, 5))


@pytest.mark.parametrize(
    ("numbers", "part"),
    [
        (["constant_filters", "own_filters", "steered_filters"], "dynamic_conv2d"),
        (["constant_local_filters", "one_hot_filters", "filter_of_each_place"], "dynamic_local_filter"),
    ],
)
def test_torchs_functions_meet_the_contract(numbers, part):
    for key in numbers:
        assert check("dynamic_filter", numbers=key, **{part: torch_nn})


def test_results_of_another_size_break_the_contract():
    for part in (CONVOLUTION, LOCAL):
        with pytest.raises(ContractError, match=re.escape("returned (2, 3, 4, 5), not a tensor (2, 2, 4, 2)")):
            part.check(lambda x, filters, stride, padding: x)


def test_flipped_filters_fail_the_numbers():
    def flipped(x, filters, stride, padding):
        return torch_nn(x, filters.flip(3, 4), stride, padding)

    with pytest.raises(AssertionError, match="dynamic_filter/own_filters"):
        check("dynamic_filter", numbers="own_filters", dynamic_conv2d=flipped)
    with pytest.raises(AssertionError, match="dynamic_filter/one_hot_filters"):
        check("dynamic_filter", numbers="one_hot_filters", dynamic_local_filter=flipped)
