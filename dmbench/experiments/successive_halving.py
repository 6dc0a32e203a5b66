"""Successive halving, Hyperband and BOHB: brackets as printed; settings of a network with updates as the resource."""

from collections.abc import Callable
from typing import Any

import torch

from dmbench.experiments._halving_training import MOST, SIZES, SPACE, UPDATES, Trainings
from dmbench.experiments._nas import ARTIFACTS, SEEDS, TABLE_5, strategy, table_5
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.parts.parzen import Density, ParzenSearch
from dmbench.nas.parts.rungs import Rung, brackets, halving
from dmbench.nas.space import Decision, Space
from dmbench.nas.successive_halving import BOHB, Hyperband, SuccessiveHalving, Told, chosen, spend

STRATEGY = strategy(ParzenSearch)
SMALL = Space("small", [Decision("a", (0, 1, 2)), Decision("b", (0, 1)), Decision("c", (0, 1, 2, 3))])
PASSES = 2  # of Hyperband's brackets: what a search may spend
DRAWN = 10  # points of a curve


def check_plan(plan: Any) -> None:
    """Raise ContractError unless a plan gives rows of points and resources."""
    try:
        found = [[(int(points), float(resource)) for points, resource in bracket] for bracket in plan(9, 3)]
    except (TypeError, ValueError) as error:
        raise ContractError(f"gave no rows of pairs of points and a resource: {error}") from error
    if not all(found) or len(found) != 3:
        raise ContractError(f"nine units and eta 3 make three brackets: {len(found)}")


PLAN = Subject(
    name="brackets",
    default=brackets,
    contract="brackets(most, eta) returns of each bracket, the one of most points first, pairs of how many points get "
    "how much of the resource",
    check=check_plan,
)


@experiment(*(f"points_s{s}" for s in range(5)), "units", tier="quick", subjects=(PLAN,))
def table_1(ctx: Context) -> dict[str, float]:
    """Lay out the brackets of 81 units with eta 3: the points each begins with, and the units of all together."""
    found = ctx.subject("brackets")(81, 3)
    units = sum(points * resource for bracket in found for points, resource in bracket)
    return {**{f"points_s{len(bracket) - 1}": bracket[0][0] for bracket in found}, "units": units}


@experiment("kept", tier="quick", seeds=SEEDS)
def never_crossing(ctx: Context) -> dict[str, float]:
    """Halve 27 points whose accuracies come closer with the resource but never cross; how often the best is left."""
    found = 0
    for run in range(20):
        random = torch.Generator().manual_seed(1_000 * (ctx.seed or 0) + run)
        strategy = SuccessiveHalving(SMALL, random, points=27, rungs=4)
        worth = dict(zip(SMALL.points(), torch.rand(24, generator=random).tolist(), strict=True))
        told = spend(strategy, lambda point, resource, worth=worth: worth[point] / resource, 27 * 4)  # type: ignore[misc]
        drawn = {one.trial.point for one in told}
        found += chosen(told) == max(drawn, key=worth.__getitem__)
    return {"kept": 100 * found / 20}


@experiment("density_sum", tier="quick")
def densities(ctx: Context) -> dict[str, float]:
    """Add up a density over all points of a space."""
    told = [SMALL.sample(torch.Generator().manual_seed(seed)) for seed in range(7)]
    return {"density_sum": float(Density(SMALL, told).log_prob(list(SMALL.points())).exp().sum())}


@experiment(*TABLE_5, tier="quick", artifacts=ARTIFACTS, subjects=(STRATEGY,), seeds=SEEDS)
def table(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 by 12-epoch validation accuracy with BOHB's model alone, 10 runs a seed; report as of others.

    All evaluations have the same resource: the benchmark's table has none with less.
    """
    return table_5(ctx, ctx.subject("strategy"), 10)


@experiment(
    "random_error",
    "halving_error",
    "hyperband_error",
    "bohb_error",
    tier="slow",
    artifacts=("fashion_mnist",),
    seeds=SEEDS,
)
def fashion(ctx: Context) -> dict[str, float]:
    """Search a small network's settings with the updates of two passes of Hyperband; the test error of each choice."""
    budget = PASSES * sum(rung.points * rung.resource for bracket in brackets(MOST) for rung in bracket)
    ctx.note(units=budget, most=MOST, updates=UPDATES, **SIZES)
    trainings = Trainings(ctx)
    makers: dict[str, Callable[[torch.Generator], Hyperband]] = {
        "random": lambda random: Hyperband(SPACE, random, plan=[[Rung(1, float(MOST))]]),
        "halving": lambda random: Hyperband(SPACE, random, plan=[halving(MOST, 1.0, 5)]),
        "hyperband": lambda random: Hyperband(SPACE, random, most=MOST),
        "bohb": lambda random: BOHB(SPACE, random, most=MOST),
    }
    searched: dict[str, list[Told]] = {}
    for name, make in makers.items():
        random = torch.Generator().manual_seed(1_000_003 * (ctx.seed or 0))
        searched[name] = spend(make(random), trainings.accuracy, budget)
        ctx.progress(len(searched), len(makers))
    for step in range(1, DRAWN + 1):
        spent = budget * step / DRAWN
        ctx.point(sample=UPDATES * spent, **{name: 100 - reached(told, spent) for name, told in searched.items()})
    return {f"{name}_error": trainings.tested(chosen(told)) for name, told in searched.items()}


def reached(told: list[Told], spent: float) -> float:
    """Return the best validation accuracy so far, %, with however many updates; 0 before the first."""
    return max((one.accuracy for one in told if one.spent <= spent), default=0.0)
