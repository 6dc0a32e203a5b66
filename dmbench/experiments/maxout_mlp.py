"""The maxout network: its counts, and MNIST without and under attack after a short training."""

from collections.abc import Callable

import torch
from torch import nn

from dmbench.experiments._digits_training import error
from dmbench.experiments._maxout_training import Recipe, attack, train_maxout
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.maxout_mlp import MaxoutMLP

RECIPE = Recipe(epochs=5, rate=1e-3)


def check_net(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps images to ten scores, and holds its weights."""
    net = build(reach=RECIPE.reach)
    scores = net(torch.rand(2, 1, 28, 28))
    if scores.shape != (2, 10):
        raise ContractError(f"returned scores of shape {tuple(scores.shape)}, not (2, 10)")
    if not callable(getattr(net, "hold", None)):
        raise ContractError("has no method hold(), called after each update")


NET = Subject(
    name="net",
    default=MaxoutMLP,
    contract="f(reach) builds a module from images (N, 1, 28, 28) to scores (N, 10) whose weights begin uniform within "
    "reach; its hold() is called after each update",
    check=check_net,
)


@experiment("parameters", tier="quick", subjects=(NET,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of the network."""
    return {"parameters": sum(p.numel() for p in ctx.subject("net")(reach=RECIPE.reach).parameters())}


@experiment("parameters_1600", tier="quick")
def parameters_1600(ctx: Context) -> dict[str, float]:
    """Count the parameters of our network with 1,600 units."""
    with torch.device("meta"):
        return {"parameters_1600": sum(p.numel() for p in MaxoutMLP(units=1600).parameters())}


@experiment(
    "mnist_error",
    "adversarial_error",
    "adversarial_confidence",
    tier="slow",
    artifacts=("mnist",),
    subjects=(NET,),
    seeds=5,
)
def trained(ctx: Context) -> dict[str, float]:
    """Train on MNIST; the share of test digits wrong, %, and the same under attack with the confidence there.

    Differs from the paper: 1. 5 epochs of 60,000 digits instead of hundreds with early stopping. 2. Adam, and a rate
    that falls linearly to zero: at the paper's 0.1 with momentum 0.9 the training loss rises in the second epoch.
    3. Weights begin within 0.05: within 0.005 the first epoch learns hardly anything.
    """
    net = ctx.subject("net")(reach=RECIPE.reach)
    test = train_maxout(ctx, RECIPE, net)
    found = attack(net, test)
    return {
        "mnist_error": error(net, test),
        "adversarial_error": found.error,
        "adversarial_confidence": found.confidence,
    }
