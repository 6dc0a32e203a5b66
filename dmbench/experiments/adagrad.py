"""AdaGrad: what its rate falls like, and how far it is from torch's."""

import torch

from dmbench.experiments._optimisers import combinations, difference, subject, unlike_coordinates, walk
from dmbench.harness.experiment import Context, experiment
from dmbench.optim.adagrad import Adagrad

OPTIMISER = subject("adagrad", Adagrad, torch.optim.Adagrad)
OPTIONS = [
    {"lr": 0.1, **one}
    for one in combinations(
        lr_decay=(0.0, 0.1),
        weight_decay=(0.0, 0.1),
        initial_accumulator_value=(0.0, 0.5),
        eps=(1e-10, 0.1),
        maximize=(False, True),
    )
]


@experiment("step_100", tier="quick", subjects=(OPTIMISER,))
def hundredth_step(ctx: Context) -> dict[str, float]:
    """Measure the 100th step on a slope of 3, in units of the learning rate: one over the root of 100."""
    path = walk(ctx.subject("adagrad"), lambda w: 3 * w.sum(), torch.zeros(1).double(), 100, {"lr": 1.0})
    return {"step_100": float(path[-2] - path[-1])}


@experiment("valley_invariance", tier="quick", subjects=(OPTIMISER,))
def valley(ctx: Context) -> dict[str, float]:
    """Walk down a valley of curvatures 1 and 100: both coordinates go alike, since gradients cancel their size."""
    return {"valley_invariance": unlike_coordinates(ctx.subject("adagrad"), {"lr": 0.5, "eps": 0.0})}


@experiment("difference_torch", tier="quick", subjects=(OPTIMISER,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.Adagrad on 50 steps with every combination of options."""
    return {"difference_torch": difference(ctx, "adagrad", torch.optim.Adagrad, OPTIONS)}
