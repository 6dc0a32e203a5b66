"""Training for scaled MNIST: a plain network on plain digits, then copies of it on scaled ones, side by side.

Shapes: N digits; images (N, 28, 28), float32, in [0, 1]; labels (N).
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets.mnist import read_mnist
from dmbench.experiments._scaled_mnist import DAI, PLAIN, RESAMPLED, DigitNet, draw_scales, scale
from dmbench.harness.experiment import Context

NORMS = "batch_norm"  # nothing is deformed: what the adapting batch normalisation does by itself
TUNED = "tuned"  # the second phase, after the plain network's
COST = 7  # updates of the plain network that one update of all copies costs, roughly
FEW = 500  # test digits of a point of the curve
Digits = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Recipe:
    """How long the networks train, and at which rates: Adam, with the demonstration's batch and learning rates.

    plain_updates, tuned_updates: of the plain network, and then of each copy. decays: the rates fall linearly to zero.
    evaluate_every: updates between checkpoints, and points of the curve.
    """

    plain_updates: int
    tuned_updates: int
    decays: bool
    evaluate_every: int
    batch: int = 32
    plain_rate: float = 1e-3
    tuned_rate: float = 5e-4


def trained(ctx: Context, recipe: Recipe, layer: type[nn.Module]) -> dict[str, nn.Module]:
    """Train the plain network on plain digits and three copies of it on scaled ones, and return all four.

    Of the copies only new layers and batch normalisation learn, as in the demonstration's script (its README speaks of
    the new layers alone): one has `layer` before its convolutions, one is deformable, one has nothing new.
    An interrupted run goes on from its last checkpoint, with the same numbers as if it had not been interrupted.
    """
    ctx.note(**vars(recipe), optimiser="Adam")
    images, labels = (part.to(ctx.device) for part in read_digits(ctx, "train"))
    state = ctx.load() or {"phase": PLAIN, "update": 0}
    plain = DigitNet()
    copies = {RESAMPLED: DigitNet(RESAMPLED, layer), DAI: DigitNet(DAI), NORMS: DigitNet()}
    for net in (plain, *copies.values()):
        net.to(ctx.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if state["phase"] == PLAIN:
        fit(ctx, recipe, PLAIN, {PLAIN: plain}, (images, labels), state)
        state = {"phase": TUNED, "update": 0}
    else:
        plain.load_state_dict(state["plain"])
    for copy in copies.values():
        copy.adapt(plain)
    fit(ctx, recipe, TUNED, copies, (images, labels), state, plain)
    return {PLAIN: plain, **copies}


def fit(
    ctx: Context,
    recipe: Recipe,
    phase: str,
    nets: Mapping[str, nn.Module],
    digits: Digits,
    state: dict[str, Any],
    plain: nn.Module | None = None,
) -> None:
    """Train networks side by side from a state on; `plain` is kept in the checkpoints."""
    tuning = phase == TUNED
    updates, rate = (recipe.tuned_updates, recipe.tuned_rate) if tuning else (recipe.plain_updates, recipe.plain_rate)
    before, cost = (recipe.plain_updates, COST) if tuning else (0, 1)
    total = recipe.plain_updates + COST * recipe.tuned_updates
    optimisers = {
        name: torch.optim.Adam([p for p in net.parameters() if p.requires_grad], rate) for name, net in nets.items()
    }
    for name in state.get("nets", {}):
        nets[name].load_state_dict(state["nets"][name])
        optimisers[name].load_state_dict(state["optimisers"][name])
    few = first(scaled_test(ctx), FEW, ctx.device) if tuning else None
    for update in range(state["update"], updates):
        images, labels = batch(digits, recipe, phase, ctx.seed or 0, update)
        for name, net in nets.items():
            for group in optimisers[name].param_groups:
                group["lr"] = rate * (1 - update / updates if recipe.decays else 1)
            optimisers[name].zero_grad()
            cross_entropy(net(images[:, None]), labels).backward()  # type: ignore[no-untyped-call]
            optimisers[name].step()
        done = update + 1
        if done % recipe.evaluate_every == 0 or done == updates:
            if few is not None:
                ctx.point(update=done, **{f"{name}_scaled": accuracy(net, few) for name, net in nets.items()})
            ctx.save(
                {
                    "phase": phase,
                    "update": done,
                    "nets": {name: net.state_dict() for name, net in nets.items()},
                    "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
                    "plain": plain.state_dict() if plain else None,
                }
            )
        if done % 10 == 0:
            ctx.progress(before + cost * done, total)


def batch(digits: Digits, recipe: Recipe, phase: str, seed: int, update: int) -> Digits:
    """Return the digits of an update, scaled in the second phase; each epoch has an order of its own from the seed."""
    images, labels = digits
    epoch, step = divmod(update, math.ceil(len(images) / recipe.batch))
    chosen = order(len(images), seed, f"{phase} {epoch}")[step * recipe.batch :][: recipe.batch].to(images.device)
    found = images[chosen]
    if phase == TUNED:
        found = scale(found, *draw_scales(len(found), generator(seed, f"scales {update}")))
    return found, labels[chosen]


@lru_cache(maxsize=1)
def order(count: int, seed: int, purpose: str) -> Tensor:
    """Return the numbers below count, shuffled."""
    return torch.randperm(count, generator=generator(seed, purpose))


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return a generator of its own for each purpose, so that a run may go on anywhere."""
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def read_digits(ctx: Context, part: str) -> Digits:
    """Read a part of MNIST, divided by 255, on the CPU."""
    images, labels = read_mnist(ctx.files("mnist"), part)
    return images.float() / 255, labels


def scaled_test(ctx: Context) -> Digits:
    """Return the test digits, each scaled by draws that depend on the seed alone: the same for all networks."""
    images, labels = read_digits(ctx, "test")
    return scale(images, *draw_scales(len(images), generator(ctx.seed or 0, "test"))), labels


def first(digits: Digits, count: int, device: torch.device) -> Digits:
    """Return the first digits, on a device."""
    return digits[0][:count].to(device), digits[1][:count].to(device)


def scores(ctx: Context, nets: Mapping[str, nn.Module]) -> dict[str, float]:
    """Return each network's accuracy, %, on the plain and on the scaled test digits: `plain_regular` and so on."""
    found: dict[str, float] = {}
    for part, digits in (("regular", read_digits(ctx, "test")), ("scaled", scaled_test(ctx))):
        own = first(digits, len(digits[1]), ctx.device)
        found |= {f"{name}_{part}": accuracy(net, own) for name, net in nets.items()}
    return found


@torch.no_grad()
def accuracy(net: nn.Module, digits: Digits) -> float:
    """Return the share of digits that a network in evaluation mode gets right, %."""
    net.eval()
    right = 0
    for start in range(0, len(digits[0]), 100):
        images, labels = (part[start : start + 100] for part in digits)
        right += int((net(images[:, None]).argmax(1) == labels).sum())
    net.train()
    return 100 * right / len(digits[1])
