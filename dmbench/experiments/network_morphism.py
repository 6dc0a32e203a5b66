"""Network morphisms: how far a wider or a deeper network is from the one it was made of; a real search by them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from dmbench.experiments._nas_real import Recipe
from dmbench.experiments._nas_real_search import climb, compete, of_points
from dmbench.experiments._nas_real_space import real_space
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.network_morphism import Chain, Layer, deepen, widen
from dmbench.nas.random_search import RandomSearch

Morph = Callable[[Chain, int], Chain]
CHAINS = (
    (Layer(3), Layer(4, 5)),
    (Layer(6, 3, pooled=True), Layer(5, 1), Layer(8)),
    (Layer(4), Layer(4, 3, pooled=True), Layer(7, 5), Layer(3, 3, pooled=True), Layer(6)),
)
REAL = Recipe()


def check(morph: Callable[..., Any]) -> None:
    """Raise ContractError unless a morphed network returns scores of the same shape."""
    net = Chain(CHAINS[0])
    morphed = morph(net, 0, 5)
    found = morphed(torch.rand(2, 1, 8, 8))
    if found.shape != (2, 10):
        raise ContractError(f"its network returned {tuple(found.shape)}, not (2, 10)")


WIDEN = Subject(
    "widen", widen, "f(net, index, filters, generator=None, noise=0) returns a Chain of so many filters", check
)
DEEPEN = Subject("deepen", deepen, "f(net, index, window) returns a Chain with one layer more", check)


@experiment("widened", "widened_float32", tier="quick", subjects=(WIDEN,))
def widened(ctx: Context) -> dict[str, float]:
    """Widen each layer of each chain by 1 and by 16, and compare outputs in evaluation mode."""
    return {
        "widened": farthest(ctx, widenings(ctx), torch.float64),
        "widened_float32": farthest(ctx, widenings(ctx), torch.float32),
    }


@experiment("widened_in_training", tier="quick", subjects=(WIDEN,))
def widened_in_training(ctx: Context) -> dict[str, float]:
    """Do the same in training mode."""
    return {"widened_in_training": farthest(ctx, widenings(ctx), torch.float64, training=True)}


@experiment("deepened", tier="quick", subjects=(DEEPEN,))
def deepened(ctx: Context) -> dict[str, float]:
    """Add a layer after each one of each chain, by three windows, and compare outputs in evaluation mode."""
    morphs: list[Morph] = [partial(ctx.subject("deepen"), window=window) for window in (1, 3, 5)]
    return {"deepened": farthest(ctx, morphs, torch.float64)}


@experiment("weights_of_a_wider_layer", tier="quick", subjects=(WIDEN,))
def weights(ctx: Context) -> dict[str, float]:
    """Count the weights on both sides of a layer that was made wider."""
    net = ctx.subject("widen")(Chain([Layer(6), Layer(6)], inputs=4), 0, 8)
    return {"weights_of_a_wider_layer": float(sum(convolution.weight.numel() for convolution, _ in net.blocks()))}


@experiment(
    "real_difference",
    *(f"real_{name}" for name in ("hill_climbing", "random_search", "start")),
    tier="slow",
    artifacts=("fashion_mnist",),
    subjects=(WIDEN, DEEPEN),
    seeds=5,
)
def real_search(ctx: Context) -> dict[str, float]:
    """Search small chains on Fashion-MNIST by morphisms and at random, at equal cost; test the winners.

    `real_difference` is how much more random search's winner gets wrong than hill climbing's.
    """
    space = real_space()
    grow = {"widen": ctx.subject("widen"), "deepen": ctx.subject("deepen")}
    entrants = {
        "hill_climbing": lambda: climb(ctx, REAL, **grow),
        "random_search": lambda: of_points(ctx, REAL, "random_search", space, RandomSearch),
    }
    errors, _ = compete(ctx, REAL, entrants)
    difference = errors["random_search"] - errors["hill_climbing"]
    return {"real_difference": difference, **{f"real_{name}": value for name, value in errors.items()}}


def widenings(ctx: Context) -> list[Morph]:
    """Return morphisms that widen by 1 and by 16 filters."""
    return [partial(wider_by, ctx.subject("widen"), more) for more in (1, 16)]


def wider_by(widen: Callable[..., Chain], more: int, net: Chain, index: int) -> Chain:
    """Widen a layer by so many filters."""
    return widen(net, index, net.layers[index].filters + more, torch.Generator().manual_seed(more))


def farthest(ctx: Context, morphs: list[Morph], dtype: torch.dtype, *, training: bool = False) -> float:
    """Return the largest difference, over the largest output, that any morphism makes at any layer of any chain."""
    worst = 0.0
    for layers in CHAINS:
        net = Chain(layers, inputs=3).to(ctx.device, dtype)
        unsettle(net)
        net.train(training)
        x = torch.rand(16, 3, 12, 12).to(ctx.device, dtype)
        with torch.no_grad():
            wanted = net(x)
            for index in range(len(layers)):
                for morph in morphs:
                    found = morph(net, index)(x)
                    worst = max(worst, float((found - wanted).abs().max() / wanted.abs().max()))
    return worst


@torch.no_grad()
def unsettle(net: Chain) -> None:
    """Give normalisations such statistics, scales and shifts as training leaves."""
    for _, norm in net.blocks():
        for name, (low, high) in {"weight": (0.5, 2), "bias": (-0.5, 0.5), "running_mean": (-0.3, 0.3)}.items():
            norm.state_dict()[name].uniform_(low, high)
        norm.state_dict()["running_var"].uniform_(0.2, 1.5)
