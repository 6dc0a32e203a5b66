"""SGD: how fast it goes down a valley and away from a saddle, in closed form, and how far it is from torch's."""

import math
from typing import Any

import torch

from dmbench.experiments import _surfaces as surfaces
from dmbench.experiments._optimisers import STEPS, combinations, difference, subject, walk
from dmbench.harness.experiment import Context, experiment
from dmbench.optim.sgd import SGD

OPTIMISER = subject("sgd", SGD, torch.optim.SGD)
CURVATURES = (1.0, 100.0)  # least and largest
ROOTS = tuple(math.sqrt(c) for c in CURVATURES)
# The best constants for curvatures between these two.
CONSTANTS = {
    "gradient_descent": {"lr": 2 / sum(CURVATURES)},
    "heavy_ball": {
        "lr": (2 / sum(ROOTS)) ** 2,
        "momentum": ((ROOTS[1] - ROOTS[0]) / sum(ROOTS)) ** 2,
    },
    "nesterov": {"lr": 1 / CURVATURES[1], "momentum": (ROOTS[1] - ROOTS[0]) / sum(ROOTS), "nesterov": True},
}
SADDLE = {
    "gradient_descent": {"lr": 0.1},
    "heavy_ball": {"lr": 0.1, "momentum": 0.9},
    "nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
}
OPTIONS = [
    {"lr": 0.05, **one}
    for one in combinations(
        momentum=(0.0, 0.9),
        dampening=(0.0, 0.3),
        weight_decay=(0.0, 0.1),
        nesterov=(False, True),
        maximize=(False, True),
    )
    if not one["nesterov"] or (one["momentum"] and not one["dampening"])
]


@experiment("{method}_rate", tier="quick", subjects=(OPTIMISER,), over={"method": tuple(CONSTANTS)})
def rates(ctx: Context, method: str) -> dict[str, float]:
    """Measure the factor by which a step brings the weights nearer to the bottom of a valley, in the long run.

    A step is a linear map of weight and velocity; the factor is its largest eigenvalue over both curvatures.
    """
    options = CONSTANTS[method]
    ctx.note(curvatures=CURVATURES, **options)
    return {f"{method}_rate": max(largest_eigenvalue(ctx.subject("sgd"), c, options) for c in CURVATURES)}


def largest_eigenvalue(build: Any, curvature: float, options: dict[str, Any]) -> float:
    """Return the spectral radius of the map from (w_tm1, w_t) to (w_t, w_tp1).

    Two walks from the same place, with the gradient of one of them changed once, span what the map acts on.
    """
    columns = []
    for kick in (0.0, 1.0):
        w = torch.ones(1, dtype=torch.float64, requires_grad=True)
        optimiser = build([w], **options)
        path = []
        for step in range(4):
            w.grad = (curvature * w + kick * (step == 0)).detach()
            optimiser.step()
            path.append(w.item())
        columns.append(path)
    a = torch.tensor(columns, dtype=torch.float64)
    if not options.get("momentum"):
        return abs(float(a[0, 2] / a[0, 1]))
    before, after = a[:, 1:3].T, a[:, 2:4].T  # columns are the walks
    return float(torch.linalg.eigvals(after @ torch.linalg.inv(before)).abs().max())


@experiment("{method}_saddle", tier="quick", subjects=(OPTIMISER,), over={"method": tuple(SADDLE)})
def saddles(ctx: Context, method: str) -> dict[str, float]:
    """Measure the factor by which a step takes the weights away from a saddle's middle, along its way down."""
    options = SADDLE[method]
    ctx.note(curvature=-1.0, **options)
    return {f"{method}_saddle": largest_eigenvalue(ctx.subject("sgd"), -1.0, options)}


@experiment("valley_difference", tier="quick", subjects=(OPTIMISER,))
def valley(ctx: Context) -> dict[str, float]:
    """Walk down a valley of curvatures 1 and 100 by plain gradient descent, and compare with its closed form."""
    begin, rate = torch.ones(2, dtype=torch.float64), CONSTANTS["gradient_descent"]["lr"]
    path = walk(ctx.subject("sgd"), surfaces.valley, begin, STEPS, {"lr": rate})
    steps = torch.arange(1, STEPS + 1, dtype=torch.float64)[:, None]
    exact = (1 - rate * torch.tensor(CURVATURES, dtype=torch.float64)) ** steps
    return {"valley_difference": float((path - exact).abs().max())}


@experiment("difference_torch", tier="quick", subjects=(OPTIMISER,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.SGD on 50 steps with every combination of options."""
    return {"difference_torch": difference(ctx, "sgd", torch.optim.SGD, OPTIONS)}
