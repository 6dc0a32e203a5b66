"""Parzen windows: the definition as loops, a Gaussian's closed form, the choice of sigma, memory, errors."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmbench.experiments._gan_centroids import centroids
from dmbench.metrics import parzen as module
from dmbench.metrics.parzen import SIGMAS, log_likelihood, parzen
from dmbench.peers.gan import broadcast_parzen, cdist_parzen, scipy_parzen

DOUBLE = torch.float64


def drawn(*shape, seed=0, dtype=DOUBLE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_hand(points, samples, sigma):
    found = []
    for x in points.tolist():
        terms = [
            math.prod(
                math.exp(-((a - b) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
                for a, b in zip(x, y, strict=True)
            )
            for y in samples.tolist()
        ]
        found.append(math.log(sum(terms) / len(terms)))
    return found


@given(st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), st.floats(0.3, 3), st.integers(0, 10**6))
def test_it_is_the_mean_density_of_gaussians_as_printed(n, m, d, sigma, seed):
    points, samples = drawn(n, d, seed=seed), drawn(m, d, seed=seed + 1)
    assert log_likelihood(points, samples, sigma).tolist() == pytest.approx(by_hand(points, samples, sigma), abs=1e-11)


@pytest.mark.parametrize("peer", [broadcast_parzen, cdist_parzen, scipy_parzen])
def test_peers_give_the_same(peer):
    points, samples = drawn(23, 5), drawn(31, 5, seed=1)
    torch.testing.assert_close(log_likelihood(points, samples, 0.4), peer(points, samples, 0.4), rtol=0, atol=1e-9)


def test_blocks_make_no_difference(monkeypatch):
    points, samples = drawn(23, 5), drawn(31, 5, seed=1)
    whole = log_likelihood(points, samples, 0.2)
    monkeypatch.setattr(module, "BLOCK", 4)
    torch.testing.assert_close(log_likelihood(points, samples, 0.2), whole, rtol=0, atol=1e-12)


def test_samples_of_a_gaussian_give_a_wider_gaussian():
    places = (torch.arange(2000, dtype=DOUBLE) + 0.5) / 2000
    samples = 0.7 * torch.special.ndtri(places)[:, None]
    x = torch.linspace(-1, 1, 9, dtype=DOUBLE)[:, None]
    variance = 0.7**2 + 0.5**2
    exact = -(math.log(2 * math.pi * variance) + x[:, 0].square() / variance) / 2
    torch.testing.assert_close(log_likelihood(x, samples, 0.5), exact, rtol=0, atol=1e-3)


def test_far_points_and_narrow_windows_neither_underflow_nor_overflow():
    points = torch.tensor([[0.0], [1e3]], dtype=DOUBLE)
    found = log_likelihood(points, torch.zeros(3, 1, dtype=DOUBLE), 0.01)
    peak = -math.log(0.01 * math.sqrt(2 * math.pi))
    assert found.tolist() == pytest.approx([peak, peak - 1e6 / (2 * 1e-4)], rel=1e-12)


def test_float32_is_close_where_images_are():
    g = torch.Generator().manual_seed(0)
    points, samples = torch.rand(20, 784, generator=g), torch.rand(30, 784, generator=g)
    exact = log_likelihood(points.double(), samples.double(), 0.2)
    torch.testing.assert_close(log_likelihood(points, samples, 0.2).double(), exact, rtol=0, atol=5e-3)


def test_sigma_is_chosen_by_the_validation_points_alone():
    """Validation points lie 0.5 from the samples, test points 0.1: the width of the test points would be another."""
    samples = torch.zeros(1, 1, dtype=DOUBLE)
    validation, test = samples + 0.5, samples + 0.1
    found = parzen(test, validation, samples, (0.1, 0.5, 2.0))
    assert found.sigma == 0.5
    assert found.mean == float(log_likelihood(test, samples, 0.5))
    assert max(range(3), key=lambda k: float(log_likelihood(test, samples, (0.1, 0.5, 2.0)[k]))) == 0
    expected = [float(log_likelihood(validation, samples, s)) for s in (0.1, 0.5, 2.0)]
    assert list(found.validation) == pytest.approx(expected, abs=1e-12)


def test_the_error_is_the_standard_error_over_test_points():
    test, samples = drawn(50, 2), drawn(40, 2, seed=1)
    found = parzen(test, drawn(20, 2, seed=2), samples)
    values = log_likelihood(test, samples, found.sigma)
    mean = float(values.sum()) / 50
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.error == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values.tolist()) / 50 / 50), abs=1e-12)


def test_widths_are_the_authors_logspace():
    assert len(SIGMAS) == 10
    assert list(SIGMAS) == pytest.approx(torch.logspace(-1, 0, 10, dtype=DOUBLE).tolist(), abs=1e-15)


def test_gradients():
    points, samples = drawn(3, 2).requires_grad_(), drawn(4, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, s: log_likelihood(p, s, 0.7), (points, samples))


@pytest.mark.parametrize(
    ("points", "samples", "sigma", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, "need a width sigma above 0: 0.0"),
        (torch.zeros(2, 3), torch.zeros(2, 3), -1, "need a width sigma above 0: -1"),
        (torch.zeros(2, 3), torch.zeros(2, 3), math.nan, "need a width sigma above 0: nan"),
        (torch.zeros(2, 3), torch.zeros(0, 3), 0.1, "at least one point and one sample: 2 and 0"),
        (torch.zeros(0, 3), torch.zeros(2, 3), 0.1, "at least one point and one sample: 0 and 2"),
        (torch.zeros(2, 1, 3), torch.zeros(2, 3), 0.1, "flatten images first"),
        (torch.zeros(2, 3), torch.zeros(2, 4), 0.1, r"\(2, 3\) and \(2, 4\)"),
        (torch.zeros(2, 3).byte(), torch.zeros(2, 3), 0.1, "floating-point points, convert first: torch.uint8"),
        (torch.zeros(2, 3), torch.full((2, 3), math.nan), 0.1, "samples hold values that are not finite"),
    ],
)
def test_what_cannot_be_estimated_is_named(points, samples, sigma, words):
    with pytest.raises(ValueError, match=words):
        log_likelihood(points, samples, sigma)


def test_there_must_be_a_width():
    with pytest.raises(ValueError, match="at least one width"):
        parzen(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1), ())


def test_centroids_are_means_of_what_is_nearest():
    points = torch.tensor([[0.0], [10.0], [1.0], [11.0], [12.0]])
    assert centroids(points, 2, 1).flatten().tolist() == [0.5, 11]
    assert centroids(torch.tensor([[1.0], [1.0], [3.0]]), 2, 1).flatten().tolist() == pytest.approx([5 / 3, 1])
    with pytest.raises(ValueError, match="as many as points: 6 of 5"):
        centroids(points, 6, 1)
