"""MetaQNN's schedule, and Q-learning on NAS-Bench-201 with it shortened."""

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import q_learning
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.q_learning import SCHEDULE

STRATEGY = strategy(q_learning)


@experiment("models", tier="quick")
def schedule(ctx: Context) -> dict[str, float]:
    """Add up the models that MetaQNN trains, over its values of epsilon."""
    return {"models": sum(points for _, points in SCHEDULE)}


@experiment(*TABLE_5, tier="quick", artifacts=ARTIFACTS, subjects=(STRATEGY,), seeds=SEEDS)
def table(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 by 12-epoch validation accuracy, 20 runs a seed, and report 200-epoch test accuracies."""
    return table_5(ctx, ctx.subject("strategy"), 20)


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
