"""Dropout: its statistics, what weight scaling averages, its regression in closed form, and the paper's MNIST table."""

from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._digits_training import Training, error, read_digits
from dmbench.experiments._dropout_nets import DropoutNet, Recipe
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.dropout import dropout, max_norm_, scale_weight

UNITS = 1_000_000
WIDTH = 8  # of the networks whose 2 ** WIDTH thinned ones are all computed
ROWS = {
    "standard": Recipe((800, 800), "logistic", drops=False, norm=0, epochs=8, rate=0.1, optimiser="sgd"),
    "logistic": Recipe((1024,) * 3, "logistic", drops=True, norm=0, epochs=4, rate=2e-3),
    "relu": Recipe((1024,) * 3, "relu", drops=True, norm=0, epochs=4, rate=1e-3),
    "relu_max_norm": Recipe((1024,) * 3, "relu", drops=True, norm=2, epochs=4, rate=1e-3),
}


def check_dropout(drop: Callable[[Tensor, float, bool], Tensor]) -> None:
    """Raise ContractError unless it keeps a shape, drops about p in training and nothing at test time."""
    x = torch.rand(100, 100) + 1
    y, tested = drop(x, 0.5, True), drop(x, 0.5, False)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))}, not shape {tuple(x.shape)}")
    if not 0.4 < float((y == 0).float().mean()) < 0.6:
        raise ContractError(f"dropped {float((y == 0).float().mean()):.2f} of all values in training, not 0.5")
    if (tested == 0).any():
        raise ContractError("dropped values at test time")


DROPOUT = Subject(
    name="dropout",
    default=dropout,
    contract="f(x, p, training) does as torch.nn.functional.dropout: drops with probability p, divides by 1 - p",
    check=check_dropout,
)


@experiment("kept_hidden", "kept_input", tier="quick", subjects=(DROPOUT,))
def kept(ctx: Context) -> dict[str, float]:
    """Measure the share of a million units that stay, at the paper's two rates."""
    found = {}
    for where, p in (("hidden", 0.5), ("input", 0.2)):
        y = ctx.subject("dropout")(torch.ones(UNITS, device=ctx.device), p, True)
        found[f"kept_{where}"] = float((y != 0).double().mean())
    return found


@experiment("mean", "variance_half", "variance_fifth", tier="quick", subjects=(DROPOUT,))
def moments(ctx: Context) -> dict[str, float]:
    """Measure the mean of a million ones after dropout, and their variances at both rates."""
    ones = torch.ones(UNITS, dtype=torch.float64, device=ctx.device)
    half, fifth = (ctx.subject("dropout")(ones, p, True) for p in (0.5, 0.2))
    return {
        "mean": float(half.mean()),
        "variance_half": float(half.var()),
        "variance_fifth": float(fifth.var()),
    }


@experiment("plain_is_inverted", tier="quick")
def plain_is_inverted(ctx: Context) -> dict[str, float]:
    """Compare plain dropout with 1 - p times inverted dropout, same masks, in training and at test time."""
    x = torch.randn(100, 100, dtype=torch.float64).to(ctx.device)
    worst = 0.0
    for p, training in product((0.2, 0.5), (True, False)):
        plain, inverted = (
            dropout(x, p, training, inverted=kind, generator=torch.Generator(ctx.device).manual_seed(0))
            for kind in (False, True)
        )
        worst = max(worst, float((plain - (1 - p) * inverted).abs().max()))
    return {"plain_is_inverted": worst}


@experiment("geometric_mean", tier="quick")
def geometric_mean(ctx: Context) -> dict[str, float]:
    """Compare weight scaling with the renormalised geometric mean of all 256 thinned softmax regressions."""
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((5, WIDTH), (10, WIDTH), (10,)))
    masks = all_masks()
    thinned = F.log_softmax(F.linear(masks[:, None] * x, weight, bias), -1)  # (masks, N, classes)
    average = thinned.mean(0).softmax(-1)
    scaled = F.linear(x, scale_weight(weight, 0.5), bias).softmax(-1)
    return {"geometric_mean": float((average - scaled).abs().max())}


@experiment("regression", tier="quick")
def regression(ctx: Context) -> dict[str, float]:
    """Compare linear regression's mean loss over all 256 masks of an input with its closed form.

    Each case has its own mask, and the mean of its loss over them is taken by itself: the loss is a sum over cases.
    """
    x, w, y = (torch.randn(*shape, dtype=torch.float64) for shape in ((20, WIDTH), (WIDTH,), (20,)))
    worst = 0.0
    for keep in (0.5, 0.8):
        masks = all_masks()
        chance = (masks * keep + (1 - masks) * (1 - keep)).prod(1)
        loss = (chance[:, None] * (y - (masks[:, None] * x) @ w).square()).sum()
        spread = x.square().sum(0).sqrt()  # Gamma's diagonal
        closed = (y - keep * x @ w).square().sum() + keep * (1 - keep) * (spread * w).square().sum()
        worst = max(worst, float((loss - closed).abs() / closed))
    return {"regression": worst}


@experiment("max_norm", tier="quick")
def max_norm(ctx: Context) -> dict[str, list[float]]:
    """Hold the weights (3, 4) and (0.3, 0.4) of two units within the norm 2."""
    return {"max_norm": max_norm_(torch.tensor([[3.0, 4.0], [0.3, 0.4]], dtype=torch.float64), 2).flatten().tolist()}


@experiment("difference_torch", tier="quick", subjects=(DROPOUT,))
def difference_torch(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.dropout on the CPU after the same seed: result and gradient."""
    x = torch.randn(64, 100, dtype=torch.float64, requires_grad=True)
    worst = 0.0
    for p in (0.2, 0.5):
        found = []
        for drop in (ctx.subject("dropout"), F.dropout):
            torch.manual_seed(0)
            y = drop(x, p, True)
            found.append((y.detach(), *torch.autograd.grad(y.square().sum(), x)))
        worst = max(worst, *(float((mine - his).abs().max()) for mine, his in zip(*found, strict=True)))
    return {"difference_torch": worst}


@experiment("mnist_{row}", tier="slow", artifacts=("mnist",), subjects=(DROPOUT,), seeds=5, over={"row": tuple(ROWS)})
def trained(ctx: Context, row: str) -> dict[str, float]:
    """Train a network of the MNIST table; the share of the 10,000 test digits that it gets wrong, %.

    Differs from the paper: 1. A few epochs instead of 1,000,000 updates, and for these Adam where units are dropped:
    momentum of 0.95 gets less far in them. 2. The rate falls linearly to zero. 3. Nothing is tuned on a validation set;
    all 60,000 digits train, as in the paper's last step.
    """
    recipe = ROWS[row]
    ctx.note(**asdict(recipe))
    train, test = read_digits(ctx, "train"), read_digits(ctx, "test")
    net = DropoutNet(recipe, ctx.subject("dropout")).to(ctx.device)
    epoch = ceil(len(train.labels) / recipe.batch)
    updates = recipe.epochs * epoch
    Training(ctx, train, updates).phase(
        row,
        net,
        recipe.optimise(net),
        updates,
        batch=recipe.batch,
        rate=lambda update: recipe.rate_at(update, updates),
        after=net.hold,
        evaluate=lambda: {"error": error(net, test)},
        evaluate_every=epoch,
    )
    return {f"mnist_{row}": error(net, test)}


def all_masks() -> Tensor:
    """Return all masks of WIDTH units, (2 ** WIDTH, WIDTH)."""
    return torch.tensor(list(product((0.0, 1.0), repeat=WIDTH)), dtype=torch.float64)
