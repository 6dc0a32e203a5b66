"""imresize: the definition as loops, torch where it agrees, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.layers.bicubic import imresize

SCALES = [0.25, 1 / 3, 0.5, 0.7, 1.0, 1.3, 2.0, 3.0]
few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 9)


def h(x):
    """Keys's kernel for a = -0.5, in the form that shows a."""
    a, x = -0.5, abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def resized_row(values, scale, samples, antialias, integer_peak=None):
    """One line of pixels by the definition: pixel i of the input covers [i, i + 1)."""
    shrink = min(scale, 1.0) if antialias else 1.0
    line = []
    for sample in range(samples):
        centre = (sample + 0.5) / scale
        first, last = math.floor(centre - 2 / shrink) - 1, math.ceil(centre + 2 / shrink) + 1
        total = weight = 0.0
        for place in range(first, last + 1):
            w = h(shrink * (place + 0.5 - centre))
            source = place
            while not 0 <= source < len(values):  # each edge is a mirror between two pixels
                source = -1 - source if source < 0 else 2 * len(values) - 1 - source
            total, weight = total + w * values[source], weight + w
        value = total / weight
        if integer_peak is not None:
            value = min(max(math.floor(value + 0.5), 0), integer_peak)
        line.append(value)
    return line


def resized(image, scales, size, antialias=True, integer_peak=None):
    """Both passes, the one that shrinks most first, rows first when equal."""
    rows = [row.tolist() for row in image]
    for dim in sorted((0, 1), key=lambda dim: scales[dim]):
        lines = [list(column) for column in zip(*rows, strict=True)] if dim == 0 else rows
        lines = [resized_row(x, scales[dim], size[dim], antialias, integer_peak) for x in lines]
        rows = [list(row) for row in zip(*lines, strict=True)] if dim == 0 else lines
    return torch.tensor(rows, dtype=torch.float64)


def noise(*shape, dtype=torch.float64, peak=1):
    generator = torch.Generator().manual_seed(sum(shape))
    if dtype.is_floating_point:
        return torch.rand(shape, generator=generator, dtype=dtype)
    return torch.randint(0, peak + 1, shape, generator=generator).to(dtype)


@few
@given(sides, sides, st.sampled_from(SCALES), st.booleans())
def test_a_scale_gives_the_definition_as_loops(height, width, scale, antialias):
    image = noise(height, width)
    size = math.ceil(scale * height), math.ceil(scale * width)
    expected = resized(image, (scale, scale), size, antialias)
    actual = imresize(image, scale, antialias=antialias)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


@few
@given(sides, sides, sides, sides)
def test_a_size_gives_the_definition_as_loops(height, width, rows, columns):
    image = noise(height, width)
    expected = resized(image, (rows / height, columns / width), (rows, columns))
    actual = imresize(image, size=(rows, columns))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("dtype", "peak"), [(torch.uint8, 255), (torch.uint16, 65535)])
@pytest.mark.parametrize("scale", [0.3, 0.75, 1.7])
def test_integers_are_rounded_and_saturated_after_each_pass(dtype, peak, scale):
    image = noise(11, 8, dtype=dtype, peak=1) * peak  # black and white: over- and undershoots
    image = image.to(dtype)
    size = math.ceil(scale * 11), math.ceil(scale * 8)
    expected = resized(image, (scale, scale), size, integer_peak=peak)
    torch.testing.assert_close(imresize(image, scale).double(), expected, rtol=0, atol=0)


def test_the_dimension_that_shrinks_most_goes_first():
    image = (noise(9, 12, dtype=torch.uint8, peak=1) * 255).to(torch.uint8)
    columns_first, rows_first = (imresize(imresize(image, size=one), size=(7, 4)) for one in ((9, 4), (7, 12)))
    assert not torch.equal(columns_first, rows_first)  # else this test could not tell
    torch.testing.assert_close(imresize(image, size=(7, 4)), columns_first, rtol=0, atol=0)


def test_rows_go_first_when_both_shrink_alike():
    image = (noise(12, 12, dtype=torch.uint8, peak=1) * 255).to(torch.uint8)
    rows_first, columns_first = (imresize(imresize(image, size=one), size=(9, 9)) for one in ((9, 12), (12, 9)))
    assert not torch.equal(rows_first, columns_first)
    torch.testing.assert_close(imresize(image, 0.75), rows_first, rtol=0, atol=0)


def test_a_half_is_rounded_up():
    image = torch.tensor([[1], [2]], dtype=torch.uint8)
    torch.testing.assert_close(imresize(image, size=(1, 1)), torch.tensor([[2]]).to(torch.uint8))


@pytest.mark.parametrize("size", [(16, 12), (12, 9), (48, 36)])
def test_torch_antialiased_agrees_away_from_the_edges(size):
    """torch's `bicubic, antialias=True` has the same a = -0.5, but drops the taps past an edge."""
    image = noise(1, 1, 24, 18)
    theirs = torch.nn.functional.interpolate(image, size, mode="bicubic", antialias=True)
    inside = slice(8, -8) if size[0] > 24 else slice(4, -4)
    ours = imresize(image, size=size)[..., inside, :]
    torch.testing.assert_close(ours[..., 4:-4], theirs[..., inside, 4:-4], rtol=0, atol=1e-14)


def test_leading_dimensions_are_a_batch():
    image = noise(2, 3, 7, 9)
    together = imresize(image, 1.4)
    alone = torch.stack([torch.stack([imresize(one, 1.4) for one in row]) for row in image])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", [0.4, 1.6])
def test_gradients(scale):
    image = noise(2, 6, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: imresize(x, scale), (image,))


def test_float32_is_computed_in_float32():
    image = noise(40, 30)
    single = imresize(image.float(), 1 / 3)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), imresize(image, 1 / 3), rtol=0, atol=1e-6)


def test_autocast_does_not_lower_the_precision():
    image = noise(40, 30, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = imresize(image, 0.5)
    torch.testing.assert_close(lowered, imresize(image, 0.5), rtol=0, atol=0)


def test_scale_1_changes_nothing():
    image = noise(5, 7)
    torch.testing.assert_close(imresize(image, 1.0), image, rtol=0, atol=1e-15)


def test_a_flat_image_stays_flat():
    flat = torch.full((7, 11), 0.3, dtype=torch.float64)
    torch.testing.assert_close(imresize(flat, 0.37), torch.full((3, 5), 0.3).double(), rtol=0, atol=1e-7)


def test_a_ramp_is_kept_inside_and_sampled_at_pixel_centres():
    ramp = torch.arange(32, dtype=torch.float64).repeat(4, 1)
    halved = imresize(ramp, size=(4, 16))[0, 2:-2]
    torch.testing.assert_close(halved, 2 * torch.arange(2.0, 14).double() + 0.5, rtol=0, atol=1e-13)


def test_a_larger_image_than_the_cache_was_built_for_is_not_confused():
    for height in (8, 9, 8):
        image = noise(height, 4)
        size = math.ceil(height / 2), 2
        expected = resized(image, (0.5, 0.5), size)
        torch.testing.assert_close(imresize(image, 0.5), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", [0.0, -2.0, math.nan, math.inf])
def test_a_scale_that_is_not_positive_and_finite_is_refused(scale):
    with pytest.raises(ValueError, match=f"positive, finite scale: {scale}"):
        imresize(noise(4, 4), scale)


@pytest.mark.parametrize("given", [{}, {"scale": 2.0, "size": (8, 8)}])
def test_both_or_neither_of_scale_and_size_is_refused(given):
    with pytest.raises(ValueError, match="give either scale or size"):
        imresize(noise(4, 4), **given)


@pytest.mark.parametrize("size", [(0, 4), (4, -1), (4, 4, 4)])
def test_a_size_that_is_not_two_positive_numbers_is_refused(size):
    with pytest.raises(ValueError, match="size of two positive numbers"):
        imresize(noise(4, 4), size=size)


@pytest.mark.parametrize("shape", [(), (5,), (0, 5), (5, 0), (0, 5, 5)])
def test_fewer_than_two_dimensions_or_an_empty_image_is_refused(shape):
    with pytest.raises(ValueError, match="non-empty image"):
        imresize(torch.zeros(shape), 2.0)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int64, torch.bool, torch.bfloat16])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match=f"convert first: {dtype}"):
        imresize(torch.ones(4, 4).to(dtype), 2.0)
