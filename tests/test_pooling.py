"""Pooling: the definition as loops, torch's functions, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.layers.pooling import avg_pool2d, max_pool2d

few = settings(deadline=None, max_examples=25, derandomize=True)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
BOTH = pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])


def noise(*shape):
    generator = torch.Generator().manual_seed(len(shape) + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def seen(plane, i, j, window, stride, padding, dilation):
    """What the window of output (i, j) holds of a plane, in reading order, and how many places lie outside."""
    found, outside = [], 0
    for u in range(window[0]):
        for v in range(window[1]):
            row = stride[0] * i + dilation[0] * u - padding[0]
            column = stride[1] * j + dilation[1] * v - padding[1]
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                found.append(plane[row, column].item())
            else:
                outside += 1
    return found, outside


def as_defined(x, kind, window, stride, padding, dilation, count_include_pad=True):
    sides = [(x.shape[2 + a] + 2 * padding[a] - dilation[a] * (window[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    if min(sides) < 1:
        return []
    y = torch.empty(*x.shape[:2], *sides, dtype=torch.float64)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(sides[0]):
                for j in range(sides[1]):
                    found, outside = seen(x[n, c], i, j, window, stride, padding, dilation)
                    count = len(found) + outside * count_include_pad
                    y[n, c, i, j] = max(found) if kind == "max" else sum(found) / count
    return y


@few
@given(pairs, pairs, pairs, pairs, st.booleans())
def test_the_maximum_is_the_definition_as_loops(size, window, stride, dilation, padded):
    x = noise(2, 2, size[0] + 3, 2 * size[1] + 1) - 3  # mostly negative: padding with 0 would show
    padding = tuple(side // 2 * padded for side in window)
    expected = as_defined(x, "max", window, stride, padding, dilation)
    assume(len(expected))
    torch.testing.assert_close(max_pool2d(x, window, stride, padding, dilation), expected, rtol=0, atol=0)


@few
@given(pairs, pairs, pairs, st.booleans(), st.booleans())
def test_the_average_is_the_definition_as_loops(size, window, stride, padded, count_include_pad):
    x = noise(2, 2, size[0] + 3, 2 * size[1] + 1) + 1
    padding = tuple(side // 2 * padded for side in window)
    expected = as_defined(x, "avg", window, stride, padding, (1, 1), count_include_pad)
    assume(len(expected))
    actual = avg_pool2d(x, window, stride, padding, count_include_pad=count_include_pad)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"stride": (1, 2), "padding": (1, 0)}])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_torchs_function_agrees_also_in_its_gradient(name, options):
    ours, theirs = {"max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d}[name], getattr(torch.nn.functional, name)
    x = noise(2, 3, 9, 8).requires_grad_()
    mine, his = (pool(x, kernel_size=(3, 2), **options) for pool in (ours, theirs))
    torch.testing.assert_close(mine, his, rtol=0, atol=1e-15)
    gradients = [torch.autograd.grad(y, x, noise(*his.shape))[0] for y in (mine, his)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-14)


@BOTH
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients(pool):
    x = noise(2, 2, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool(x, 3, 2, 1), (x,), check_forward_ad=True)


def test_the_gradient_of_equals_goes_to_the_first_as_in_torch():
    x = torch.ones(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    ours, theirs = (pool(x, 3, 1) for pool in (max_pool2d, torch.nn.functional.max_pool2d))
    gradients = [torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@BOTH
def test_a_window_of_1_changes_nothing_and_the_stride_is_the_window_by_default(pool):
    x = noise(1, 2, 6, 4)
    torch.testing.assert_close(pool(x, 1), x, rtol=0, atol=0)
    torch.testing.assert_close(pool(x, (3, 2)), pool(x, (3, 2), (3, 2)), rtol=0, atol=0)


@BOTH
def test_a_flat_picture_stays_flat(pool):
    torch.testing.assert_close(pool(torch.full((1, 1, 7, 7), 0.25), 3, 2), torch.full((1, 1, 3, 3), 0.25))


@BOTH
def test_nan_spreads_to_the_windows_that_see_it_and_no_others(pool):
    x = noise(1, 1, 6, 6)
    x[0, 0, 0, 1] = math.nan
    assert pool(x, 2).isnan().sum().item() == 1


@BOTH
def test_an_empty_batch_gives_an_empty_result(pool):
    assert pool(noise(1, 2, 6, 6)[:0], 2).shape == (0, 2, 3, 3)


@BOTH
@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (1, 1, 1, 4, 4)])
def test_shapes_that_are_no_batch_of_pictures_are_refused(pool, shape):
    with pytest.raises(ValueError, match=r"need x \(N, C, H, W\)"):
        pool(torch.zeros(shape), 2)


@BOTH
def test_whole_numbers_are_refused(pool):
    with pytest.raises(TypeError, match="need a floating-point dtype, convert first: torch.int64"):
        pool(torch.ones(1, 1, 4, 4, dtype=torch.int64), 2)


@BOTH
def test_padding_of_more_than_half_a_window_is_refused(pool):
    with pytest.raises(ValueError, match="padding must be at most half of the window: 2, 3"):
        pool(noise(1, 1, 4, 4), 3, padding=2)


@BOTH
def test_a_window_larger_than_the_picture_is_refused(pool):
    with pytest.raises(ValueError, match="the window spans 5, more than the padded input: 4"):
        pool(noise(1, 1, 4, 4), 5)


@BOTH
@pytest.mark.parametrize(("window", "stride"), [(0, 1), (2, 0), ((2, 2, 2), 1)])
def test_windows_and_strides_that_are_too_small_are_refused(pool, window, stride):
    with pytest.raises(ValueError, match="must be one or two whole numbers of at least 1"):
        pool(noise(1, 1, 4, 4), window, stride)


def test_torchs_functions_meet_the_contract():
    assert check("pooling", numbers="figure_max", max_pool2d=torch.nn.functional.max_pool2d)
    assert check("pooling", numbers="figure_avg", avg_pool2d=torch.nn.functional.avg_pool2d)
