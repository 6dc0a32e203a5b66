"""ELU: its derivative, what it saturates to, how far it shifts the mean, and how far it is from torch's."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._activations import Activation, expectation
from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.elu import elu
from dmbench.layers.relu import relu
from dmbench.layers.selu import moments

CASE: Case = ([(7, 5, 6)], {})
LAYER = subject("elu", elu, F.elu, CASE)


@experiment("saturation", tier="quick", subjects=(LAYER,))
def saturation(ctx: Context) -> dict[str, list[float]]:
    """Read what it gives far below 0, for alpha 1 and 0.5."""
    x = torch.tensor([-1000.0], dtype=torch.float64, device=ctx.device)
    return {"saturation": [float(ctx.subject("elu")(x, alpha)) for alpha in (1.0, 0.5)]}


@experiment("derivative", tier="quick", subjects=(LAYER,))
def derivative(ctx: Context) -> dict[str, float]:
    """Compare the gradient with 1 above 0 and f(x) + alpha elsewhere, for alpha 1 and 0.5."""
    worst = 0.0
    for alpha in (1.0, 0.5):
        x = torch.linspace(-20, 20, 4001, dtype=torch.float64, device=ctx.device).requires_grad_()
        y = ctx.subject("elu")(x, alpha)
        (slope,) = torch.autograd.grad(y.sum(), x)
        exact = torch.where(x > 0, 1, y.detach() + alpha)
        worst = max(worst, float((slope - exact).abs().max()))
    return {"derivative": worst}


@experiment("mean", "mean_over_relu", tier="quick", subjects=(LAYER,))
def shift(ctx: Context) -> dict[str, float]:
    """Integrate it over a normal sum, and compare its mean with ReLU's."""
    mean = expectation(ctx.subject("elu"))
    return {"mean": mean, "mean_over_relu": mean / expectation(relu)}


@experiment("moments_difference", tier="quick", subjects=(LAYER,))
def as_selu(ctx: Context) -> dict[str, float]:
    """Compare its mean and variance over normal sums with Eqs. 4 and 5 of the SELU paper at lambda = alpha = 1."""
    unit, worst = ctx.subject("elu"), 0.0
    for mean, deviation in ((0.0, 1.0), (0.5, 2.0), (-1.0, 0.5)):
        first, second = (expectation(partial(power, unit, mean, deviation, k)) for k in (1, 2))
        mu, nu = (torch.tensor(value, dtype=torch.float64) for value in (mean, deviation**2))
        exact = moments(mu, nu, 1.0, 1.0, alpha=1.0, scale=1.0)
        worst = max(worst, abs(first - float(exact[0])), abs(second - first**2 - float(exact[1])))
    return {"moments_difference": worst}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.elu in float32, result and gradient."""
    return {"difference_float32": difference(ctx, "elu", F.elu, torch.float32, CASE)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.elu in float64, alpha 0.5, result and gradient."""
    return {"difference_float64": difference(ctx, "elu", F.elu, torch.float64, (CASE[0], {"alpha": 0.5}))}


def power(unit: Activation, mean: float, deviation: float, k: int, z: Tensor) -> Tensor:
    """Return the k-th power of the unit's output for a sum of this mean and deviation, of normal z."""
    return unit(mean + deviation * z) ** k
