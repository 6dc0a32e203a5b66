"""Parzen windows: the likelihood of data under Gaussians of one width around a generator's samples.

Source: Breuleux, Bengio and Vincent (2011), Quickly Generating Representative Samples from an RBM-Derived Process;
as Goodfellow et al. (2014), arXiv:1406.2661, section 5, use it, and goodfeli/adversarial, parzen_ll.py, computes it:
    log p(x) = log 1/M sum_j exp(-||x - y_j||^2 / (2 sigma^2)) - D log(sigma sqrt(2 pi))
where sigma is the one of ten from 0.1 to 1, evenly on a logarithmic scale, that is best for 1,000 validation points.
The +- of the paper's table is the standard error over test points.
Theis, van den Oord and Bethge (2016), arXiv:1511.01844, show that it prefers k-means centroids to real data.

Shapes: N points, M samples, D values each, S widths.
"""

from collections.abc import Sequence
from math import log, pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

SIGMAS = tuple(10 ** (k / 9 - 1) for k in range(10))
BLOCK = 1000  # points and samples whose distances are held at a time: 4 MB, and as much again for their exponentials


class Estimate(NamedTuple):
    """Mean log-likelihood of the test points and its standard error, nats; the width that validation chose.

    validation: the mean log-likelihood of the validation points under each width.
    """

    mean: float
    error: float
    sigma: float
    validation: tuple[float, ...]


def parzen(test: Tensor, validation: Tensor, samples: Tensor, sigmas: Sequence[float] = SIGMAS) -> Estimate:
    """Choose the width by the validation points, and estimate the test points' likelihood with it.

    Args:
        test, validation: (N, D) and (N', D); apart from each other, or the estimate is too high.
        samples: (M, D), of the generator. sigmas: widths to choose from, above 0, in the unit of the data.

    Raises:
        ValueError: as `log_likelihood`, or there is no width to choose from.
    """
    if not len(sigmas):
        raise ValueError("need at least one width sigma to choose from")
    scores = _log_likelihoods(validation, samples, sigmas).double().mean(1).tolist()
    sigma = sigmas[max(range(len(sigmas)), key=scores.__getitem__)]
    found = log_likelihood(test, samples, sigma).double()
    return Estimate(float(found.mean()), float(found.std(correction=0)) / sqrt(len(found)), sigma, tuple(scores))


def log_likelihood(points: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Return log p of each point (N), nats, under Gaussians of width sigma around the samples.

    Distances are computed in the dtype of the inputs, in blocks: memory does not grow with N M. Their rounding, some
    1e-7 of the squared spread of the data in float32, is divided by 2 sigma^2: take float64 for narrow widths.

    Args: points: (N, D), samples: (M, D), floating point, of one dtype and device. sigma: above 0.

    Raises:
        ValueError: sigma is not above 0, no points or samples, shapes that do not fit, or a value that is not finite.
    """
    return _log_likelihoods(points, samples, (sigma,))[0]


def _log_likelihoods(points: Tensor, samples: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return log p (S, N) under each width; distances are computed once for all of them."""
    _check(points, samples, sigmas)
    centre = samples.mean(0)
    samples = samples - centre
    lengths = samples.square().sum(1)
    found = [_of_block(block - centre, samples, lengths, sigmas) for block in torch.split(points, BLOCK)]
    return torch.cat(found, 1)


def _of_block(points: Tensor, samples: Tensor, lengths: Tensor, sigmas: Sequence[float]) -> Tensor:
    own = points.square().sum(1, keepdim=True)
    nearest = points.new_full((len(points), 1), torch.inf)
    sums = [torch.zeros_like(nearest) for _ in sigmas]
    for others, length in zip(torch.split(samples, BLOCK), torch.split(lengths, BLOCK), strict=True):
        distances = torch.addmm(length[None], points, others.T, alpha=-2).add_(own).clamp_min_(0)
        # Relative to the nearest sample so far, whose term is 1: no sum underflows to log 0.
        before, nearest = nearest, torch.minimum(nearest, distances.min(1, keepdim=True).values)
        for k, sigma in enumerate(sigmas):
            sums[k] *= ((nearest - before) / (2 * sigma**2)).exp()
            sums[k] += ((nearest - distances) / (2 * sigma**2)).exp_().sum(1, keepdim=True)
    width = points.shape[1]
    terms = [
        total.log() - nearest / (2 * sigma**2) - log(len(samples)) - width * log(sigma * sqrt(2 * pi))
        for sigma, total in zip(sigmas, sums, strict=True)
    ]
    return torch.cat(terms, 1).T


def _check(points: Tensor, samples: Tensor, sigmas: Sequence[float]) -> None:
    for sigma in sigmas:
        if not 0 < sigma < float("inf"):
            raise ValueError(f"need a width sigma above 0: {sigma}")
    if points.ndim != 2 or samples.ndim != 2 or points.shape[1] != samples.shape[1]:
        shapes = f"{tuple(points.shape)} and {tuple(samples.shape)}"
        raise ValueError(f"need points (N, D) and samples (M, D), flatten images first: {shapes}")
    if not len(points) or not len(samples):
        raise ValueError(f"need at least one point and one sample: {len(points)} and {len(samples)}")
    for name, values in (("points", points), ("samples", samples)):
        if not values.is_floating_point():
            raise ValueError(f"need floating-point {name}, convert first: {values.dtype}")
        if not bool(values.isfinite().all()):
            raise ValueError(f"{name} hold values that are not finite: has the generator diverged?")
