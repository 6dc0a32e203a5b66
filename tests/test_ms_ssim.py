"""MS-SSIM: both programs in numpy and scipy, gradients, limits, errors."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from dmbench.metrics.ms_ssim import ms_ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Antonini et al. (1992), the 9-tap analysis filter of the 9/7 wavelet.
NINE = (0.852698679008890, 0.377402855612830, -0.110624404418440, -0.023849465019560, 0.03782845550726)


def pair(*shape, peak=255, dtype=torch.float64):
    """A smooth field, and the same with noise."""
    generator = torch.Generator().manual_seed(sum(shape))
    noise = torch.rand((2, *shape), generator=generator, dtype=torch.float64)
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in shape[-2:])
    reference = 0.5 + 0.3 * torch.sin(rows[:, None] / 9) * torch.cos(columns / 5) + 0.2 * noise[0]
    image = reference + 0.3 * (noise[1] - 0.5)
    return tuple((peak * one.clamp(0, 1)).to(dtype) for one in (image, reference))


def window_maps(x, y, peak):
    """l, c, s and c s of every 11x11 window, from 2-D filters."""
    place = np.arange(-5, 6)
    gaussian = np.exp(-(place[:, None] ** 2 + place**2) / 4.5)
    gaussian /= gaussian.sum()
    mean = lambda z: correlate(z, gaussian)[5:-5, 5:-5]  # noqa: E731
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mu_x, mu_y = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mu_x**2, mean(y * y) - mu_y**2, mean(x * y) - mu_x * mu_y
    root = np.sqrt(xx * yy)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    both = (2 * xy + c2) / (xx + yy + c2)
    return luminance, (2 * root + c2) / (xx + yy + c2), (xy + c2 / 2) / (root + c2 / 2), both


def halved(plane, variant):
    """Low-pass with symmetric edges ('reflect' is scipy's word), every second pixel."""
    if variant == "wang":
        padded = np.pad(plane, ((0, 1), (0, 1)), mode="symmetric")
        blocks = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
        return blocks[::2, ::2] / 4
    taps = np.array([NINE[abs(k)] for k in range(-4, 5)])
    kernel = np.outer(taps, taps)
    return correlate(plane, kernel / kernel.sum(), mode="reflect")[::2, ::2]


def the_program(x, y, peak, variant):
    score = 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = halved(x, variant), halved(y, variant)
        luminance, contrast, structure, both = window_maps(x, y, peak)
        last = scale == 4
        if variant == "wang":
            score *= (luminance * both if last else both).mean() ** weight
        else:
            score *= contrast.mean() ** weight * structure.mean() ** weight
            score *= luminance.mean() ** weight if last else 1
    return score


@pytest.mark.parametrize("variant", ["metrix_mux", "wang"])
@pytest.mark.parametrize(("height", "width", "peak"), [(161, 176, 255), (177, 163, 1)])
def test_ms_ssim_is_the_program(variant, height, width, peak):
    image, reference = pair(height, width, peak=peak)
    expected = the_program(image.numpy(), reference.numpy(), peak, variant)
    actual = ms_ssim(image, reference, peak, variant=variant).item()
    assert actual == pytest.approx(expected, rel=0, abs=1e-12)


def test_metrix_mux_is_the_default():
    image, reference = pair(161, 161)
    named = ms_ssim(image, reference, 255, variant="metrix_mux")
    torch.testing.assert_close(ms_ssim(image, reference, 255), named, rtol=0, atol=0)


@pytest.mark.parametrize("variant", ["metrix_mux", "wang"])
def test_each_plane_has_its_own_value(variant):
    image, reference = pair(2, 2, 161, 170)
    together = ms_ssim(image, reference, 255, variant=variant)
    alone = ms_ssim(image[1, 0], reference[1, 0], 255, variant=variant)
    torch.testing.assert_close(together[1, 0], alone, rtol=0, atol=1e-14)
    assert together.shape == (2, 2)


@pytest.mark.parametrize("variant", ["metrix_mux", "wang"])
def test_the_gradient_is_the_directional_difference(variant):
    """gradcheck would take 26,000 passes at the smallest size; one direction tells as much."""
    image, reference = pair(161, 161, peak=1)
    direction = torch.randn(161, 161, generator=torch.Generator().manual_seed(0)).double()
    image.requires_grad_()
    ms_ssim(image, reference, 1, variant=variant).backward()
    ahead, behind = (
        ms_ssim(image.detach() + step * direction, reference, 1, variant=variant) for step in (1e-6, -1e-6)
    )
    slope = (image.grad * direction).sum()
    torch.testing.assert_close(slope, (ahead - behind) / 2e-6, rtol=0, atol=1e-8)


def test_a_flat_image_has_a_finite_gradient():
    _, reference = pair(161, 161, peak=1)
    image = torch.full_like(reference, 0.5).requires_grad_()
    ms_ssim(image, reference, 1).backward()
    assert image.grad.isfinite().all()


def test_integers_are_computed_in_float64():
    image, reference = pair(161, 170, dtype=torch.uint8)
    expected = ms_ssim(image.double(), reference.double(), 255)
    torch.testing.assert_close(ms_ssim(image, reference, 255), expected, rtol=0, atol=0)


@pytest.mark.parametrize("variant", ["metrix_mux", "wang"])
def test_identical_images_score_1(variant):
    image, _ = pair(161, 161)
    score = ms_ssim(image, image, 255, variant=variant).item()
    assert score == pytest.approx(1, rel=0, abs=1e-13)


@pytest.mark.parametrize("variant", ["metrix_mux", "wang"])
def test_a_negative_average_counts_as_0(variant):
    image, _ = pair(161, 161)
    assert ms_ssim(255 - image, image, 255, variant=variant).item() == 0


@pytest.mark.parametrize("shape", [(160, 200), (200, 160), (200,)])
def test_an_image_with_no_window_at_the_coarsest_scale_is_refused(shape):
    with pytest.raises(ValueError, match="at least 161x161"):
        ms_ssim(torch.zeros(shape), torch.zeros(shape), 255)


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape: \(170, 170\) and \(170, 171\)"):
        ms_ssim(torch.zeros(170, 170), torch.zeros(170, 171), 255)


@pytest.mark.parametrize("peak", [0, math.nan])
def test_a_peak_that_is_not_positive_is_refused(peak):
    with pytest.raises(ValueError, match=f"positive peak: {peak}"):
        ms_ssim(torch.zeros(161, 161), torch.zeros(161, 161), peak)


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="metrix_mux, wang: 2003"):
        ms_ssim(torch.zeros(161, 161), torch.zeros(161, 161), 255, variant="2003")
