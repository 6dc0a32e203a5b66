"""L-BFGS: down Rosenbrock's valley, and how far it is from torch's."""

from typing import Any

import torch
from torch import Tensor

from dmbench.experiments import _surfaces as surfaces
from dmbench.experiments._optimisers import STEPS, subject, walk
from dmbench.harness.experiment import Context, experiment
from dmbench.optim.lbfgs import LBFGS

OPTIMISER = subject("lbfgs", LBFGS, torch.optim.LBFGS)
OPTIONS: list[dict[str, Any]] = [
    {"max_iter": 1},
    {"max_iter": 1, "history_size": 1},
    {"max_iter": 4, "lr": 0.1},
    {"max_iter": 3, "lr": 0.2, "history_size": 2},
    {"max_iter": 3, "max_eval": 2, "lr": 0.5},
    {"max_iter": 20, "line_search_fn": "strong_wolfe"},
]


def valley(w: Tensor) -> Tensor:
    """A quadratic with curvatures of 2 and 60, and a little more than one."""
    return w[0] ** 2 + 30 * w[1] ** 2 + 0.1 * w[0] ** 4


def rosenbrock(w: Tensor) -> Tensor:
    """Rosenbrock's function, lowest at (1, 1)."""
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


@experiment("rosenbrock", tier="quick", subjects=(OPTIMISER,))
def banana(ctx: Context) -> dict[str, float]:
    """Minimise Rosenbrock's function from (-1.2, 1), with line search, to convergence; return its value."""
    options = {"max_iter": 200, "line_search_fn": "strong_wolfe", "tolerance_change": 0.0, "tolerance_grad": 1e-9}
    begin = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    return {"rosenbrock": float(rosenbrock(walk(ctx.subject("lbfgs"), rosenbrock, begin, 1, options)[-1]))}


@experiment("valley", tier="quick", subjects=(OPTIMISER,))
def ill_conditioned(ctx: Context) -> dict[str, float]:
    """Walk down a valley of curvatures 1 and 100 with line search; return the value after ten iterations."""
    options = {"max_iter": 10, "line_search_fn": "strong_wolfe", "tolerance_change": 0.0, "tolerance_grad": 0.0}
    begin = torch.ones(2, dtype=torch.float64)
    return {"valley": float(surfaces.valley(walk(ctx.subject("lbfgs"), surfaces.valley, begin, 1, options)[-1]))}


@experiment("difference_torch", tier="quick", subjects=(OPTIMISER,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.LBFGS on 50 calls, with several options."""
    begin = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    ctx.note(calls=STEPS, weights=2, dtype="torch.float64")
    walks = [
        [walk(build, valley, begin, STEPS, o) for o in OPTIONS] for build in (ctx.subject("lbfgs"), torch.optim.LBFGS)
    ]
    return {"difference_torch": max(float((a - b).abs().max()) for a, b in zip(*walks, strict=True))}
