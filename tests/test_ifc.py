"""IFC: the definition block by block in numpy, the filters, limits, errors."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate

from dmbench.metrics.ifc import extended, filters, ifc


def pair(*shape):
    """A smooth field with noise, and the same blurred and rounded, from 0 to 255."""
    generator = torch.Generator().manual_seed(sum(shape))
    noise = torch.rand((2, *shape), generator=generator, dtype=torch.float64)
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in shape[-2:])
    reference = 120 + 60 * torch.sin(rows[:, None] / 4) * torch.cos(columns / 3) + 60 * noise[0]
    blurred = (reference + reference.roll(1, -1) + reference.roll(1, -2)) / 3
    return (blurred + 9 * noise[1]).round(), reference.round()


def oriented(image):
    """The two sub-bands of each of four levels, by dense 2-D filters."""
    lo0, lo, bands = (one[:, 0].numpy() for one in filters())
    low = correlate(image, lo0[0], mode="mirror")
    for _ in range(4):
        yield [correlate(low, band, mode="mirror") for band in bands]
        low = correlate(low, lo[0], mode="mirror")[::2, ::2]


def block_by_block(image, reference):
    """The release's estimators, one 3x3 block at a time."""
    bits = 0.0
    levels = zip(oriented(image), oriented(reference), strict=True)
    for window, offset, (image_bands, reference_bands) in zip((17, 9, 5, 3), (3, 2, 1, 1), levels, strict=True):
        for d, c in zip(image_bands, reference_bands, strict=True):
            height, width = c.shape[0] // 3, c.shape[1] // 3
            c, d = c[: 3 * height, : 3 * width], d[: 3 * height, : 3 * width]
            reach = window // 2
            wide_c, wide_d = (np.pad(one, reach, mode="reflect") for one in (c, d))

            overlapping = [c[i : i + 3, j : j + 3].ravel() for i in range(3 * height - 2) for j in range(3 * width - 2)]
            covariance = np.cov(np.array(overlapping).T, bias=True)
            inverse, eigenvalues = np.linalg.inv(covariance), np.linalg.eigvalsh(covariance)

            for i in range(offset, height - offset):
                for j in range(offset, width - offset):
                    block = c[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].ravel()
                    s = block @ inverse @ block / 9
                    y, x = 3 * i + 1, 3 * j + 1  # the centre; padded, the window's first pixel
                    around_c, around_d = (one[y : y + window, x : x + window].ravel() for one in (wide_c, wide_d))
                    (var_c, cov), (_, var_d) = np.cov(around_c, around_d, bias=True)
                    g = cov / var_c
                    noise = var_d - g * cov
                    if g > 0:
                        ratio = g * g * s * eigenvalues / (noise + 1e-10)
                        bits += np.log2(1 + ratio).sum()
    return bits / image.size


@pytest.mark.parametrize("shape", [(65, 65), (66, 71), (80, 67)])
def test_ifc_is_the_definition_block_by_block(shape):
    image, reference = pair(*shape)
    expected = block_by_block(image.numpy(), reference.numpy())
    actual = ifc(image, reference, extend=False).item()
    assert actual == pytest.approx(expected, rel=0, abs=1e-9)


@pytest.mark.parametrize("shape", [(129, 128), (101, 140), (130, 97)])
def test_extending_mirrors_to_multiples_of_32_and_fills_the_corners(shape):
    _, reference = pair(*shape)
    (height, width), rows = shape, [max(128, 32 * math.ceil(side / 32)) for side in shape]
    top, left = ((full - side + 1) // 2 for full, side in zip(rows, shape, strict=True))

    def mirrored(place, length):
        return -place if place < 0 else 2 * length - 2 - place if place >= length else place

    def inner(place, length):
        return 1 if place < 0 else length - 2

    expected = np.empty(rows)
    for y in range(rows[0]):
        for x in range(rows[1]):
            i, j = y - top, x - left
            outside = not 0 <= i < height, not 0 <= j < width
            fold = inner if all(outside) else mirrored
            expected[y, x] = reference[fold(i, height), fold(j, width)]
    actual = extended(reference[None, None])[0, 0]
    torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=0, atol=0)


def test_ifc_extends_unless_told():
    image, reference = pair(70, 90)
    larger = [extended(one[None, None])[0, 0] for one in (image, reference)]
    torch.testing.assert_close(ifc(image, reference), ifc(*larger, extend=False), rtol=0, atol=1e-12)


def test_an_image_of_128_by_160_needs_no_extending():
    image, reference = pair(128, 160)
    unextended = ifc(image, reference, extend=False)
    torch.testing.assert_close(ifc(image, reference), unextended, rtol=0, atol=0)


# Of the whole 2-D arrays of pyrtools 1.1.1, python -c "from pyrtools.pyramids.filters import
# parse_filter as p; f = p('sp5_filters', normalize=False); ..." with f['lo0filt'], f['lofilt'],
# f['bfilts'][:, 0]: sum, sum of squares, and for the band the first moment along its rows.
def test_the_filters_are_those_of_pyrtools():
    lo0, lo, bands = filters()
    sums = [lo0.sum(), lo.sum(), bands[0].sum(), bands[1].sum()]
    assert [one.item() for one in sums] == pytest.approx([0.99917984, 2.00000016, 0, 0], abs=1e-14)
    squares = [one.square().sum().item() for one in (lo0, lo, bands[0], bands[1])]
    expected = [0.2842729685243812, 0.2854951106334319, 0.06256761387810461, 0.06256761387810461]
    assert squares == pytest.approx(expected, rel=0, abs=1e-15)
    moments = (bands[:, 0] * torch.arange(7).double()).sum((1, 2)).abs()
    assert moments.tolist() == pytest.approx([0.36920632, 0], rel=0, abs=1e-14)


def test_the_bands_see_one_orientation_each():
    waves = torch.sin(torch.arange(64.0).double()).repeat(64, 1).numpy()
    across, along = next(oriented(waves))
    assert np.abs(across).mean() > 0.1
    assert np.abs(along[8:-8]).max() < 1e-14


def test_each_plane_has_its_own_value():
    image, reference = pair(2, 3, 66, 70)
    together = ifc(image, reference)
    assert together.shape == (2, 3)
    alone = ifc(image[1, 2], reference[1, 2])
    torch.testing.assert_close(together[1, 2], alone, rtol=0, atol=1e-10)


def test_integers_are_computed_in_float64():
    image, reference = pair(70, 70)
    expected = ifc(image, reference)
    actual = ifc(image.to(torch.uint8), reference.to(torch.uint8))
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_a_sub_band_that_is_flat_holds_no_information():
    image, _ = pair(70, 70)
    assert ifc(image, torch.full_like(image, 90)).item() == pytest.approx(0, abs=1e-9)


def test_a_flat_image_tells_nothing():
    _, reference = pair(70, 70)
    assert ifc(torch.full_like(reference, 90), reference).item() == pytest.approx(0, abs=1e-9)


def test_a_negative_tells_nothing():
    _, reference = pair(70, 70)
    assert ifc(255 - reference, reference).item() == pytest.approx(0, abs=1e-9)


def test_identical_images_score_a_large_finite_value():
    _, reference = pair(70, 70)
    assert 25 < ifc(reference, reference).item() < 100


def test_the_order_matters():
    image, reference = pair(70, 70)
    assert abs(ifc(image, reference) - ifc(reference, image)) > 0.1


@pytest.mark.parametrize("shape", [(64, 200), (200, 64), (200,)])
def test_an_image_that_is_too_small_is_refused(shape):
    with pytest.raises(ValueError, match="at least 65x65"):
        ifc(torch.zeros(shape), torch.zeros(shape))


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape: \(70, 70\) and \(70, 71\)"):
        ifc(torch.zeros(70, 70), torch.zeros(70, 71))
