"""Hill climbing on NAS-Bench-201: how soon it finds the best cell of all, and what it reaches with little."""

import torch

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, SPACE, TABLE_5, read_bench, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import first_improvement
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.hill_climbing import HillClimbing

STRATEGY = strategy(HillClimbing)
CLIMBS, LONGEST = 200, 15_625


@experiment(*TABLE_5, tier="quick", artifacts=ARTIFACTS, subjects=(STRATEGY,), seeds=SEEDS)
def table(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 by 12-epoch validation accuracy, 100 runs a seed, and report 200-epoch test accuracies."""
    return table_5(ctx, ctx.subject("strategy"))


@experiment(
    "{data}_anytime",
    "{data}_improvement",
    tier="slow",
    artifacts=ARTIFACTS,
    subjects=(STRATEGY,),
    seeds=SEEDS,
    over={"data": DATA},
)
def search(ctx: Context, data: str) -> dict[str, float]:
    """Search each data set by its own signal, 100 runs a seed: regret after each evaluation, and random beaten."""
    return anytime(ctx, ctx.subject("strategy"), data)


@experiment("evaluations_to_optimum", tier="quick", artifacts=ARTIFACTS, subjects=(STRATEGY,), seeds=SEEDS)
def to_the_top(ctx: Context) -> dict[str, float]:
    """Climb CIFAR-100's landscape after 200 epochs until the best cell is found; count the cells evaluated.

    No search: the landscape is that of final accuracies, for which the table has test means only.
    """
    ctx.note(climbs=CLIMBS, landscape="CIFAR-100 mean test accuracy after 200 epochs")
    test = read_bench(ctx).test("cifar100")
    needed = 0
    for climb in range(CLIMBS):
        random = torch.Generator().manual_seed(1_000_003 * (ctx.seed or 0) + climb)
        climber = ctx.subject("strategy")(SPACE, random)
        seen = set()
        for _ in range(LONGEST):
            point = climber.ask()
            seen.add(point)
            if test.of(point) == test.best:
                break
            climber.tell(point, test.of(point).percent)
        needed += len(seen)
    return {"evaluations_to_optimum": needed / CLIMBS}


@experiment("first_improvement", tier="quick", artifacts=ARTIFACTS, seeds=SEEDS)
def first_better(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 by going to the first better neighbour, not to the best."""
    return {"first_improvement": table_5(ctx, first_improvement)["cifar10"]}
