"""PSNR and shave: the definition as loops, scikit-image, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from dmbench.metrics.psnr import psnr, shave

sides = st.integers(1, 12)


def pair(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    images = 255 * torch.rand((2, *shape), generator=generator, dtype=torch.float64)
    return images.to(dtype).unbind()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(sides, sides, st.sampled_from([1, 255, 65535]))
def test_psnr_is_the_definition_as_loops(height, width, peak):
    image, reference = pair(height, width)
    total = 0.0
    for i in range(height):
        for j in range(width):
            total += (image[i, j].item() - reference[i, j].item()) ** 2
    expected = 20 * math.log10(peak) - 10 * math.log10(total / (height * width))
    assert psnr(image, reference, peak).item() == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_scikit_image_agrees_for_the_same_data_range(dtype):
    image, reference = pair(20, 30, dtype=dtype)
    theirs = peak_signal_noise_ratio(reference.numpy(), image.numpy(), data_range=255)
    assert psnr(image, reference, 255).item() == pytest.approx(theirs, rel=0, abs=1e-12)


def test_each_plane_has_its_own_value():
    image, reference = pair(2, 3, 5, 6)
    together = psnr(image, reference, 255)
    assert together.shape == (2, 3)
    alone = psnr(image[1, 2], reference[1, 2], 255)
    torch.testing.assert_close(together[1, 2], alone, rtol=0, atol=1e-13)


def test_gradients():
    image, reference = (one.requires_grad_() for one in pair(4, 5))
    assert torch.autograd.gradcheck(lambda a, b: psnr(a, b, 255), (image, reference))


def test_integers_do_not_wrap_around():
    black, white = torch.zeros(4, 4).byte(), torch.full((4, 4), 255).byte()
    assert psnr(black, white, 255).item() == 0
    assert psnr(white, black, 255).item() == 0


def test_identical_images_are_infinitely_alike():
    image, _ = pair(4, 4)
    assert psnr(image, image, 255).item() == math.inf


@pytest.mark.parametrize("border", [0, 1, 3])
def test_shave_takes_the_border_off_each_side(border):
    image = torch.arange(7 * 9).reshape(1, 7, 9)
    shaved = shave(image, border)
    assert shaved.shape == (1, 7 - 2 * border, 9 - 2 * border)
    assert shaved[0, 0, 0].item() == 9 * border + border
    assert shaved[0, -1, -1].item() == 62 - 10 * border


@pytest.mark.parametrize("shape", [(8, 9), (9, 8), (3, 3)])
def test_shave_refuses_to_leave_nothing(shape):
    with pytest.raises(ValueError, match=f"larger than 8x8 to shave 4: {shape[0]}x{shape[1]}"):
        shave(torch.zeros(shape), 4)


def test_shave_refuses_a_negative_border():
    with pytest.raises(ValueError, match="0 or more pixels: -1"):
        shave(torch.zeros(8, 8), -1)


def test_shave_refuses_a_vector():
    with pytest.raises(ValueError, match=r"shape \(8,\)"):
        shave(torch.zeros(8), 1)


def test_unlike_shapes_are_refused_even_if_they_broadcast():
    with pytest.raises(ValueError, match=r"one shape: \(4, 4\) and \(1, 4\)"):
        psnr(torch.zeros(4, 4), torch.zeros(1, 4), 255)


@pytest.mark.parametrize("shape", [(4,), (0, 4)])
def test_a_vector_or_an_empty_image_is_refused(shape):
    with pytest.raises(ValueError, match="at least 1x1"):
        psnr(torch.zeros(shape), torch.zeros(shape), 255)


@pytest.mark.parametrize("peak", [0, -1, math.nan])
def test_a_peak_that_is_not_positive_is_refused(peak):
    with pytest.raises(ValueError, match=f"positive peak: {peak}"):
        psnr(torch.zeros(4, 4), torch.ones(4, 4), peak)
