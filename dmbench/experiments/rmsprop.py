"""RMSProp: its first step, what it becomes without memory, and how far it is from torch's."""

import torch

from dmbench.experiments._optimisers import combinations, difference, subject, unlike_coordinates, walk
from dmbench.harness.experiment import Context, experiment
from dmbench.optim.rmsprop import RMSprop

OPTIMISER = subject("rmsprop", RMSprop, torch.optim.RMSprop)
OPTIONS = [
    {"lr": 0.01, **one}
    for one in combinations(
        alpha=(0.99, 0.5),
        eps=(1e-8, 0.1),
        weight_decay=(0.0, 0.1),
        momentum=(0.0, 0.9),
        centered=(False, True),
        maximize=(False, True),
    )
]


@experiment("first_step", "last_step", tier="quick", subjects=(OPTIMISER,))
def steps_on_a_slope(ctx: Context) -> dict[str, float]:
    """Measure the first and the 200th step on a slope of 3, at alpha = 0.9, in units of the learning rate."""
    options = {"lr": 1.0, "alpha": 0.9, "eps": 0.0}
    path = walk(ctx.subject("rmsprop"), lambda w: 3 * w.sum(), torch.zeros(1).double(), 200, options)
    return {"first_step": float(-path[0]), "last_step": float(path[-2] - path[-1])}


@experiment("sign_difference", tier="quick", subjects=(OPTIMISER,))
def signs(ctx: Context) -> dict[str, float]:
    """Compare with steps by the gradient's sign alone, which it makes when it remembers nothing (alpha = 0)."""
    begin = 2 * torch.randn(5, dtype=torch.float64)
    path = walk(ctx.subject("rmsprop"), lambda w: (w**2).sum(), begin, 20, {"lr": 0.01, "alpha": 0.0, "eps": 0.0})
    w, worst = begin.clone(), 0.0
    for row in path:
        w = w - 0.01 * w.sign()
        worst = max(worst, float((row - w).abs().max()))
    return {"sign_difference": worst}


@experiment("valley_invariance", tier="quick", subjects=(OPTIMISER,))
def valley(ctx: Context) -> dict[str, float]:
    """Walk down a valley of curvatures 1 and 100: both coordinates go alike, since gradients cancel their size."""
    return {"valley_invariance": unlike_coordinates(ctx.subject("rmsprop"), {"lr": 0.01, "eps": 0.0})}


@experiment("difference_torch", tier="quick", subjects=(OPTIMISER,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.RMSprop on 50 steps with every combination of options."""
    return {"difference_torch": difference(ctx, "rmsprop", torch.optim.RMSprop, OPTIONS)}
