"""The sigmoid and tanh: slopes, saturation, LeCun's scaling, the notes' neuron, and how far they are from torch's."""

import torch

from dmbench.experiments._activations import Activation, expectation
from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.sigmoid import scaled_tanh, sigmoid, tanh

CASE: Case = ([(7, 5, 6)], {})
SIGMOID = subject("sigmoid", sigmoid, torch.sigmoid, CASE)
TANH = subject("tanh", tanh, torch.tanh, CASE)


@experiment("largest_slope", "largest_slope_at", tier="quick", subjects=(SIGMOID,))
def slopes(ctx: Context) -> dict[str, float]:
    """Find where the derivative is largest, among -8 to 8 by 0.001."""
    x = torch.linspace(-8, 8, 16_001, dtype=torch.float64)
    slope = derivative(ctx.subject("sigmoid"), x)
    return {"largest_slope": float(slope.max()), "largest_slope_at": float(x[slope.argmax()])}


@experiment("neuron", "neuron_gradient", tier="quick", subjects=(SIGMOID,))
def neuron(ctx: Context) -> dict[str, float]:
    """Send the notes' inputs through their neuron: its output, and the gradient of its sum."""
    w, x = [torch.tensor(values, dtype=torch.float64) for values in ((2.0, -3, -3), (-1.0, -2, 1))]
    total = (w * x).sum().reshape(1)
    unit = ctx.subject("sigmoid")
    return {"neuron": float(unit(total)), "neuron_gradient": float(derivative(unit, total))}


@experiment("far_values", "far_gradients", tier="quick", subjects=(SIGMOID,))
def far(ctx: Context) -> dict[str, list[float]]:
    """Take value and gradient at -1,000, -10, 10 and 1,000."""
    x, unit = torch.tensor([-1000.0, -10, 10, 1000], dtype=torch.float64), ctx.subject("sigmoid")
    return {"far_values": unit(x).tolist(), "far_gradients": derivative(unit, x).tolist()}


@experiment("mean_sigmoid", tier="quick", subjects=(SIGMOID,))
def centre(ctx: Context) -> dict[str, float]:
    """Integrate the sigmoid over a normal value."""
    return {"mean_sigmoid": expectation(ctx.subject("sigmoid"))}


@experiment("mean_tanh", tier="quick", subjects=(TANH,))
def centre_tanh(ctx: Context) -> dict[str, float]:
    """Integrate tanh over a normal value."""
    return {"mean_tanh": expectation(ctx.subject("tanh"))}


@experiment("identity", tier="quick", subjects=(SIGMOID, TANH))
def identity(ctx: Context) -> dict[str, float]:
    """Compare tanh(x) with 2 sigmoid(2x) - 1."""
    x = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    return {"identity": float((ctx.subject("tanh")(x) - (2 * ctx.subject("sigmoid")(2 * x) - 1)).abs().max())}


@experiment("scaled_at_one", "scaled_curvature_at", "scaled_asymptote", tier="quick")
def scaled(ctx: Context) -> dict[str, float | list[float]]:
    """Measure LeCun's scaled tanh: its values at 1 and -1, where its curvature is largest, where it ends."""
    one = torch.tensor([1.0, -1.0, 1000.0], dtype=torch.float64)
    *at_one, end = scaled_tanh(one).tolist()
    x = torch.linspace(0, 3, 3001, dtype=torch.float64)
    curvature = derivative(lambda x: derivative(scaled_tanh, x, again=True), x).abs()
    return {"scaled_at_one": at_one, "scaled_curvature_at": float(x[curvature.argmax()]), "scaled_asymptote": end}


@experiment("difference_sigmoid_{dtype}", tier="quick", subjects=(SIGMOID,), over={"dtype": ("float32", "float64")})
def sigmoid_from_torch(ctx: Context, dtype: str) -> dict[str, float]:
    """Compare with torch.sigmoid, result and gradient."""
    return {f"difference_sigmoid_{dtype}": difference(ctx, "sigmoid", torch.sigmoid, getattr(torch, dtype), CASE)}


@experiment("difference_tanh_{dtype}", tier="quick", subjects=(TANH,), over={"dtype": ("float32", "float64")})
def tanh_from_torch(ctx: Context, dtype: str) -> dict[str, float]:
    """Compare with torch.tanh, result and gradient."""
    return {f"difference_tanh_{dtype}": difference(ctx, "tanh", torch.tanh, getattr(torch, dtype), CASE)}


def derivative(unit: Activation, x: torch.Tensor, again: bool = False) -> torch.Tensor:
    """Return the derivative at each value; again: one that can be differentiated once more."""
    x = x if x.requires_grad else x.clone().requires_grad_()
    return torch.autograd.grad(unit(x).sum(), x, create_graph=again)[0]
