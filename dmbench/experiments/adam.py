"""Adam: steps on a slope and in a valley, where it goes wrong, logistic regression, and how far it is from torch's."""

import torch

from dmbench.experiments import _adam_training as training
from dmbench.experiments._optimisers import combinations, difference, subject, unlike_coordinates, walk
from dmbench.harness.experiment import Context, experiment
from dmbench.optim.adam import Adam

OPTIMISER = subject("adam", Adam, torch.optim.Adam)
OPTIONS = [
    {"lr": 0.01, **one}
    for one in combinations(
        betas=((0.9, 0.999), (0.5, 0.9)),
        eps=(1e-8, 0.1),
        weight_decay=(0.0, 0.1),
        amsgrad=(False, True),
        maximize=(False, True),
        decoupled_weight_decay=(False, True),
    )
]
C = 3.0  # of the counterexample; anything above 2


@experiment("first_step", "tenth_step", tier="quick", subjects=(OPTIMISER,))
def steps_on_a_slope(ctx: Context) -> dict[str, float]:
    """Measure the first and the tenth step on a slope of 1,000, in units of the learning rate."""
    path = walk(ctx.subject("adam"), lambda w: 1000 * w.sum(), torch.zeros(1).double(), 10, {"lr": 1.0, "eps": 0.0})
    return {"first_step": float(-path[0]), "tenth_step": float(path[-2] - path[-1])}


@experiment("counterexample_{variant}", tier="quick", subjects=(OPTIMISER,), over={"variant": ("adam", "amsgrad")})
def counterexample(ctx: Context, variant: str) -> dict[str, float]:
    """Go down C x, -x, -x and again, on [-1, 1], at rates that fall as one over the root of time.

    It begins at the best point, -1. One gradient in three says so; Adam divides it by its own size and forgets it.
    """
    options = {"lr": 0.5, "betas": (0.0, 1 / (1 + C**2)), "eps": 0.0, "amsgrad": variant == "amsgrad"}
    ctx.note(c=C, steps=3000, **options)
    x = torch.full((1,), -1.0, dtype=torch.float64, requires_grad=True)
    optimiser = ctx.subject("adam")([x], **options)
    for t in range(1, 3001):
        optimiser.param_groups[0]["lr"] = options["lr"] / t**0.5
        x.grad = torch.full_like(x, C if t % 3 == 1 else -1.0)
        optimiser.step()
        with torch.no_grad():
            x.clamp_(-1, 1)
    return {f"counterexample_{variant}": x.item()}


@experiment("valley_invariance", tier="quick", subjects=(OPTIMISER,))
def valley(ctx: Context) -> dict[str, float]:
    """Walk down a valley of curvatures 1 and 100: both coordinates go alike, since gradients cancel their size."""
    return {"valley_invariance": unlike_coordinates(ctx.subject("adam"), {"lr": 0.05, "eps": 0.0})}


@experiment("logistic_nesterov", "logistic_adagrad", tier="slow", artifacts=("mnist",), subjects=(OPTIMISER,), seeds=5)
def logistic_regression(ctx: Context) -> dict[str, float]:
    """Train a logistic regression on MNIST beside SGD with Nesterov's momentum and AdaGrad; compare the costs."""
    costs = training.costs(ctx, ctx.subject("adam"))
    return {
        "logistic_nesterov": costs["nesterov"] / costs["adam"],
        "logistic_adagrad": costs["adagrad"] / costs["adam"],
    }


@experiment("difference_torch", tier="quick", subjects=(OPTIMISER,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.optim.Adam on 50 steps with every combination of options."""
    return {"difference_torch": difference(ctx, "adam", torch.optim.Adam, OPTIONS)}
