"""conv2d: the definition as loops, torch's function, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.conv2d import Conv2d, conv2d, im2col, output_size, windows

few = settings(deadline=None, max_examples=25, derandomize=True)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
zeros = st.tuples(st.integers(0, 2), st.integers(0, 2))


def noise(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(len(shape) + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def as_defined(x, weight, bias, stride, padding, dilation, groups):
    """The sum of the module's docstring, one output at a time; an empty list where none fits."""
    batch, _, *size = x.shape
    filters, per_group, *window = weight.shape
    sides = [(size[a] + 2 * padding[a] - dilation[a] * (window[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    if min(sides) < 1:
        return []
    y = torch.zeros(batch, filters, *sides, dtype=torch.float64)
    for n in range(batch):
        for k in range(filters):
            first = k // (filters // groups) * per_group
            for i in range(sides[0]):
                for j in range(sides[1]):
                    total = bias[k].item()
                    for c in range(per_group):
                        for u in range(window[0]):
                            for v in range(window[1]):
                                row = stride[0] * i + dilation[0] * u - padding[0]
                                column = stride[1] * j + dilation[1] * v - padding[1]
                                if 0 <= row < size[0] and 0 <= column < size[1]:
                                    total += (weight[k, c, u, v] * x[n, first + c, row, column]).item()
                    y[n, k, i, j] = total
    return y


@few
@given(st.integers(1, 2), pairs, pairs, pairs, pairs, zeros, pairs, st.integers(1, 2))
def test_it_is_the_definition_as_loops(batch, per_group, size, window, stride, padding, dilation, groups):
    size = (size[0] + 2, 2 * size[1])
    x = noise(batch, groups * per_group[0], *size)
    weight, bias = noise(groups * per_group[1], per_group[0], *window), noise(groups * per_group[1])
    expected = as_defined(x, weight, bias, stride, padding, dilation, groups)
    assume(len(expected))
    actual = conv2d(x, weight, bias, stride, padding, dilation, groups)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@few
@given(st.integers(0, 3), pairs, pairs, pairs, zeros, pairs, st.integers(1, 3), st.booleans())
def test_it_is_torchs_also_in_its_gradients(batch, per_group, window, stride, padding, dilation, groups, biased):
    x = noise(batch, groups * per_group[0], 9, 8).requires_grad_()
    weight = noise(groups * per_group[1], per_group[0], *window).requires_grad_()
    leaves = [x, weight, *([noise(groups * per_group[1]).requires_grad_()] if biased else [])]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    ours, theirs = (f(*leaves, **options) for f in (conv2d, torch.nn.functional.conv2d))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    gradients = (torch.autograd.grad(y, leaves, noise(*theirs.shape)) for y in (ours, theirs))
    for mine, his in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, his, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_low_precision_stays_near_torchs_float64(dtype, rtol):
    x, weight = noise(2, 64, 14, 14), noise(32, 64, 3, 3)
    exact = torch.nn.functional.conv2d(x.to(dtype).double(), weight.to(dtype).double(), padding=1)
    ours = conv2d(x.to(dtype), weight.to(dtype), padding=1)
    assert ours.dtype == dtype
    assert ((ours.double() - exact).abs().max() / exact.abs().max()).item() <= rtol


def test_channels_last_and_transposed_inputs_give_the_same():
    x, weight = noise(2, 3, 6, 7), noise(4, 3, 3, 2)
    expected = conv2d(x, weight)
    torch.testing.assert_close(conv2d(x.contiguous(memory_format=torch.channels_last), weight), expected)
    torch.testing.assert_close(conv2d(x.mT, weight.mT).mT, expected, rtol=0, atol=1e-13)


OPTIONS = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1), "groups": 2}


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients():
    leaves = [one.requires_grad_() for one in (noise(2, 4, 5, 4), noise(4, 2, 2, 3), noise(4))]
    assert torch.autograd.gradcheck(lambda *a: conv2d(*a, **OPTIONS), leaves, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda *a: conv2d(*a, **OPTIONS), leaves)


def test_a_unit_impulse_gives_back_the_filter_turned_around():
    impulse = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    impulse[0, 0, 2, 2] = 1
    weight = noise(1, 1, 3, 3)
    torch.testing.assert_close(conv2d(impulse, weight), weight.flip(-1, -2), rtol=0, atol=0)


def test_the_columns_are_what_each_output_sees():
    x = noise(1, 2, 4, 5)
    stretched = im2col(windows(x, (2, 3), dilation=(2, 1)))
    assert stretched.shape == (1, 12, 6)
    torch.testing.assert_close(stretched[0, :, 4], x[0, :, 1:4:2, 1:4].flatten(), rtol=0, atol=0)


def test_a_1x1_filter_copies_no_input():
    x = noise(2, 3, 4, 5)
    assert im2col(windows(x, 1)).data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"groups": 3}, {"stride": 2, "padding": (1, 0), "dilation": 2}]
)
def test_the_module_takes_torchs_state_dictionary_and_draws_within_its_bounds(options):
    torch.manual_seed(0)
    ours, theirs = Conv2d(6, 12, (3, 2), **options), torch.nn.Conv2d(6, 12, (3, 2), **options)
    for mine, his in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.abs().max().item() <= (theirs.weight[0].numel()) ** -0.5
        assert mine.std().item() == pytest.approx(his.std().item(), rel=0.5)
    ours.load_state_dict(theirs.state_dict())
    x = noise(2, 6, 8, 7, dtype=torch.float32)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("size", "room"), [(2, 2), (4, 4)])
def test_a_window_larger_than_the_padded_input_is_refused(size, room):
    with pytest.raises(ValueError, match=f"the window spans 5, more than the padded input: {room}"):
        conv2d(noise(1, 1, size, 9), noise(1, 1, 3, 3), dilation=(2, 1))


def test_no_output_fits_by_one_pixel_and_one_fits_without():
    assert output_size(5, 3, 1, 0, 2) == 1
    with pytest.raises(ValueError, match="the window spans 5, more than the input: 4"):
        output_size(4, 3, 1, 0, 2)


@pytest.mark.parametrize(
    ("name", "value"), [("stride", 0), ("stride", (1, 2, 3)), ("padding", -1), ("dilation", 0), ("dilation", (1, 1.5))]
)
def test_numbers_that_are_too_small_or_not_whole_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be one or two whole numbers of at least"):
        conv2d(noise(1, 1, 4, 4), noise(1, 1, 2, 2), **{name: value})


@pytest.mark.parametrize(("channels", "filters", "groups"), [(3, 4, 1), (4, 3, 2), (4, 4, 0), (2, 2, 2)])
def test_groups_that_do_not_fit_are_refused(channels, filters, groups):
    with pytest.raises(ValueError, match=f"{groups} groups of filters over 2 channels"):
        conv2d(noise(1, channels, 4, 4), noise(filters, 2, 2, 2), groups=groups)


@pytest.mark.parametrize(
    ("x", "weight"), [((3, 4, 4), (1, 3, 2, 2)), ((1, 3, 4, 4), (3, 2, 2)), ((1, 1, 4, 4), (1, 1, 0, 2))]
)
def test_shapes_that_are_no_pictures_or_filters_are_refused(x, weight):
    with pytest.raises(ValueError, match=r"need x \(N, C, H, W\), weight"):
        conv2d(torch.zeros(x), torch.zeros(weight))


def test_a_bias_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"need a bias of shape \(2,\): \(3,\)"):
        conv2d(noise(1, 1, 4, 4), noise(2, 1, 2, 2), noise(3))


@pytest.mark.parametrize("dtypes", [(torch.float32, torch.float64), (torch.int64, torch.int64)])
def test_dtypes_that_differ_or_are_not_floating_are_refused(dtypes):
    with pytest.raises(TypeError, match="need one floating-point dtype"):
        conv2d(torch.ones(1, 1, 4, 4, dtype=dtypes[0]), torch.ones(2, 1, 2, 2, dtype=dtypes[1]))


@pytest.mark.parametrize("sizes", [(0, 4, 1), (4, 6, 4), (4, 6, 0)])
def test_a_module_whose_groups_do_not_divide_is_refused(sizes):
    with pytest.raises(ValueError, match="groups must divide channels and filters"):
        Conv2d(sizes[0], sizes[1], 3, groups=sizes[2])


def test_nan_spreads_to_the_outputs_that_see_it_and_no_others():
    x = noise(1, 1, 5, 5)
    x[0, 0, 0, 0] = math.nan
    assert conv2d(x, noise(1, 1, 2, 2)).isnan().sum().item() == 1


def test_torchs_function_meets_the_contract():
    assert check("conv2d", numbers="figure*", conv2d="torch.nn.functional:conv2d")
