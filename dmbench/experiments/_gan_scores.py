"""What generators are scored by: Parzen windows on MNIST, and modes of rings and grids.

Shapes: N digits, as (N, 784) in [0, 1].
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dmbench.datasets.gaussian_ring import draw, grid, ring
from dmbench.experiments._digits_training import read_digits
from dmbench.harness.experiment import Context
from dmbench.metrics.mode_collapse import Collapse, mode_collapse
from dmbench.metrics.parzen import Estimate, parzen

TRAINED_ON = 50_000  # digits; the last 10,000 of the training set are for validation, as in the authors' file
VALIDATION = 1000  # digits that choose sigma: the default of the authors' parzen_ll.py
SAMPLES = 10_000


class Flat(NamedTuple):
    """Digits as rows (N, 784)."""

    train: Tensor
    validation: Tensor
    test: Tensor


def flat_digits(ctx: Context) -> Flat:
    """Read MNIST's digits to the context's device."""
    train, test = (read_digits(ctx, part).images.flatten(1) for part in ("train", "test"))
    return Flat(train[:TRAINED_ON], train[TRAINED_ON:][:VALIDATION], test)


def estimate(digits: Flat, samples: Tensor) -> Estimate:
    """Estimate the test digits' likelihood by samples; the validation digits choose sigma."""
    return parzen(digits.test, digits.validation, samples)


@dataclass(frozen=True)
class Mixture:
    """Gaussians around centres (M, 2), and how its samples are counted."""

    centres: Tensor
    std: float

    def draw(self, count: int, device: torch.device) -> Tensor:
        """Draw samples by torch's own generator."""
        return draw(self.centres.to(device), self.std, count)

    def score(self, samples: Tensor) -> Collapse:
        """Count the modes that samples find."""
        return mode_collapse(samples, self.centres.to(samples.device), self.std)


# As in fjxmlzn/PacGAN, synthetic_data_experiments, config.py of each.
RING, GRID = Mixture(ring(), 0.01), Mixture(grid(), 0.05)
SCORED = 2500  # samples, as there
