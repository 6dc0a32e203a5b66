"""BOHB's model: a kernel density of the good points and one of the bad, and what is likelier among the good.

Source: Falkner, Klein and Hutter (2018), BOHB, arXiv:1807.01774, section 3.2, Eqs. 2 and 3, and Algorithm 2; after TPE,
Bergstra et al. (2011). Decisions are categories: kernel and bandwidth are Aitchison and Aitken's (1976), and the normal
reference rule's, as in the authors' code. With c choices and bandwidth h of a decision, a point x told and y asked:

    k(x, y) = product over decisions of 1 - h where they are the same, and h / (c - 1) where they are not

Shapes: n points told, m asked, D decisions.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space


class ParzenSearch:
    """A strategy: propose what is likely among the good and unlikely among the bad.

    Args:
        random: the share of points that are drawn at random. good: the share that counts as good.
        samples: of how many points the likeliest is proposed. factor: widens the bandwidths they are drawn with.
        least: of bandwidths, > 0.

    Raises: ValueError: a number out of range, or the space is no product.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        random: float = 1 / 3,
        good: float = 0.15,
        samples: int = 64,
        factor: float = 3.0,
        least: float = 1e-3,
    ) -> None:
        if not 0 <= random <= 1 or not 0 < good < 1 or samples < 1 or not factor > 0 or not least > 0:
            raise ValueError(
                f"need shares, samples, a factor and a bandwidth: {random}, {good}, {samples}, {factor}, {least}"
            )
        if not space.product:
            raise ValueError(f"densities are of products: {space.name} has rules")
        self.space, self.generator = space, generator
        self.random, self.good, self.samples, self.factor, self.least = random, good, samples, factor, least
        self.known: list[tuple[Point, float]] = []

    def ask(self) -> Point:
        """Propose the likeliest of some points from the good ones' density, by its ratio to the bad ones'."""
        chance = float(torch.rand((), generator=self.generator, dtype=torch.float64))
        parts = split(self.known, self.good, len(self.space.decisions) + 1) if chance >= self.random else None
        if parts is None:
            return self.space.sample(self.generator)
        good, bad = (Density(self.space, part, least=self.least) for part in parts)
        wide = Density(self.space, parts[0], least=self.least, factor=self.factor)
        drawn = wide.sample(self.samples, self.generator)
        return drawn[int((good.log_prob(drawn) - bad.log_prob(drawn)).argmax())]

    def tell(self, point: Point, accuracy: float) -> None:
        """Learn what a point reached. Raises: ValueError: it is NaN, or the point lies outside."""
        if math.isnan(accuracy):
            raise ValueError(f"the accuracy of {point} is NaN: tell the lowest one for what cannot be trained")
        self.known.append((self.space.validate(point), accuracy))


class Density:
    """The density of points (n) over a product of decisions.

    least: of bandwidths, > 0, so that what all points have in common may still change. factor: widens bandwidths, for
    points that are drawn; no bandwidth is so wide that other choices become likelier than those of the points.
    Raises: ValueError: no points, the space is no product, or a number out of range.
    """

    def __init__(self, space: Space, points: Sequence[Point], *, least: float = 1e-3, factor: float = 1.0) -> None:
        if not space.product:
            raise ValueError(f"densities are of products: {space.name} has rules")
        if not points or not least > 0 or not factor > 0:
            raise ValueError(f"need points, and a bandwidth and factor above 0: {len(points)}, {least}, {factor}")
        self.space = space
        self.points = torch.tensor([space.validate(point) for point in points])
        self.sizes = torch.tensor([len(decision.choices) for decision in space.decisions])
        widest = (self.sizes - 1) / self.sizes.double()  # where all choices are as likely
        rule = reference_bandwidths(self.points)
        self.bandwidths = torch.minimum(rule.clamp(min=least) * factor, widest)

    def log_prob(self, points: Sequence[Point]) -> Tensor:
        """Return the log of the density (m), nats."""
        asked = torch.tensor(points).reshape(-1, len(self.sizes))
        same = self.points[:, None] == asked
        other = self.bandwidths / (self.sizes - 1).clamp(min=1)
        terms = torch.where(same, 1 - self.bandwidths, other).log().sum(-1)  # (n, m)
        found: Tensor = terms.logsumexp(0) - math.log(len(self.points))
        return found

    def sample(self, count: int, generator: torch.Generator | None = None) -> list[Point]:
        """Draw points: of each, one that was told, and other choices with the bandwidths' probabilities."""
        centres = self.points[torch.randint(len(self.points), (count,), generator=generator)]
        chance = torch.rand(2, *centres.shape, generator=generator, dtype=torch.float64)
        shift = 1 + (chance[1] * (self.sizes - 1)).long()
        drawn = torch.where(chance[0] < self.bandwidths, (centres + shift) % self.sizes, centres)
        return [tuple(row) for row in drawn.tolist()]


def reference_bandwidths(points: Tensor) -> Tensor:
    """Return 1.06 deviation n^(-1 / (4 + D)) of each decision's choices (n, D), counted from 0, float64."""
    count, decisions = points.shape
    deviations = points.double().std(0, unbiased=False)
    return 1.06 * deviations * math.pow(count, -1 / (4 + decisions))


def split(known: Sequence[tuple[Point, float]], share: float, least: int) -> tuple[list[Point], list[Point]] | None:
    """Return the good and the bad points (Eq. 3), or None where there are too few for a model.

    share: of the points that are good. least: how many there are at least of either; they may overlap.
    """
    if len(known) < least + 2:
        return None
    ordered = [point for point, _ in sorted(known, key=lambda one: one[1], reverse=True)]
    good = max(least, int(share * len(ordered)))
    bad = max(least, len(ordered) - good)
    return ordered[:good], ordered[-bad:]
