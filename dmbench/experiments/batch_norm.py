"""Batch normalisation: closed forms of the algorithms and of section 3.3, MNIST with and without, torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dmbench.experiments import _batch_norm_training as training
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.batch_norm import BatchNorm2d, batch_norm, fold
from dmbench.layers.kernels.batch_norm_function import gradients

SHAPE = (8, 6, 5, 4)
SMALL = 1e-30  # an eps that leaves no trace beside variances near 1


def check_batch_norm(normalise: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it keeps a shape and moves the running statistics."""
    x, mean, var = torch.rand(4, 2, 3, 3), torch.zeros(2), torch.ones(2)
    y = normalise(x, mean, var, torch.ones(2), torch.zeros(2), True, 0.1, 1e-5)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))}, not shape {tuple(x.shape)}")
    if not mean.any():
        raise ContractError("left running_mean as it was in training")


def check_fold(folding: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Raise ContractError unless it returns a weight and a bias of the right shapes."""
    weight, bias = folding(torch.ones(2, 3, 3, 3), None, torch.zeros(2), torch.ones(2), torch.ones(2), torch.ones(2))
    if weight.shape != (2, 3, 3, 3) or bias.shape != (2,):
        raise ContractError(f"returned shapes {tuple(weight.shape)}, {tuple(bias.shape)}, not (2, 3, 3, 3), (2,)")


BATCH_NORM = Subject(
    name="batch_norm",
    default=batch_norm,
    contract="f(input, running_mean, running_var, weight, bias, training, momentum, eps) does as "
    "torch.nn.functional.batch_norm",
    check=check_batch_norm,
)
FOLD = Subject(
    name="fold",
    default=fold,
    contract="f(weight, bias, running_mean, running_var, scale, shift, eps) returns the weight and bias of a layer "
    "that also does the normalisation after it",
    check=check_fold,
)


@experiment("output_mean", "output_variance", "unbiased_factor", tier="quick", subjects=(BATCH_NORM,))
def statistics(ctx: Context) -> dict[str, float]:
    """Normalise channels of variance 1 with eps 0.25, and read the running variance of 2 x 2 x 2 values."""
    normalise, x = ctx.subject("batch_norm"), noise(ctx, 2, 3, 2, 2)
    x = x - x.mean((0, 2, 3), keepdim=True)
    x = x / x.square().mean((0, 2, 3), keepdim=True).sqrt()
    mean, var = (torch.zeros(3, dtype=x.dtype, device=ctx.device) for _ in range(2))
    y = normalise(x + 3, mean, var, None, None, True, 1.0, 0.25)
    return {
        "output_mean": float(y.mean((0, 2, 3)).abs().max()),
        "output_variance": float(y.var((0, 2, 3), correction=0).mean()),
        "unbiased_factor": float(var.mean()),
    }


@experiment("population", tier="quick", subjects=(BATCH_NORM,))
def population(ctx: Context) -> dict[str, float]:
    """Train on five batches by plain averages, and compare inference with Algorithm 2, lines 8 to 12."""
    normalise = ctx.subject("batch_norm")
    batches = noise(ctx, 5, *SHAPE) * torch.arange(1.0, 6, device=ctx.device).view(5, 1, 1, 1, 1)
    mean, var = (torch.zeros(6, dtype=batches.dtype, device=ctx.device) for _ in range(2))
    for seen, batch in enumerate(batches, 1):
        normalise(batch, mean, var, None, None, True, 1 / seen, 1e-5)
    values = batches.transpose(1, 2).flatten(2)  # (batch, C, values)
    expected_mean = values.mean(2).mean(0)
    expected_var = values.var(2, correction=1).mean(0)
    x = noise(ctx, *SHAPE)
    exact = (x - along(expected_mean)) / (along(expected_var) + 1e-5).sqrt()
    return {"population": difference(normalise(x, mean, var, None, None, False, 0.1, 1e-5), exact)}


@experiment("identity", tier="quick", subjects=(BATCH_NORM,))
def identity(ctx: Context) -> dict[str, float]:
    """Normalise with the weight at the deviation and the bias at the mean, which gives the input back."""
    x = noise(ctx, *SHAPE) + 2
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    y = ctx.subject("batch_norm")(x, None, None, (var + 1e-5).sqrt(), mean, True, 0.1, 1e-5)
    return {"identity": difference(y, x)}


@experiment("scale_output", "scale_input_gradient", "scale_weight_gradient", tier="quick", subjects=(BATCH_NORM,))
def scale(ctx: Context) -> dict[str, float]:
    """Scale the weights of the layer before by 4; compare output and gradients of its input and its weights."""
    normalise, u, weight = ctx.subject("batch_norm"), noise(ctx, 32, 10), noise(ctx, 7, 10)
    upstream = noise(ctx, 32, 7)
    found = []
    for factor in (1.0, 4.0):
        leaf, scaled = u.clone().requires_grad_(), (factor * weight).requires_grad_()
        y = normalise(leaf @ scaled.T, None, None, None, None, True, 0.1, SMALL)
        found.append((y.detach(), *torch.autograd.grad(y, (leaf, scaled), upstream)))
    (y, to_u, to_weight), (y_scaled, to_u_scaled, to_weight_scaled) = found
    return {
        "scale_output": difference(y_scaled, y),
        "scale_input_gradient": difference(to_u_scaled, to_u),
        "scale_weight_gradient": float((to_weight_scaled * to_weight).sum() / to_weight.square().sum()),
    }


@experiment("bias_before", tier="quick", subjects=(BATCH_NORM,))
def bias_before(ctx: Context) -> dict[str, float]:
    """Give the layer before large biases, and compare."""
    x, bias = noise(ctx, 32, 10) @ noise(ctx, 10, 7), 10 * noise(ctx, 7)
    plain, moved = (ctx.subject("batch_norm")(u, None, None, None, None, True, 0.1, SMALL) for u in (x, x + bias))
    return {"bias_before": difference(moved, plain)}


@experiment("paper_gradients", tier="quick", subjects=(BATCH_NORM,))
def paper_gradients(ctx: Context) -> dict[str, float]:
    """Compare the gradients of input, weight and bias with the six equations of section 3."""
    x, weight, bias, upstream = case(ctx, torch.float64)
    y = ctx.subject("batch_norm")(x, None, None, weight, bias, True, 0.1, 1e-5)
    mean, var = x.detach().mean((0, 2, 3)), x.detach().var((0, 2, 3), correction=0)
    exact = gradients(upstream, x.detach(), weight.detach(), mean, var, 1e-5)
    pairs = zip(torch.autograd.grad(y, (x, weight, bias), upstream), exact, strict=True)
    return {"paper_gradients": max(difference(mine, printed) for mine, printed in pairs)}


@experiment("parameters_per_channel", tier="quick")
def parameters(ctx: Context) -> dict[str, float]:
    """Count the trained parameters of our layer for each channel."""
    return {"parameters_per_channel": sum(p.numel() for p in BatchNorm2d(64).parameters()) / 64}


@experiment("folded_convolution", tier="quick", subjects=(FOLD,))
def folded_convolution(ctx: Context) -> dict[str, float]:
    """Compare a convolution and its normalisation at inference with the one convolution that they fold into."""
    x, weight = noise(ctx, 2, 4, 9, 9), noise(ctx, 6, 4, 3, 3)
    bias, mean, scale, shift = noise(ctx, 4, 6)
    var = noise(ctx, 6).square() + 0.1
    both = batch_norm(functional.conv2d(x, weight, bias), mean, var, scale, shift)
    folded = ctx.subject("fold")(weight, bias, mean, var, scale, shift, 1e-5)
    return {"folded_convolution": difference(functional.conv2d(x, *folded), both)}


@experiment("difference_{dtype}", tier="quick", subjects=(BATCH_NORM,), over={"dtype": ("float32", "float64")})
def from_torch(ctx: Context, dtype: str) -> dict[str, float]:
    """Compare with torch.nn.functional.batch_norm in training: result, gradients, running statistics."""
    x, weight, bias, upstream = case(ctx, getattr(torch, dtype))
    found: list[list[Tensor]] = []
    for normalise in (ctx.subject("batch_norm"), functional.batch_norm):
        mean, var = torch.zeros_like(weight.detach()), torch.ones_like(weight.detach())
        y = normalise(x, mean, var, weight, bias, True, 0.1, 1e-5)
        found.append([y.detach(), *torch.autograd.grad(y, (x, weight, bias), upstream), mean, var])
    return {f"difference_{dtype}": max(difference(mine, his) for mine, his in zip(*found, strict=True))}


@experiment(
    "mnist_gain",
    "mnist_speedup",
    "mnist_drift",
    tier="slow",
    artifacts=("mnist",),
    subjects=(BATCH_NORM,),
    seeds=5,
)
def mnist(ctx: Context) -> dict[str, float]:
    """Train two networks of sigmoids on MNIST, with and without: accuracy, and how the sigmoids' inputs move."""
    pair = training.trained(ctx, ctx.subject("batch_norm"))
    return {
        "mnist_gain": training.gain(pair),
        "mnist_speedup": training.speedup(pair),
        "mnist_drift": training.drift(pair),
    }


def case(ctx: Context, dtype: torch.dtype) -> tuple[Any, ...]:
    """Return input, weight and bias that ask for gradients, and the gradient of the result."""
    shapes = (SHAPE, (6,), (6,), SHAPE)
    x, weight, bias, upstream = (noise(ctx, *shape).to(dtype) for shape in shapes)
    return (x + 1).requires_grad_(), (weight + 1).requires_grad_(), bias.requires_grad_(), upstream


def noise(ctx: Context, *shape: int) -> Tensor:
    """Draw normal values."""
    return torch.randn(*shape, dtype=torch.float64).to(ctx.device)


def along(values: Tensor) -> Tensor:
    """Lay (C) along the channels of a picture."""
    return values.view(1, -1, 1, 1)


def difference(mine: Tensor, exact: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((mine - exact).detach().abs().max() / exact.detach().abs().max())
