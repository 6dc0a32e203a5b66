"""Training on the tasks of Neural Turing Machines, and measuring what was learnt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dmbench.datasets.algorithmic import Batch, together
from dmbench.experiments._ntm_recipes import DRAWS, Recipe
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.metrics.sequence_bits import bits_per_sequence, wrong_bits
from dmbench.optim.gradient_clipping import clip_by_value_
from dmbench.optim.rmsprop import RMSprop

HELD_OUT = 160  # sequences that points of the curve are measured on
POINTS = 10  # of a curve
Watch = Callable[[], dict[str, float]]


def train(ctx: Context, recipe: Recipe, nets: Mapping[str, nn.Module], *, watch: Watch | None = None) -> None:
    """Train networks in place, all on the same sequences; a run that was killed goes on.

    Points of the curve: bits per sequence, trained on and held out.

    Args:
        nets: by what stands before the names of their points, such as "" or "lstm_".
        watch: measures more for each point.
    """
    ctx.note(**asdict(recipe), optimiser="RMSProp", alpha=0.95, momentum=0.9, eps=1e-4, centred=True)
    optimisers = {name: recipe.optimise(net.to(ctx.device)) for name, net in nets.items()}
    draw = DRAWS[recipe.task]

    def step(done: int) -> dict[str, Tensor]:
        batch = draw(recipe.batch, None).to(ctx.device)
        for optimiser in optimisers.values():
            optimiser.param_groups[0]["lr"] = recipe.rate_at(done)
        return {f"{name}train_bits": update(net, optimisers[name], batch, recipe.limit) for name, net in nets.items()}

    def evaluate() -> dict[str, float]:
        found = {f"{name}bits": cost(net, test) for name, net in nets.items()}
        return found | (watch() if watch is not None else {})

    test = held_out(recipe.task)
    parts: dict[str, Any] = {f"{name}net": net for name, net in nets.items()}
    parts |= {f"{name}optimiser": optimiser for name, optimiser in optimisers.items()}
    every = max(1, recipe.updates // POINTS)
    Loop(ctx, recipe.updates, parts, save_every=min(every, 1000)).run(step, evaluate=evaluate, evaluate_every=every)


def update(net: nn.Module, optimiser: RMSprop, batch: Batch, limit: float) -> Tensor:
    """Make one update; return the loss, bits per sequence, or NaN, at which the loop stops, and says where."""
    optimiser.zero_grad(set_to_none=True)
    loss = bits_per_sequence(net(batch.x)[0], batch.targets, batch.counted).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    try:
        clip_by_value_(net.parameters(), limit)
        optimiser.step()
    except FloatingPointError:  # a gradient that is no number: nothing was updated
        return torch.full_like(loss, torch.nan)
    return loss


def held_out(task: str, count: int = HELD_OUT) -> list[Batch]:
    """Return sequences drawn by a generator of their own, the same for all seeds, in batches of 16."""
    generator = Generator().manual_seed(2014)
    return [DRAWS[task](16, generator) for _ in range(count // 16)]


def cost(net: nn.Module, batches: Sequence[Batch]) -> float:
    """Return the mean bits per sequence."""
    return measured(net, batches, bits_per_sequence)


def errors(net: nn.Module, batches: Sequence[Batch]) -> float:
    """Return the mean number of wrong bits of a sequence."""
    return measured(net, batches, wrong_bits)


@torch.no_grad()
def measured(net: nn.Module, batches: Sequence[Batch], metric: Callable[[Tensor, Tensor, Tensor], Tensor]) -> float:
    """Return the mean of a metric over all sequences; batches of different lengths are padded and run in fours."""
    device = next(net.parameters()).device
    found = []
    for start in range(0, len(batches), 4):
        batch = together(batches[start : start + 4]).to(device)
        found.append(metric(net(batch.x)[0], batch.targets, batch.counted))
    return float(torch.cat(found).mean())
