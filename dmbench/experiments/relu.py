"""ReLU and leaky ReLU: what they make of normal sums, dead units, and how far they are from torch's."""

from typing import Any

import torch
from torch.nn import functional as F

from dmbench.experiments._activations import expectation
from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.relu import leaky_relu, relu

CASE: Case = ([(7, 5, 6)], {})
RELU = subject("relu", relu, F.relu, CASE)
LEAKY = subject("leaky_relu", leaky_relu, F.leaky_relu, CASE)
STEPS, RATE, BIAS = 3000, 0.5, -8.0


@experiment("mean", "second_moment", "active", tier="quick", subjects=(RELU,))
def of_normal(ctx: Context) -> dict[str, float]:
    """Integrate the unit over a normal sum: its mean, its mean square, how often it is above 0."""
    unit = ctx.subject("relu")
    return {
        "mean": expectation(unit),
        "second_moment": expectation(lambda z: unit(z).square()),
        "active": expectation(lambda z: (unit(z) > 0) + 0.5 * (z == 0)),
    }


@experiment("equivariance", tier="quick", subjects=(RELU,))
def equivariance(ctx: Context) -> dict[str, float]:
    """Scale the input by 8: the output is scaled by 8, whatever the picture's intensity."""
    x, unit = torch.randn(1000, dtype=torch.float64).to(ctx.device), ctx.subject("relu")
    return {"equivariance": float((unit(8 * x) - 8 * unit(x)).abs().max())}


@experiment("leaky_slope", "leaky_gradient", tier="quick", subjects=(LEAKY,))
def slope(ctx: Context) -> dict[str, float]:
    """Read the slope below 0 off the values and off the gradient."""
    x = torch.tensor([-1.0], dtype=torch.float64, device=ctx.device, requires_grad=True)
    y = ctx.subject("leaky_relu")(x)
    return {"leaky_slope": -float(y.detach()), "leaky_gradient": float(torch.autograd.grad(y.sum(), x)[0])}


@experiment("dead_gradient", "dead_movement", tier="quick", subjects=(RELU,))
def dead(ctx: Context) -> dict[str, float]:
    """Train a unit whose bias keeps its sums below 0: the largest gradient that it gets, and how far it moves."""
    gradient, movement, _ = trained(ctx, ctx.subject("relu"))
    return {"dead_gradient": gradient, "dead_movement": movement}


@experiment("leaky_share", tier="quick", subjects=(LEAKY,))
def alive(ctx: Context) -> dict[str, float]:
    """Train the same unit with a leak until all of its sums of the data are above 0: the share that is."""
    return {"leaky_share": trained(ctx, ctx.subject("leaky_relu"))[2]}


@experiment("difference_float32", tier="quick", subjects=(RELU,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.relu in float32, result and gradient."""
    return {"difference_float32": difference(ctx, "relu", F.relu, torch.float32, CASE)}


@experiment("difference_leaky", tier="quick", subjects=(LEAKY,))
def leaky_float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.leaky_relu in float64, slope 0.2, result and gradient."""
    case: Case = (CASE[0], {"negative_slope": 0.2})
    return {"difference_leaky": difference(ctx, "leaky_relu", F.leaky_relu, torch.float64, case)}


def trained(ctx: Context, unit: Any) -> tuple[float, float, float]:
    """Train one unit of 8 inputs and a bias of -8 to give 1 everywhere, by gradient descent.

    Returns:
        The largest gradient, how far weights and bias moved, and the share of the 64 examples with a sum above 0.
    """
    ctx.note(inputs=8, examples=64, bias=BIAS, steps=STEPS, learning_rate=RATE)
    x = torch.randn(64, 8, dtype=torch.float64).to(ctx.device)
    weight = torch.randn(8, dtype=torch.float64).to(ctx.device) / 8**0.5
    parameters = [weight.requires_grad_(), torch.full((), BIAS).to(weight).requires_grad_()]
    begin = [one.detach().clone() for one in parameters]
    largest = 0.0
    for _ in range(STEPS):
        loss = 0.5 * (unit(x @ parameters[0] + parameters[1]) - 1).square().mean()
        gradients = torch.autograd.grad(loss, parameters)
        largest = max(largest, *(float(one.abs().max()) for one in gradients))
        share = float((x @ parameters[0] + parameters[1] > 0).double().mean())
        if share == 1:
            break
        with torch.no_grad():
            for one, gradient in zip(parameters, gradients, strict=True):
                one -= RATE * gradient
    moved = max(float((one.detach() - first).abs().max()) for one, first in zip(parameters, begin, strict=True))
    return largest, moved, share
