"""Bayesian optimisation: a Gaussian process of what points reach, and the point from which most is to be expected.

Sources: expected improvement: Jones, Schonlau and Welch (1998), Efficient Global Optimization of Expensive Black-Box
Functions, Journal of Global Optimization 13, Eq. 15. For architectures: NASBOT, Kandasamy et al. (2018),
arXiv:1802.07191; BANANAS, White, Neiswanger and Savani (2021), arXiv:1910.11858, whose encodings and whose candidates,
mutations of the best, are taken here. The process is `parts.gaussian_process`. With u = (mean - best) / deviation:

    EI = deviation (u Phi(u) + phi(u))

Differs from the papers: 1. The kernel is Matern's on the encoding, where NASBOT's measures the way from one network to
another, and BANANAS has an ensemble of networks for a process. 2. Length and noise are chosen from a few, by marginal
likelihood, and anew each `refit` points; in between, only the variance is.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.encodings import adjacency
from dmbench.nas.parts.gaussian_process import GaussianProcess, conditioned, fitted, matern52

LENGTHS = tuple(2 ** (half / 2) for half in range(-2, 6))  # 0.5 to 5.7; two cells are up to sqrt 12 apart
NOISES = (1e-3, 1e-2, 1e-1)  # of the variance
TRIES = 100

Encode = Callable[[Space, Sequence[Point]], Tensor]


class BayesianOptimization:
    """Propose the candidate of the highest expected improvement, and no point twice.

    Args:
        encode: of a space and some points, their vectors (n, d).
        first: points drawn at random before, at least 2.
        best: of how many of the best points the neighbours are candidates. drawn: how many random ones are.
        refit: after how many points length and noise are chosen anew.

    A point that is told twice counts once, with the mean of both. What waits to be told is not proposed again.
    Raises: ValueError: a number out of range.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        encode: Encode = adjacency,
        first: int = 10,
        best: int = 5,
        drawn: int = 50,
        refit: int = 10,
    ) -> None:
        if first < 2 or best < 0 or drawn < 0 or best + drawn < 1 or refit < 1:
            raise ValueError(
                f"need two first points, candidates, and a refit of 1 or more: {first}, {best}, {drawn}, {refit}"
            )
        self.space, self.generator, self.encode = space, generator, encode
        self.first, self.best, self.drawn, self.refit = first, best, drawn, refit
        self.known: dict[Point, tuple[float, int]] = {}  # the mean of what was told, and how often
        self.proposed: set[Point] = set()
        self.chosen: tuple[float, float] | None = None  # length and noise
        self.chosen_at = 0

    def ask(self) -> Point:
        """Propose a point. Raises: RuntimeError: every point of the space was proposed."""
        candidates = self._candidates() if len(self.known) >= self.first else []
        if candidates:
            process, best = self.process()
            mean, variance = process.predict(self.encode(self.space, candidates))
            point = candidates[int(expected_improvement(mean, variance.sqrt(), best).argmax())]
        else:
            point = self._fresh()
        self.proposed.add(point)
        return point

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point reached. Raises: ValueError: it is NaN or infinite, or the point lies outside."""
        if not math.isfinite(accuracy):
            raise ValueError(f"the accuracy of {point} is {accuracy}: tell a finite one, the lowest for a failure")
        mean, times = self.known.get(self.space.validate(point), (0.0, 0))
        self.known[point] = (mean + (accuracy - mean) / (times + 1), times + 1)
        self.proposed.add(point)

    def process(self) -> tuple[GaussianProcess, float]:
        """Return the process after what was told, and the best of it; both in deviations from the mean of all."""
        told = torch.tensor([mean for mean, _ in self.known.values()], dtype=torch.float64)
        spread = float(told.std()) if len(told) > 1 else 0.0
        y = (told - told.mean()) / (spread or 1.0)
        x = self.encode(self.space, list(self.known))
        if self.chosen is None or len(y) >= self.chosen_at + self.refit:
            self.chosen, self.chosen_at = fitted(x, y, matern52, LENGTHS, NOISES), len(y)
        return conditioned(x, y, matern52, *self.chosen), float(y.max())

    def _candidates(self) -> list[Point]:
        top = sorted(self.known, key=lambda point: self.known[point][0], reverse=True)[: self.best]
        near = [neighbour for point in top for neighbour in self.space.neighbours(point)]
        near += [self.space.sample(self.generator) for _ in range(self.drawn)]
        return [point for point in dict.fromkeys(near) if point not in self.proposed]

    def _fresh(self) -> Point:
        if len(self.proposed) >= self.space.count():
            raise RuntimeError(f"all {len(self.proposed)} points of {self.space.name} were proposed")
        for _ in range(TRIES):
            point = self.space.sample(self.generator)
            if point not in self.proposed:
                return point
        return next(point for point in self.space.points() if point not in self.proposed)


def expected_improvement(mean: Tensor, deviation: Tensor, best: float) -> Tensor:
    """Return by how much normal variables exceed the best value, on average: E max(value - best, 0).

    mean, deviation: of the same shape, in one unit; without a deviation it is max(mean - best, 0).
    Raises: ValueError: a negative deviation.
    """
    if bool((deviation < 0).any()):
        raise ValueError(f"a deviation is 0 or more: {float(deviation.min())}")
    gain = mean - best
    u = gain / deviation
    found = gain * torch.special.ndtr(u) + deviation * torch.exp(-0.5 * u.square()) / math.sqrt(2 * math.pi)
    # Far below the best both terms cancel to a rounding error, which may be negative.
    return torch.where(deviation > 0, found.clamp(min=0.0), gain.clamp(min=0.0))
