"""Grid and random search: how much of a space they see, and a small network tuned by either at equal trials."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits, error, read_digits, seeded
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers.hyperparameter_search import (
    Range,
    Trial,
    chance,
    distinct,
    grid,
    random_layout,
    search,
    trials_needed,
)

PLANE = {"important": Range(0, 1), "unimportant": Range(0, 1)}  # Figure 1
DRAWS = 5_000
# The learning rate decides; the other two matter little over most of their ranges.
SPACE = {"rate": Range(1e-4, 10, log=True), "decay": Range(1e-7, 1e-2, log=True), "scale": Range(0.3, 3, log=True)}
TRIALS = 27
SIZES = {"train": 1000, "validation": 1000, "updates": 100, "batch": 50, "hidden": 32}


def check_layout(layout: Any) -> None:
    """Raise ContractError unless layout gives trials inside of their ranges."""
    trials = layout({"a": Range(1, 2), "b": Range(0.1, 10, log=True)}, 4, torch.Generator().manual_seed(0))
    if len(trials) != 4 or any(set(trial) != {"a", "b"} for trial in trials):
        raise ContractError(f"returned {len(trials)} trials, not 4 of a and b each")
    if any(not (1 <= trial["a"] <= 2 and 0.1 <= trial["b"] <= 10) for trial in trials):
        raise ContractError(f"a value lies outside of its range: {trials}")


LAYOUT = Subject(
    name="layout",
    default=random_layout,
    contract="layout(ranges by name, trials, generator) returns that many dictionaries of one value for each range",
    check=check_layout,
)


@experiment("grid_distinct", "random_distinct", tier="quick", subjects=(LAYOUT,))
def nine_trials(ctx: Context) -> dict[str, float]:
    """Count the values of the important parameter that nine trials test."""
    trials = ctx.subject("layout")(PLANE, 9, None)
    squares = grid(PLANE, dict.fromkeys(PLANE, 3))
    return {"grid_distinct": distinct(squares, "important"), "random_distinct": distinct(trials, "important")}


@experiment("grid_best", "random_best", tier="quick", subjects=(LAYOUT,))
def low_dimension(ctx: Context) -> dict[str, float]:
    """Find the highest of nine values of a function that is the important parameter itself, the other one no matter."""
    squares = grid(PLANE, dict.fromkeys(PLANE, 3))
    trials = ctx.subject("layout")({"important": PLANE["important"]}, 9 * DRAWS, None)
    found = torch.tensor([trial["important"] for trial in trials], dtype=torch.float64).view(DRAWS, 9)
    return {
        "grid_best": search(lambda trial: -trial["important"], squares)[0]["important"],
        "random_best": float(found.max(1).values.mean()),
    }


@experiment("sixty_trials", "trials_for_best_5", tier="quick")
def how_many(ctx: Context) -> dict[str, float]:
    """Compute how likely 60 trials find the best 5 %, and how many are needed for 95 %."""
    return {"sixty_trials": 100 * chance(0.05, 60), "trials_for_best_5": trials_needed(0.05, 0.95)}


@experiment("mnist_gain", tier="slow", artifacts=("mnist",), subjects=(LAYOUT,), seeds=10)
def mnist(ctx: Context) -> dict[str, float]:
    """Tune a small network on 1,000 digits by 27 trials of a grid and 27 random ones; the best of each on the test."""
    ctx.note(trials=TRIALS, **SIZES, **{name: list(one) for name, one in SPACE.items()})
    everything, test = read_digits(ctx, "train"), read_digits(ctx, "test")
    order = torch.randperm(len(everything.labels), generator=seeded(ctx, "digits")).to(ctx.device)
    train = Digits(*(part[order[: SIZES["train"]]] for part in everything))
    held_out = Digits(*(part[order[SIZES["train"] :][: SIZES["validation"]]] for part in everything))
    layouts = {
        "grid": grid(SPACE, dict.fromkeys(SPACE, 3)),
        "random": ctx.subject("layout")(SPACE, TRIALS, seeded(ctx, "layout")),
    }
    found = {}
    for name, layout in layouts.items():
        best, _ = search(lambda trial: error(trained(ctx, train, trial), held_out), layout)
        found[name] = error(trained(ctx, train, best), test)
        ctx.progress(len(found), len(layouts))
    return {"mnist_gain": found["grid"] - found["random"]}


def trained(ctx: Context, train: Digits, trial: Trial) -> nn.Module:
    """Train a network of one hidden layer by SGD; every trial starts from the same draws, scaled, and sees the same."""
    generator = seeded(ctx, "weights")
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, SIZES["hidden"]), nn.ReLU(), nn.Linear(SIZES["hidden"], 10))
    with torch.no_grad():
        for name, values in net.named_parameters():
            values.zero_()
            if name.endswith("weight"):
                values.normal_(generator=generator).mul_(trial["scale"] * math.sqrt(2 / values.shape[1]))
    net.to(ctx.device)
    optimiser = torch.optim.SGD(net.parameters(), trial["rate"], weight_decay=trial["decay"])
    for update in range(SIZES["updates"]):
        first = update * SIZES["batch"] % SIZES["train"]
        images, labels = (part[first : first + SIZES["batch"]] for part in train)
        optimiser.zero_grad()
        cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return net
