"""The deep autoencoder: principal components, which it is measured against, its unrolling, its counts; and MNIST."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from dmbench.experiments._autoencoder_training import FULL, LOGISTIC_PCA, SHORT, Recipe, stack, trained
from dmbench.experiments._digits_training import read_digits
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.autoencoder import (
    MNIST,
    Autoencoder,
    principal_components,
    project,
    reconstruction_loss,
    squared_error,
)

CODE = MNIST[-1]
SMALL = (6, 5, 4, 2)


def check_net(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it maps pictures to codes and back, and takes the weights of machines."""
    net, x = build(SMALL), torch.rand(3, SMALL[0])
    code = net.encode(x)
    if code.shape != (3, SMALL[-1]) or net.decode(code).shape != x.shape or net(x).shape != x.shape:
        raise ContractError(f"encode returned {tuple(code.shape)}, decode {tuple(net.decode(code).shape)}")
    if not callable(getattr(net, "unroll_", None)):
        raise ContractError("has no method unroll_(machines), called between pretraining and fine-tuning")


NET = Subject(
    name="net",
    default=Autoencoder,
    contract="f(sizes), units from the pixels to the code, builds a module: encode(x) gives codes, decode(code) "
    "logits of the pixels, a call their sigmoids; unroll_(machines) takes the weights of a list of Boltzmann machines",
    check=check_net,
)


def check_components(components: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Raise ContractError unless it returns a mean and so many components."""
    mean, found = components(torch.rand(9, 4), 2)
    if mean.shape != (4,) or found.shape != (2, 4):
        raise ContractError(f"returned shapes {tuple(mean.shape)} and {tuple(found.shape)}, not (4,) and (2, 4)")


COMPONENTS = Subject(
    name="components",
    default=principal_components,
    contract="f(x, count) returns the mean (D) and the first principal components (count, D), orthonormal, of x (N, D)",
    check=check_components,
)


@experiment("pca_error", tier="quick", artifacts=("mnist",), subjects=(COMPONENTS,))
def pca(ctx: Context) -> dict[str, float]:
    """Reconstruct the test digits of MNIST from the first 30 principal components of the training digits."""
    train, test = (read_digits(ctx, part).images.flatten(1) for part in ("train", "test"))
    mean, components = ctx.subject("components")(train, CODE)
    return {"pca_error": float(squared_error(project(test, mean, components), test).mean())}


@experiment("pca_residual", "pca_stationary", tier="quick", subjects=(COMPONENTS,))
def optimal(ctx: Context) -> dict[str, float]:
    """Compare the components' error with the variances left out, and take the gradient of linear autoencoders there."""
    x = (torch.randn(200, 8, dtype=torch.float64) @ torch.randn(8, 8, dtype=torch.float64)).to(ctx.device)
    mean, components = ctx.subject("components")(x, 3)
    error = squared_error(project(x, mean, components), x).mean()
    left_out = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[:-3].sum()
    down, up, bias = (one.clone().requires_grad_() for one in (components, components.T, mean))
    loss = squared_error((x - mean) @ down.T @ up.T + bias, x).mean()
    gradients = torch.autograd.grad(loss, (down, up, bias))
    return {
        "pca_residual": float(abs(error / left_out - 1)),
        "pca_stationary": max(float(one.abs().max()) for one in gradients) / float(error),
    }


@experiment("unrolled", tier="quick", subjects=(NET,))
def unrolling(ctx: Context) -> dict[str, float]:
    """Compare the reconstruction of an unrolled net with a pass up and down its machines, without chance."""
    machines = [machine.double().to(ctx.device) for machine in stack(SMALL)]
    for machine in machines:
        for bias in (machine.visible_bias, machine.hidden_bias):
            bias.normal_()
    net = ctx.subject("net")(SMALL).double().to(ctx.device)
    net.unroll_(machines)
    x = torch.rand(7, SMALL[0], dtype=torch.float64, device=ctx.device)
    h = x
    for machine in machines:
        h = machine.up(h)
    for machine in machines[::-1]:
        h = machine.down(h)
    with torch.no_grad():
        return {"unrolled": float((net(x) - h).abs().max())}


@experiment("parameters", tier="quick", subjects=(NET,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of the network for MNIST."""
    return {"parameters": sum(p.numel() for p in ctx.subject("net")(MNIST).parameters())}


@experiment("difference_loss", tier="quick")
def loss_torch(ctx: Context) -> dict[str, float]:
    """Compare our cross-entropy of pixels with torch's, value and gradient, in float64."""
    logits = (5 * torch.randn(20, 30, dtype=torch.float64)).to(ctx.device).requires_grad_()
    x = torch.rand(20, 30, dtype=torch.float64).to(ctx.device)
    both = (
        reconstruction_loss(logits, x),
        binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1),
    )
    mine, theirs = ((y.detach(), *torch.autograd.grad(y.sum(), logits)) for y in both)
    pairs = zip(mine, theirs, strict=True)
    return {"difference_loss": max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)}


@experiment("logistic_pca_error", tier="slow", artifacts=("mnist",), subjects=(NET,), seeds=3)
def logistic_pca(ctx: Context) -> dict[str, float]:
    """Train logistic PCA on MNIST, 30 linear values and logistic pixels, 12 passes; squared error of a test digit."""
    return {"logistic_pca_error": _error(ctx, LOGISTIC_PCA)}


@experiment("deep_error_short", tier="slow", artifacts=("mnist",), subjects=(NET,), seeds=3)
def short(ctx: Context) -> dict[str, float]:
    """Pretrain the deep autoencoder on MNIST for one pass a layer, fine-tune it for four; its squared error.

    Differs from the paper: 1. one pass instead of 50, and four instead of 200. 2. Adam instead of conjugate gradients.
    """
    return {"deep_error_short": _error(ctx, SHORT)}


@experiment("deep_error", tier="full", artifacts=("mnist",), subjects=(NET,), seeds=3)
def full(ctx: Context) -> dict[str, float]:
    """Pretrain and fine-tune the deep autoencoder on MNIST as long as the paper does; squared error of a test digit.

    Differs from the paper: Adam on 100 digits an update instead of conjugate gradients on 1,000.
    """
    return {"deep_error": _error(ctx, FULL)}


def _error(ctx: Context, recipe: Recipe) -> float:
    return float(trained(ctx, recipe, ctx.subject("net")(recipe.sizes)).mean())
