"""Bayesian optimisation: its process and expected improvement against what they are by definition; NAS-Bench-201."""

import math
from functools import partial
from typing import Any

import torch
from scipy import integrate, stats
from torch import Tensor

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, SPACE, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.bayesian_optimization import BayesianOptimization, expected_improvement
from dmbench.nas.parts.encodings import number_of_paths, paths
from dmbench.nas.parts.gaussian_process import GaussianProcess, matern52

STRATEGY = strategy(BayesianOptimization)
SETTINGS = {"length": 1.3, "variance": 0.7, "noise": 0.01}
QUICK, SLOW = 3, 20  # runs a seed


def regression(
    x: Tensor, y: Tensor, new: Tensor, *, length: float, variance: float, noise: float
) -> tuple[Tensor, Tensor, float]:
    """Return mean and deviation at new points, and the log-likelihood of the values, by our process."""
    process = GaussianProcess(x, y, partial(matern52, length=length), variance=variance, noise=noise)
    mean, spread = process.predict(new)
    return mean, spread.sqrt(), process.log_likelihood


def check_regression(regress: Any) -> None:
    """Raise ContractError unless a regression gives a mean and a deviation for each new point."""
    points = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    mean, deviation, _ = regress(points[:2], torch.tensor([1.0, -1.0], dtype=torch.float64), points, **SETTINGS)
    if tuple(mean.shape) != (3,) or tuple(deviation.shape) != (3,):
        raise ContractError(f"three new points have {tuple(mean.shape)} means and {tuple(deviation.shape)} deviations")


def check_improvement(improvement: Any) -> None:
    """Raise ContractError unless an improvement is given for each mean."""
    found = improvement(torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64), 0.0)
    if tuple(found.shape) != (3,):
        raise ContractError(f"three means have {tuple(found.shape)} improvements")


REGRESSION = Subject(
    name="regression",
    default=regression,
    contract="regression(x (n, d), y (n), new (m, d), length=, variance=, noise=) returns means (m), deviations (m) "
    "and the log-likelihood of y, for a Gaussian process of mean 0 with Matern's kernel of smoothness 5/2",
    check=check_regression,
)
IMPROVEMENT = Subject(
    name="improvement",
    default=expected_improvement,
    contract="improvement(means (m), deviations (m), best) returns by how much each is expected to exceed the best (m)",
    check=check_improvement,
)


@experiment("ei_integral", "ei_at_best", tier="quick", subjects=(IMPROVEMENT,))
def improvement(ctx: Context) -> dict[str, float]:
    """Compare expected improvement with its integral, from 3 deviations below the best to 3 above; and at the best."""
    places = [(gain, deviation) for gain in (-3.0, -1.0, -0.2, 0.0, 0.5, 2.0, 3.0) for deviation in (0.1, 1.0, 4.0)]
    means = torch.tensor([5.0 + gain * deviation for gain, deviation in places], dtype=torch.float64)
    deviations = torch.tensor([deviation for _, deviation in places], dtype=torch.float64)
    found = ctx.subject("improvement")(means, deviations, 5.0)
    worst = 0.0
    for value, mean, deviation in zip(found.tolist(), means.tolist(), deviations.tolist(), strict=True):
        exact, _ = integrate.quad(excess, 5.0, mean + 40 * deviation, (mean, deviation), epsabs=1e-13, points=[mean])
        worst = max(worst, abs(value - exact))
    one = torch.ones(1, dtype=torch.float64)
    return {"ei_integral": worst, "ei_at_best": float(ctx.subject("improvement")(one, one, 1.0))}


def excess(value: float, mean: float, deviation: float) -> float:
    """Return what a value above 5 adds to the expectation."""
    return float((value - 5.0) * stats.norm.pdf(value, mean, deviation))


@experiment("posterior", "log_likelihood", tier="quick", subjects=(REGRESSION,))
def process(ctx: Context) -> dict[str, float]:
    """Compare a process of 40 cells with the normal distribution of all values, written out and conditioned."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(40, generator=generator, dtype=torch.float64)
    ctx.note(**SETTINGS, points=40, new=20)
    mean, deviation, likelihood = ctx.subject("regression")(points[:40], y, points[40:], **SETTINGS)
    joint = torch.tensor([[covariance(a, b) for b in points.tolist()] for a in points.tolist()], dtype=torch.float64)
    told = joint[:40, :40] + SETTINGS["noise"] * torch.eye(40, dtype=torch.float64)
    weights = joint[40:, :40] @ torch.linalg.inv(told)
    spread = (joint[40:, 40:] - weights @ joint[:40, 40:]).diagonal().sqrt()
    dense = float(stats.multivariate_normal.logpdf(y.numpy(), cov=told.numpy()))
    apart = torch.stack([mean - weights @ y, deviation - spread]).abs().max()
    return {"posterior": float(apart), "log_likelihood": abs(likelihood - dense)}


def covariance(a: list[float], b: list[float]) -> float:
    """Return Matern's covariance of two points, term by term."""
    r = math.sqrt(5) * math.dist(a, b) / SETTINGS["length"]
    return SETTINGS["variance"] * (1 + r + r * r / 3) * math.exp(-r)


@experiment("bridge_mean", "bridge_variance", tier="quick")
def bridge(ctx: Context) -> dict[str, float]:
    """Tell a Wiener process its values at 1 and 2, and ask at 1.25: a Brownian bridge."""
    times = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    process = GaussianProcess(
        times, torch.tensor([0.4, 1.2], dtype=torch.float64), lambda a, b: torch.minimum(a, b.mT), noise=0.0
    )
    mean, variance = process.predict(torch.tensor([[1.25]], dtype=torch.float64))
    return {"bridge_mean": float(mean), "bridge_variance": float(variance)}


@experiment("paths_101", "paths_201", tier="quick")
def lengths(ctx: Context) -> dict[str, float]:
    """Count the paths of both benchmarks' cells: three operations on up to five nodes, five on one to three edges."""
    return {"paths_101": number_of_paths(3, range(6)), "paths_201": paths(SPACE, [(0,) * 6]).shape[1]}


@experiment(*TABLE_5, tier="quick", artifacts=ARTIFACTS, subjects=(STRATEGY,), seeds=SEEDS)
def table(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 by 12-epoch validation accuracy, 3 runs a seed, and report 200-epoch test accuracies."""
    return table_5(ctx, ctx.subject("strategy"), QUICK)


@experiment(
    "{data}_anytime",
    "{data}_improvement",
    tier="slow",
    artifacts=ARTIFACTS,
    subjects=(STRATEGY,),
    seeds=SEEDS,
    over={"data": DATA},
)
def search(ctx: Context, data: str) -> dict[str, float]:
    """Search each data set by its own signal, 100 runs a seed: regret after each evaluation, and random beaten."""
    return anytime(ctx, ctx.subject("strategy"), data)


@experiment("by_paths", tier="slow", artifacts=ARTIFACTS, seeds=SEEDS)
def path_encoding(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 with BANANAS's path encoding instead of a one for each operation taken, 20 runs a seed."""
    return {"by_paths": table_5(ctx, partial(BayesianOptimization, encode=paths), SLOW)["cifar10"]}
