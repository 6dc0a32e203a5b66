"""SSIM: the equations window by window, scikit-image, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from dmbench.metrics.ssim import ssim, ssim_map

sides = st.integers(11, 15)


def pair(*shape, peak=255, dtype=torch.float64):
    """A noisy image and what it was."""
    generator = torch.Generator().manual_seed(sum(shape))
    reference = torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    image = (reference + 0.2 * noise).clamp(0, 1)
    return (peak * image).to(dtype), (peak * reference).to(dtype)


def equation_13(x, y, peak):
    """SSIM of one 11x11 window, as the paper prints it."""
    weights = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    w = torch.tensor(weights, dtype=torch.float64)
    w = w / w.sum()
    mu_x, mu_y = (w * x).sum(), (w * y).sum()  # Eq. 14
    sigma_x = (w * (x - mu_x) ** 2).sum().sqrt()  # Eq. 15
    sigma_y = (w * (y - mu_y) ** 2).sum().sqrt()
    sigma_xy = (w * (x - mu_x) * (y - mu_y)).sum()  # Eq. 16
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return ((2 * mu_x * mu_y + c1) * (2 * sigma_xy + c2)) / ((mu_x**2 + mu_y**2 + c1) * (sigma_x**2 + sigma_y**2 + c2))


@settings(deadline=None, max_examples=10, derandomize=True)
@given(sides, sides, st.sampled_from([1, 255]))
def test_ssim_map_is_the_equations_as_printed(height, width, peak):
    image, reference = pair(height, width, peak=peak)
    expected = torch.empty(height - 10, width - 10, dtype=torch.float64)
    for i in range(height - 10):
        for j in range(width - 10):
            window = slice(i, i + 11), slice(j, j + 11)
            expected[i, j] = equation_13(image[window], reference[window], peak)
    torch.testing.assert_close(ssim_map(image, reference, peak), expected, rtol=0, atol=1e-12)
    mean = expected.mean()
    torch.testing.assert_close(ssim(image, reference, peak), mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_scikit_image_agrees_with_the_papers_settings(dtype):
    """With gaussian_weights, sigma 1.5, biased variances, and its mean's own crop of 5 pixels."""
    image, reference = pair(33, 28, dtype=dtype)
    mean, full = structural_similarity(
        image.numpy(),
        reference.numpy(),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(image, reference, 255).item() == pytest.approx(mean, rel=0, abs=1e-13)
    if dtype == torch.float64:  # past the crop its map is of mirrored windows
        valid = torch.from_numpy(full)[5:-5, 5:-5]
        torch.testing.assert_close(ssim_map(image, reference, 255), valid, rtol=0, atol=1e-12)


def test_each_plane_has_its_own_value():
    image, reference = pair(2, 3, 14, 13)
    together = ssim(image, reference, 255)
    alone = [ssim(a, b, 255) for a, b in zip(image[1], reference[1], strict=True)]
    torch.testing.assert_close(together[1], torch.stack(alone), rtol=0, atol=1e-14)


def test_gradients():
    image, reference = (one.requires_grad_() for one in pair(12, 11, peak=1))
    assert torch.autograd.gradcheck(lambda a, b: ssim(a, b, 1), (image, reference))


def test_integers_are_computed_in_float64():
    image, reference = pair(14, 13, dtype=torch.uint8)
    expected = ssim(image.double(), reference.double(), 255)
    torch.testing.assert_close(ssim(image, reference, 255), expected, rtol=0, atol=0)


def test_float32_agrees_to_its_precision():
    image, reference = pair(40, 30, peak=1, dtype=torch.float32)
    expected = ssim(image.double(), reference.double(), 1)
    torch.testing.assert_close(ssim(image, reference, 1).double(), expected, rtol=0, atol=1e-6)


def test_identical_images_score_1():
    image, _ = pair(14, 13)
    assert ssim(image, image, 255).item() == pytest.approx(1, rel=0, abs=1e-14)


def test_the_order_of_the_two_does_not_matter():
    image, reference = pair(14, 13)
    swapped = ssim(reference, image, 255)
    torch.testing.assert_close(ssim(image, reference, 255), swapped, rtol=0, atol=1e-15)


def test_flat_images_compare_by_luminance_alone():
    dark, light = torch.full((2, 11, 11), 100.0).double()
    light = light + 50
    c1 = 2.55**2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(dark, light, 255).item() == pytest.approx(expected, rel=0, abs=1e-8)


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (11,)])
def test_an_image_smaller_than_the_window_is_refused(shape):
    with pytest.raises(ValueError, match=rf"at least 11x11: shape \({shape[0]},"):
        ssim(torch.zeros(shape), torch.zeros(shape), 255)


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape: \(12, 12\) and \(12, 13\)"):
        ssim(torch.zeros(12, 12), torch.zeros(12, 13), 255)


def test_a_peak_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive peak: 0"):
        ssim(torch.zeros(12, 12), torch.zeros(12, 12), 0)
