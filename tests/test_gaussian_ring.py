"""Gaussian mixtures: where the centres are, how samples spread, errors."""

import math

import pytest
import torch

from dmbench.datasets.gaussian_ring import draw, grid, ring


def test_a_ring_is_evenly_on_its_circle():
    found = ring(8, 2.0)
    expected = [[2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)] for k in range(8)]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-6)


def test_a_grid_is_even_and_centred():
    assert grid(2, 2.0).tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    found = grid()
    assert found.shape == (25, 2)
    assert sorted(set(found.flatten().tolist())) == [-4, -2, 0, 2, 4]


def test_samples_are_even_over_modes_and_normal_around_them():
    centres = ring(4, 10.0)
    samples = draw(centres, 0.5, 40_000, torch.Generator().manual_seed(0))
    nearest = torch.cdist(samples, centres).argmin(1)
    assert (torch.bincount(nearest) - 10_000).abs().max() < 5 * math.sqrt(40_000 * 3 / 16)
    off = samples - centres[nearest]
    torch.testing.assert_close(off.std(0), torch.tensor([0.5, 0.5]), rtol=0, atol=0.01)
    torch.testing.assert_close(off.mean(0), torch.zeros(2), rtol=0, atol=0.01)


def test_without_deviation_samples_are_centres_and_the_seed_fixes_them():
    first, again = (draw(ring(), 0.0, 50, torch.Generator().manual_seed(3)) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert float(torch.cdist(first, ring()).min(1).values.max()) < 1e-6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ring(0), "at least one mode and a radius above 0: 0 and 1.0"),
        (lambda: ring(8, 0.0), "8 and 0.0"),
        (lambda: grid(0), "at least one mode a side"),
        (lambda: draw(ring(), -1, 5), "at least 0: -1"),
        (lambda: draw(ring(), 1, 0), r"\(8, 2\) and 0"),
    ],
)
def test_what_cannot_be_drawn_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
