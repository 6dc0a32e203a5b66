"""Preprocessing: statistics as loops, numpy's decompositions, what whitening is and does not touch, limits, errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments._preprocessing_pictures import whitened
from dmbench.peers.preprocessing import numpy_whitening
from dmbench.regularizers.preprocessing import components_for, fit_pca, fit_standard, fit_whitening

few = settings(deadline=None, max_examples=20, derandomize=True)
KINDS = pytest.mark.parametrize("kind", ["pca", "zca"])


def correlated(count=60, values=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(values, values, generator=generator, dtype=torch.float64)
    return torch.randn(count, values, generator=generator, dtype=torch.float64) @ mixing + 2


def covariance(x):
    return torch.from_numpy(np.cov(x.flatten(1).T.numpy(), ddof=0))


@few
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["channel", "value"]))
def test_mean_and_deviation_are_those_of_loops(count, channels, side, per):
    x = torch.randn(count + 1, channels, side, 2, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    y = fit_standard(x, per)(x)
    for c in range(channels):
        for i in range(side):
            for j in range(2):
                seen = x[:, c].flatten() if per == "channel" else x[:, c, i, j]
                mean = sum(v.item() for v in seen) / len(seen)
                deviation = math.sqrt(sum((v.item() - mean) ** 2 for v in seen) / len(seen))
                expected = (x[:, c, i, j] - mean) / deviation
                torch.testing.assert_close(y[:, c, i, j], expected, rtol=1e-12, atol=1e-12)


def test_without_scale_only_the_mean_picture_goes():
    x = torch.rand(5, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(fit_standard(x, "value", scale=False)(x), x - x.mean(0), rtol=0, atol=1e-15)


@KINDS
def test_whitened_training_data_have_the_identity_as_covariance(kind):
    x = correlated()
    y = fit_whitening(x, kind, 0)(x)
    torch.testing.assert_close(covariance(y), torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(y.mean(0), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)


@KINDS
@pytest.mark.parametrize("eps", [1e-5, 0.1, 10.0])
def test_numpys_lines_of_the_notes_agree(kind, eps):
    x, y = correlated(), correlated(7, seed=1)
    mine, theirs = (fit(x, kind, eps)(y) for fit in (fit_whitening, numpy_whitening))
    if kind == "pca":  # each axis has either sign
        mine, theirs = mine.abs(), theirs.abs()
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_zca_is_the_inverse_root_of_the_covariance_and_symmetric():
    x = correlated()
    matrix = fit_whitening(x, "zca", 0).matrix
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-13)
    torch.testing.assert_close(matrix @ matrix @ covariance(x), torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-11)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_no_rotation_of_zca_stays_closer_to_the_data():
    x = correlated()
    centred, y = x - x.mean(0), fit_whitening(x, "zca", 0)(x)
    closest = (y - centred).square().sum()
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
        assert (y @ turn - centred).square().sum() > closest
    assert (fit_whitening(x, "pca", 0)(x) - centred).square().sum() > closest


def test_zca_turns_pca_whitening_back():
    x = correlated()
    pca, zca = (fit_whitening(x, kind, 0.3) for kind in ("pca", "zca"))
    axes = fit_pca(x).back
    torch.testing.assert_close(zca(x), pca(x) @ axes.T, rtol=0, atol=1e-12)


@KINDS
def test_eps_leaves_v_over_v_plus_eps_of_each_variance(kind):
    x = correlated()
    fitted = fit_whitening(x, kind, 0.5)
    left = torch.linalg.eigvalsh(covariance(fitted(x))).flip(0)
    torch.testing.assert_close(left, fitted.variances / (fitted.variances + 0.5), rtol=0, atol=1e-12)


@KINDS
def test_whitening_is_undone_by_restore_also_of_examples_never_seen(kind):
    x, y = correlated(), correlated(5, seed=3)
    fitted = fit_whitening(x, kind, 0.1)
    torch.testing.assert_close(fitted.restore(fitted(y)), y, rtol=0, atol=1e-12)


def test_pca_keeps_the_axes_of_largest_variance():
    x = correlated()
    fitted = fit_pca(x, 2)
    values = np.linalg.eigvalsh(covariance(x).numpy())[::-1].copy()
    np.testing.assert_allclose(fitted.variances, values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(covariance(fitted(x)), np.diag(values[:2]), rtol=0, atol=1e-12)
    lost = (fitted.restore(fitted(x)) - x).square().sum(1).mean()
    assert lost.item() == pytest.approx(values[2:].sum(), abs=1e-12)


def test_test_data_have_no_part_in_what_is_fitted():
    x, y = correlated(), correlated(9, seed=5) + 4
    for fitted in (fit_standard(x, "value"), fit_whitening(x), fit_pca(x)):
        apart = torch.cat([fitted(y[:4]), fitted(y[4:])])
        torch.testing.assert_close(fitted(y), apart, rtol=0, atol=1e-13)
        assert fitted(y).mean().abs() > 0.1


@pytest.mark.parametrize("value", [0.0, 0.1, 7.3, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_channel_that_never_changes_becomes_zero_whatever_its_value(value, dtype):
    x = torch.rand(50, 2, 3, dtype=dtype)
    x[:, 1] = value
    for per in ("channel", "value"):
        y = fit_standard(x, per)(x)
        assert not y[:, 1].any()
        assert y[:, 0].abs().max() > 1


@KINDS
@pytest.mark.parametrize("eps", [0, 1e-5])
def test_an_axis_without_variance_is_dropped_and_not_blown_up(kind, eps):
    x = correlated()
    x = torch.cat([x, torch.full((60, 1), 0.1), x[:, :1] + x[:, 1:2]], 1)  # a constant, and a sum of others
    fitted = fit_whitening(x, kind, eps)
    left = torch.linalg.eigvalsh(covariance(fitted(x))).flip(0)
    torch.testing.assert_close(left[:4], torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-3)
    torch.testing.assert_close(left[4:], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-9)
    off = x.clone()
    off[:, 4] += 1  # along the dropped axis
    torch.testing.assert_close(fitted(off), fitted(x), rtol=0, atol=1e-6)


def test_fewer_examples_than_values_leave_no_more_axes_than_examples_but_one():
    x = correlated(4, 9)
    y = fit_whitening(x, "zca", 0)(x)
    assert torch.linalg.matrix_rank(covariance(y), tol=1e-6) == 3


def test_pictures_stay_pictures_under_zca_and_become_rows_under_pca():
    x = torch.rand(30, 3, 2, 2, dtype=torch.float64)
    assert fit_whitening(x, "zca")(x[:4]).shape == (4, 3, 2, 2)
    assert fit_whitening(x, "pca")(x[:4]).shape == (4, 12)
    assert fit_pca(x, 5)(x[:4]).shape == (4, 5)


def test_components_for_a_share_are_counted_until_it_is_reached():
    variances = torch.tensor([4.0, 3.0, 2.0, 1.0])
    shares = {0.3: 1, 0.4: 1, 0.41: 2, 0.7: 2, 0.9: 3, 0.95: 4, 1.0: 4}
    assert {share: components_for(variances, share) for share in shares} == shares


@pytest.mark.parametrize("fit", [fit_standard, fit_whitening, fit_pca])
def test_examples_that_are_none_are_refused(fit):
    with pytest.raises(ValueError, match=r"need [12] or more training examples \(N, ...\): \(0, 3\)"):
        fit(torch.ones(0, 3))
    with pytest.raises(ValueError, match="2 of the training values are not finite"):
        fit(torch.tensor([[1.0, math.nan], [math.inf, 2.0]]))
    with pytest.raises(TypeError, match="need floating-point examples, convert first: torch.uint8"):
        fit(torch.ones(4, 3, dtype=torch.uint8))


def test_what_does_not_fit_is_refused_in_one_line():
    x = correlated()
    with pytest.raises(ValueError, match="per must be channel or value: pixel"):
        fit_standard(x, "pixel")
    with pytest.raises(ValueError, match="need a kind of pca or zca, and eps of at least 0: lda, 0.1"):
        fit_whitening(x, "lda", 0.1)
    with pytest.raises(ValueError, match="need a kind of pca or zca, and eps of at least 0: zca, -1"):
        fit_whitening(x, "zca", -1)
    for components in (0, 5):
        with pytest.raises(ValueError, match=f"need 1 to 4 components: {components}"):
            fit_pca(x, components)
    with pytest.raises(ValueError, match="fitted on 4 values an example, not on 3"):
        fit_pca(x)(x[:, :3])
    with pytest.raises(ValueError, match=r"fitted on examples of mean \(4,\), not on \(3,\)"):
        fit_standard(x)(x[:, :3])
    with pytest.raises(ValueError, match="need a share above 0, up to 1: 95"):
        components_for(torch.ones(3), 95)


def test_numpy_meets_the_contract_where_no_axis_lacks_variance():
    assert check("preprocessing", numbers="zca_*", fit_whitening=numpy_whitening)


@pytest.mark.data
def test_the_report_shows_whitened_patches_with_sharper_edges(artifact):
    class Drawing:
        files = staticmethod(artifact)

    shown = [np.asarray(place.images[0].get_array()) for place in whitened(Drawing()).axes]
    assert len(shown) == 50

    def neighbours(row):
        """The correlation of pixels beside each other in a row of patches."""
        patches = np.stack(shown[10 * row : 10 * row + 10])
        return np.corrcoef(patches[:, :, 1:].ravel(), patches[:, :, :-1].ravel())[0, 1]

    assert neighbours(2) > neighbours(0) > 0.8 > 0.5 > abs(neighbours(3))
