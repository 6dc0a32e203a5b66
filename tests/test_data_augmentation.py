"""Data augmentation: crops, colours and views as loops, what draws do, Pillow's enhancers, limits, errors."""

import collections

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from dmbench import check
from dmbench.experiments._data_augmentation_pictures import draws, views
from dmbench.peers import data_augmentation as peers
from dmbench.regularizers.data_augmentation import (
    adjust,
    alter_colour,
    average_views,
    colour_axes,
    crop,
    flip,
    jitter,
    random_crop,
    ten_views,
)

few = settings(deadline=None, max_examples=25, derandomize=True)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64)


@few
@given(
    st.integers(1, 3), st.tuples(st.integers(1, 4), st.integers(1, 4)), st.tuples(st.integers(0, 3), st.integers(0, 3))
)
def test_a_crop_is_each_pixel_by_its_own_offset(count, size, spare):
    x = pictures(count, 2, size[0] + spare[0], size[1] + spare[1])
    top, left = (torch.randint(s + 1, (count,), generator=seeded(s)) for s in spare)
    y = crop(x, top, left, size)
    for n in range(count):
        for i in range(size[0]):
            for j in range(size[1]):
                assert torch.equal(y[n, :, i, j], x[n, :, top[n] + i, left[n] + j])
    assert torch.equal(peers.sliced_crop(x, top, left, size), y)


def test_random_crops_begin_at_every_place_alike_rows_and_columns_apart():
    x = torch.arange(12.0).view(1, 1, 3, 4).expand(9000, 1, 3, 4)
    corners = collections.Counter(random_crop(x, 2, generator=seeded())[:, 0, 0, 0].tolist())
    assert sorted(corners) == [0, 1, 2, 4, 5, 6]
    assert all(abs(count - 1500) < 150 for count in corners.values())  # four standard deviations are 141


def test_padding_is_zeros_all_around():
    x = torch.ones(4000, 1, 2, 2)
    sums = collections.Counter(random_crop(x, 2, padding=1, generator=seeded()).sum((1, 2, 3)).tolist())
    # Of nine windows one holds all four pixels, four hold two, four hold one.
    assert {total: round(9 * count / 4000) for total, count in sums.items()} == {4: 1, 2: 4, 1: 4}


def test_a_reflection_turns_columns_and_nothing_else_each_picture_by_itself():
    x = pictures(200, 2, 3, 4)
    y = flip(x, generator=seeded())
    turned = [not torch.equal(a, b) for a, b in zip(x, y, strict=True)]
    assert 60 < sum(turned) < 140
    for a, b, was in zip(x, y, turned, strict=True):
        assert torch.equal(b, a[:, :, [3, 2, 1, 0]] if was else a)
    assert torch.equal(flip(x, 0), x)
    assert torch.equal(flip(flip(x, 1), 1), x)


def test_whole_numbers_may_be_cropped_and_reflected():
    x = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    assert flip(random_crop(x, 2, 1), 1).dtype == torch.uint8


def test_colour_axes_are_those_of_numpys_covariance():
    x = pictures(3, 3, 4, 5) * torch.tensor([1.0, 2, 0.5])[:, None, None]
    values, vectors = colour_axes(x)
    covariance = np.cov(x.permute(1, 0, 2, 3).reshape(3, -1).numpy(), ddof=0)
    np.testing.assert_allclose(vectors @ values.diag() @ vectors.T, covariance, rtol=0, atol=1e-14)
    assert values.tolist() == sorted(values.tolist(), reverse=True)


def test_colours_move_alike_in_all_pixels_of_a_picture_by_the_papers_sum():
    x, values = pictures(2, 3, 2, 2), torch.tensor([3.0, 2.0, 0.5], dtype=torch.float64)
    vectors = torch.linalg.qr(pictures(3, 3)).Q
    y = alter_colour(x, values, vectors, deviation=0.2, generator=seeded(4))
    draws = 0.2 * torch.randn(2, 3, generator=seeded(4), dtype=torch.float64)
    for n in range(2):
        shift = sum(vectors[:, i] * draws[n, i] * values[i] for i in range(3))
        for pixel in y[n].flatten(1).T - x[n].flatten(1).T:
            torch.testing.assert_close(pixel, shift, rtol=0, atol=1e-14)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize(("which", "enhancer"), [(0, "Brightness"), (1, "Contrast"), (2, "Color")])
def test_adjusting_is_pillows_enhancing_but_for_its_rounding(which, enhancer, factor):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    theirs = np.asarray(getattr(ImageEnhance, enhancer)(Image.fromarray(pixels)).enhance(factor))
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
    factors = [torch.tensor([factor if i == which else 1.0], dtype=torch.float64) for i in range(3)]
    ours = 255 * adjust(x, *factors)[0].permute(1, 2, 0)
    # Pillow rounds its greys to whole numbers, and cuts off the result.
    np.testing.assert_allclose(ours, theirs.astype(float), rtol=0, atol=1.6)


def test_adjusting_by_one_changes_nothing_and_each_picture_has_its_own_factor():
    x, one = pictures(2, 3, 4, 4), torch.ones(2, dtype=torch.float64)
    torch.testing.assert_close(adjust(x, one, one, one), x, rtol=0, atol=1e-15)
    y = adjust(x, torch.tensor([0.5, 1.0]), one, one)
    torch.testing.assert_close(y, torch.stack([x[0] / 2, x[1]]), rtol=0, atol=1e-15)


def test_the_order_of_adjusting_counts_and_results_stay_colours():
    x, factors = pictures(1, 3, 4, 4), [torch.tensor([1.5]), torch.tensor([0.5]), torch.tensor([1.4])]
    a, b = adjust(x, *factors), adjust(x, *factors, order=(1, 0, 2))
    assert (a - b).abs().max() > 0.05
    one = torch.ones(1)
    twice = adjust(adjust(x, one, factors[1], one), factors[0], one, factors[2])
    torch.testing.assert_close(b, twice, rtol=0, atol=1e-15)
    assert 0 <= a.min() <= a.max() <= 1


def test_jitter_draws_factors_from_its_reach():
    x = torch.full((5000, 3, 1, 1), 0.4)  # grey: neither contrast nor saturation changes it
    factors = jitter(x, 0.5, seeded())[:, 0, 0, 0] / 0.4
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5
    assert factors.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(jitter(x, 0), x)


def test_ten_views_are_the_corners_the_centre_and_their_reflections():
    x = pictures(2, 3, 6, 8)
    y = ten_views(x, (4, 3))
    for k, (i, j) in enumerate([(0, 0), (0, 5), (2, 0), (2, 5), (1, 2)]):
        view = x[:, :, i : i + 4, j : j + 3]
        assert torch.equal(y[:, k], view)
        assert torch.equal(y[:, 5 + k], view.flip(3))


def test_views_of_the_whole_picture_are_it_and_its_reflection():
    x = pictures(1, 1, 3, 3)
    assert torch.equal(
        ten_views(x, 3), torch.cat([x.expand(1, 5, 1, 3, 3)[0], x.flip(3).expand(1, 5, 1, 3, 3)[0]])[None]
    )


def test_averaging_keeps_pictures_and_views_apart():
    views = pictures(2, 3, 4, 1, 1)
    y = average_views(lambda x: x.flatten(1), views)
    for n in range(2):
        expected = sum(views[n, v, :, 0, 0].exp() / views[n, v].exp().sum() for v in range(3)) / 3
        torch.testing.assert_close(y[n], expected, rtol=0, atol=1e-15)


def test_gradients():
    x, factors = (
        pictures(2, 3, 4, 4).requires_grad_(),
        [torch.full((2,), f, dtype=torch.float64) for f in (0.8, 0.7, 0.6)],
    )
    assert torch.autograd.gradcheck(lambda x: adjust(x, *factors), x)
    assert torch.autograd.gradcheck(lambda x: ten_views(crop(x, torch.tensor([0, 1]), torch.tensor([1, 0]), 3), 2), x)


@pytest.mark.parametrize("cut", [random_crop, ten_views])
@pytest.mark.parametrize(("size", "said"), [(5, "5 x 5"), ((3, 5), "3 x 5"), (0, "0 x 0")])
def test_a_crop_larger_than_the_picture_is_refused(cut, size, said):
    with pytest.raises(ValueError, match=f"a window of {said} does not lie inside a picture of 4 x 4"):
        cut(torch.zeros(1, 3, 4, 4), size)


def test_padding_makes_room_for_a_larger_crop():
    assert random_crop(torch.zeros(1, 3, 4, 4), 6, padding=1).shape == (1, 3, 6, 6)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 4, 4)])
def test_what_is_no_batch_of_colour_pictures_is_refused(shape):
    with pytest.raises(ValueError, match=r"need pictures \(N, 3, H, W\)"):
        adjust(torch.zeros(shape), *torch.ones(3, 1))
    with pytest.raises(ValueError, match=r"need pictures \(N, 3, H, W\)"):
        colour_axes(torch.zeros(shape))


def test_what_does_not_fit_is_refused_in_one_line():
    x = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match=r"need pictures \(N, C, H, W\): \(2, 2\)"):
        flip(x[0, 0])
    with pytest.raises(ValueError, match="need a probability from 0 to 1: 1.5"):
        flip(x, 1.5)
    with pytest.raises(ValueError, match="need a reach from 0 to 1: 2"):
        jitter(x, 2)
    with pytest.raises(ValueError, match=r"need axes \(3\) and \(3, 3\): \(2,\), \(3, 3\)"):
        alter_colour(x, torch.ones(2), torch.eye(3))
    with pytest.raises(TypeError, match="need floating-point colours, divide by 255 first: torch.uint8"):
        colour_axes(x.byte())


def test_slices_meet_the_contract():
    assert check("data_augmentation", numbers="variants_cifar", crop=peers.sliced_crop)


@pytest.mark.parametrize("part", ["crop", "ten_views", "adjust"])
def test_torchvision_agrees_where_it_loads(part):
    x = pictures(2, 3, 8, 6).float()
    given = {
        "crop": (torch.tensor([0, 3]), torch.tensor([1, 2]), 4),
        "ten_views": (4,),
        "adjust": (torch.tensor([0.7, 1.2]), torch.tensor([1.3, 0.6]), torch.tensor([0.5, 1.5])),
    }[part]
    try:
        theirs = getattr(peers, f"torchvision_{part}")(x, *given)
    except NotImplementedError as error:
        pytest.skip(str(error))
    torch.testing.assert_close(
        {"crop": crop, "ten_views": ten_views, "adjust": adjust}[part](x, *given), theirs, rtol=0, atol=1e-3
    )


class Drawing:
    """As much of a context as figures need."""

    def __init__(self, artifact):
        self.files = artifact


@pytest.mark.data
@pytest.mark.parametrize(("figure", "shape"), [(draws, (6, 10)), (views, (2, 10))])
def test_the_report_shows_pictures_in_rows_the_original_first(artifact, figure, shape):
    places = figure(Drawing(artifact)).axes
    assert len(places) == shape[0] * shape[1]
    shown = [np.asarray(place.images[0].get_array()) for place in places]
    if figure is draws:
        assert all(np.array_equal(shown[0], shown[10 * row]) for row in (1, 2))
        assert not any(np.array_equal(shown[0], one) for one in shown[10:20][1:])
    else:
        assert np.array_equal(shown[0], shown[5][:, ::-1])
