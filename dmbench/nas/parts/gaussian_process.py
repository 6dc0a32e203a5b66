"""Exact Gaussian process regression by Cholesky, in float64; the prior's mean is zero.

Source: Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, Algorithm 2.1, Eqs. 2.23, 2.24, 2.30 and
4.17. With K the correlations of the n points, v the variance and s the noise:

    K_y = v K + s I,  mean = v k' K_y^-1 y,  variance = v - v^2 k' K_y^-1 k,
    log p(y) = -(y' K_y^-1 y + log det K_y + n log 2 pi) / 2

Shapes: n points told, m new ones, d numbers a point.
"""

import math
from collections.abc import Callable, Sequence
from copy import copy

import torch
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]  # of points (..., n, d) and (..., m, d), (..., n, m)
Family = Callable[[Tensor, Tensor, float], Tensor]  # with a length


class GaussianProcess:
    """The posterior after values y (n) at points x (n, d).

    Args:
        kernel: of two sets of points.
        variance: v, what the kernel is multiplied by, > 0. noise: s, the variance of what is added to each value.

    Raises: ValueError: no points, unlike numbers of points and values, a value that is not finite, a variance or noise
        out of range, or a matrix that is singular.
    """

    def __init__(self, x: Tensor, y: Tensor, kernel: Kernel, *, variance: float = 1.0, noise: float = 1e-6) -> None:
        check(x, y)
        if not 0 < variance < math.inf or not 0 <= noise < math.inf:
            raise ValueError(f"need a variance above 0 and a noise of 0 or more: {variance}, {noise}")
        self.x, self.y = x.double(), y.double()
        self.kernel, self.variance, self.noise = kernel, variance, noise
        self.root = cholesky(variance * kernel(self.x, self.x) + noise * torch.eye(len(x), dtype=torch.float64))
        self.weights = torch.cholesky_solve(self.y[:, None], self.root)  # (n, 1)

    def predict(self, new: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean (m) and the variance (m) of the function, without noise, at new points (m, d)."""
        new = new.double()
        across = self.variance * self.kernel(self.x, new)
        mean = (across * self.weights).sum(0)
        explained = torch.linalg.solve_triangular(self.root, across, upper=False).square().sum(0)
        prior = self.variance * self.kernel(new[:, None], new[:, None])[:, 0, 0]
        return mean, (prior - explained).clamp(min=0.0)  # rounding leaves a point that was told below 0

    def scaled(self, factor: float) -> "GaussianProcess":
        """Return the process whose variance and noise are so many times as large."""
        found = copy(self)
        found.variance, found.noise = factor * self.variance, factor * self.noise
        found.root, found.weights = self.root * math.sqrt(factor), self.weights / factor
        return found

    @property
    def log_likelihood(self) -> float:
        """The log of the values' density before they were seen, nats."""
        determinant = 2 * self.root.diagonal().log().sum()
        fit = self.y @ self.weights[:, 0]
        return -0.5 * float(fit + determinant + len(self.y) * math.log(2 * math.pi))


def matern52(a: Tensor, b: Tensor, length: float = 1.0) -> Tensor:
    """Return (1 + r + r^2 / 3) exp(-r), with r the distance times sqrt 5 over the length (Eq. 4.17)."""
    r = (5 * squared_distances(a, b)).sqrt() / length
    return (1 + r + r.square() / 3) * torch.exp(-r)


def squared_exponential(a: Tensor, b: Tensor, length: float = 1.0) -> Tensor:
    """Return exp(-r^2 / 2), with r the distance over the length (Eq. 4.9)."""
    return torch.exp(-squared_distances(a, b) / (2 * length**2))


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared Euclidean distances (..., n, m) between points (..., n, d) and (..., m, d)."""
    squares = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return (squares - 2 * a @ b.mT).clamp(min=0.0)


def cholesky(matrix: Tensor) -> Tensor:
    """Return the lower root of a covariance matrix (..., n, n). Raises: ValueError: it is not positive definite."""
    root: Tensor
    root, failed = torch.linalg.cholesky_ex(matrix)
    if bool(failed.any()):
        raise ValueError(
            f"covariances of {matrix.shape[-1]} points are singular: no point may be there twice, or add noise"
        )
    return root


def fitted(
    x: Tensor, y: Tensor, family: Family, lengths: Sequence[float], noises: Sequence[float]
) -> tuple[float, float]:
    """Return the length and the noise, in variances, that make the values most likely (Eq. 2.30), of those given.

    For each pair the variance that does so has a closed form, `best_variance`.
    Raises: ValueError: nothing to choose from, a noise that is not above 0, or as `GaussianProcess`.
    """
    check(x, y)
    if not lengths or not noises or min(noises) <= 0 or min(lengths) <= 0:
        raise ValueError(f"need lengths and noises above 0: {tuple(lengths)}, {tuple(noises)}")
    x, y = x.double(), y.double()
    added = torch.tensor(noises, dtype=torch.float64)[:, None, None] * torch.eye(len(x), dtype=torch.float64)
    best, highest = (lengths[0], noises[0]), -math.inf
    for length in lengths:
        roots = cholesky(family(x, x, length) + added)  # (noises, n, n)
        white = torch.linalg.solve_triangular(roots, y[None, :, None].expand(len(noises), -1, 1), upper=False)
        # With the best variance, y' K_y^-1 y is n whatever the pair, and drops out.
        spread = floored(white.square().mean((1, 2)))
        likely = -0.5 * len(y) * spread.log() - roots.diagonal(dim1=1, dim2=2).log().sum(1)
        place = int(likely.argmax())
        if float(likely[place]) > highest:
            best, highest = (length, noises[place]), float(likely[place])
    return best


def conditioned(x: Tensor, y: Tensor, family: Family, length: float, noise: float) -> GaussianProcess:
    """Return the process of a length and a noise, in variances, with the variance that makes the values most likely."""
    unit = GaussianProcess(x, y, lambda a, b: family(a, b, length), noise=noise)
    return unit.scaled(float(floored((unit.y @ unit.weights[:, 0]) / len(unit.y))))


def floored(variance: Tensor) -> Tensor:
    """Keep a variance above 0, where all values are 0."""
    return variance.clamp(min=1e-12)


def check(x: Tensor, y: Tensor) -> None:
    """Raise ValueError unless there are values, one for each point, all finite."""
    if x.dim() != 2 or y.shape != x.shape[:1] or not len(y):
        raise ValueError(f"need points (n, d) and values (n), at least one: {tuple(x.shape)}, {tuple(y.shape)}")
    if not bool(torch.isfinite(x).all()) or not bool(torch.isfinite(y).all()):
        raise ValueError("a Gaussian process needs finite points and values: one is NaN or infinite")
