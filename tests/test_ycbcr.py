"""rgb2ycbcr: exact arithmetic, BT.601's corner colours, gradients, limits, errors."""

from fractions import Fraction

import pytest
import torch

from dmbench.metrics.ycbcr import luma, rgb2ycbcr

# MATLAB's documented matrix and offset, in thousandths of 1/255.
MATRIX = ((65481, 128553, 24966), (-37797, -74203, 112000), (112000, -93786, -18214))
OFFSET = (16, 128, 128)
SCALES = {torch.uint8: 1, torch.uint16: 257}


def exact(pixel, scale):
    """One integer pixel in rational arithmetic, and whether it lies exactly on a half."""
    ties, values = [], []
    for row, offset in zip(MATRIX, OFFSET, strict=True):
        value = sum(Fraction(m, 255_000) * p for m, p in zip(row, pixel, strict=True))
        value += offset * scale
        values.append(int(value + Fraction(1, 2)))
        ties.append((value * 2).denominator == 1 and value.denominator == 2)
    return values, ties


@pytest.mark.parametrize(("dtype", "peak"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_integers_are_the_exact_rational_values_rounded(dtype, peak):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, peak + 1, (4000, 3), generator=generator).to(dtype)
    converted = rgb2ycbcr(pixels.T.reshape(3, 40, 100)).reshape(3, -1).T.tolist()
    for pixel, ours in zip(pixels.tolist(), converted, strict=True):
        printed, ties = exact(pixel, SCALES[dtype])
        for value, expected, tie in zip(ours, printed, ties, strict=True):
            assert tie or value == expected, (pixel, ours, printed)


def test_ties_are_settled_by_double_arithmetic_to_the_nearest_of_the_two():
    """On an exact half, double arithmetic may fall to either side; never further."""
    greys = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    for pixel, ours in zip(range(256), rgb2ycbcr(greys)[:, 0].T.tolist(), strict=True):
        for value, up in zip(ours, exact([pixel] * 3, 1)[0], strict=True):
            assert value in (up, up - 1)


# ITU-R BT.601-7: black and white at 16 and 235, neutral chroma 128, Cb and Cr peaks at 240.
@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81, 90, 240)),
        ((0, 255, 0), (145, 54, 34)),
        ((0, 0, 255), (41, 240, 110)),
    ],
)
def test_the_corner_colours_of_bt_601(rgb, ycbcr):
    image = torch.tensor(rgb, dtype=torch.uint8).reshape(3, 1, 1)
    assert tuple(rgb2ycbcr(image).flatten().tolist()) == ycbcr


def test_floats_are_the_matrix_in_0_to_1_unrounded():
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = torch.tensor(MATRIX, dtype=torch.float64) / 255_000
    expected = torch.einsum("yc,bchw->byhw", matrix, image)
    expected += torch.tensor(OFFSET).double().reshape(3, 1, 1) / 255
    torch.testing.assert_close(rgb2ycbcr(image), expected, rtol=0, atol=1e-15)
    assert rgb2ycbcr(image.float()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32, torch.float64])
def test_luma_is_the_first_channel(dtype):
    image = (torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 255).to(dtype)
    torch.testing.assert_close(luma(image), rgb2ycbcr(image)[:, 0], rtol=0, atol=0)


def test_gradients():
    image = torch.rand(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rgb2ycbcr, (image,))


def test_luma_leaves_greyscale_as_it_is():
    grey = torch.arange(30, dtype=torch.uint8).reshape(5, 6)
    torch.testing.assert_close(luma(grey), grey, rtol=0, atol=0)
    torch.testing.assert_close(luma(grey[None, None]), grey[None], rtol=0, atol=0)


def test_luma_takes_two_dimensions_of_3_rows_for_greyscale():
    grey = torch.arange(12, dtype=torch.uint8).reshape(3, 4)
    torch.testing.assert_close(luma(grey), grey, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 6), (4, 5, 6), (3, 4, 5, 6)])
def test_other_channel_counts_are_refused(shape):
    image = torch.zeros(shape, dtype=torch.uint8)
    for convert in (luma, rgb2ycbcr):
        with pytest.raises(ValueError, match=rf"3.*shape \({shape[0]},"):
            convert(image)


def test_other_dtypes_are_refused():
    for convert in (luma, rgb2ycbcr):
        with pytest.raises(TypeError, match=r"convert first: torch\.int64"):
            convert(torch.zeros(3, 4, 4, dtype=torch.int64))
