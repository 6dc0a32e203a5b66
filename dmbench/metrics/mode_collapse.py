"""Mode collapse where the modes are known: how many a generator finds, how many samples are good, how they spread.

Source: Srivastava et al. (2017), VEEGAN, arXiv:1705.07761, section 4.1: a sample is of high quality within three
standard deviations of the nearest mode; a mode is found if it is nearest to at least one such sample. Stacked MNIST:
Metz et al. (2017), Unrolled GAN, arXiv:1611.02163, section 3.3.1: 1,000 modes, by a classifier of each digit, and the
Kullback-Leibler divergence from the even distribution.

Shapes: N samples, M modes, D dimensions.
"""

from math import log
from typing import NamedTuple

import torch
from torch import Tensor


class Collapse(NamedTuple):
    """Modes found; the share of samples of high quality, 0 to 1; KL(found || even) of these, nats, 0 to log M."""

    modes: int
    high_quality: float
    divergence: float


def mode_collapse(samples: Tensor, centres: Tensor, std: float, within: float = 3.0) -> Collapse:
    """Score samples (N, D) of a mixture of Gaussians around centres (M, D), alike in weight.

    Args: std: of each mode, above 0. within: how many of them a good sample may be away.

    Returns: the divergence is infinite where no sample is good.

    Raises: ValueError: no samples, shapes that do not fit, a number out of range, or a sample that is NaN.
    """
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1] or not len(centres):
        raise ValueError(f"need samples (N, D) and centres (M, D): {tuple(samples.shape)} and {tuple(centres.shape)}")
    if not len(samples):
        raise ValueError("need at least one sample: draw some from the generator")
    if not (std > 0 and within > 0):
        raise ValueError(f"need a standard deviation and a reach above 0: {std} and {within}")
    if bool(samples.isnan().any()):
        raise ValueError("samples hold NaN: the generator has diverged")
    # Not by matrix products, whose rounding is of the size of a narrow mode.
    distance = torch.cdist(samples.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distance.min(1)
    good = nearest.indices[nearest.values <= within * std]
    counts = torch.bincount(good, minlength=len(centres))
    return Collapse(int((counts > 0).sum()), len(good) / len(samples), _from_even(counts))


def stacked_modes(labels: Tensor, classes: int = 10) -> Collapse:
    """Score the classes (N, channels) that a classifier gives to each digit of stacked samples.

    Returns: `high_quality` is 1, since a classifier always decides.

    Raises: ValueError: no samples, or a class out of range.
    """
    if labels.ndim != 2 or not len(labels):
        raise ValueError(f"need classes (N, channels) of at least one sample: {tuple(labels.shape)}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"need classes from 0 to {classes - 1}: {int(labels.min())} to {int(labels.max())}")
    place = classes ** torch.arange(labels.shape[1] - 1, -1, -1, device=labels.device)
    counts = torch.bincount((labels * place).sum(1), minlength=classes ** labels.shape[1])
    return Collapse(int((counts > 0).sum()), 1.0, _from_even(counts))


def _from_even(counts: Tensor) -> float:
    total = int(counts.sum())
    if not total:
        return float("inf")
    share = counts.double() / total
    return log(len(counts)) + float(torch.xlogy(share, share).sum())
