"""Regularised evolution of NAS-Bench-201's cells against Table 5; and evolution in which the worst dies."""

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import non_aging
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.regularized_evolution import RegularizedEvolution

STRATEGY = strategy(RegularizedEvolution)  # NAS-Bench-201's own settings: a population of 10, tournaments of 3


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


@experiment("non_aging", tier="quick", artifacts=ARTIFACTS, seeds=SEEDS)
def worst_dies(ctx: Context) -> dict[str, float]:
    """Search in the same way by evolution in which the worst of a tournament dies, not the oldest."""
    return {"non_aging": table_5(ctx, non_aging)["cifar10"]}
