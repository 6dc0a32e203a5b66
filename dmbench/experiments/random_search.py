"""Random search of NAS-Bench-201 against Table 5; all strategies beside it, by rank."""

from dmbench.experiments._nas import (
    ARTIFACTS,
    DATA,
    EVALUATIONS,
    RUNS,
    SEEDS,
    SPACE,
    TABLE_5,
    finals,
    read_bench,
    runs,
    strategy,
    table_5,
)
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_statistics import ranks
from dmbench.experiments._nas_strategies import STRATEGIES
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.random_search import RandomSearch

STRATEGY = strategy(RandomSearch)


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


@experiment(*(f"rank_{name}" for name in STRATEGIES), tier="slow", artifacts=ARTIFACTS, seeds=SEEDS)
def comparison(ctx: Context) -> dict[str, float]:
    """Rank all strategies by what they reach in 100 evaluations, run by run, over three data sets; 1 is the best."""
    bench = read_bench(ctx)
    ctx.note(runs=RUNS, evaluations=EVALUATIONS)
    totals = dict.fromkeys(STRATEGIES, 0.0)
    for place, data in enumerate(DATA):
        reached = {}
        for name, make in STRATEGIES.items():
            found = runs(make, SPACE, bench.signal(data), count=RUNS, budget=EVALUATIONS, seed=ctx.seed or 0)
            reached[name] = finals(found, bench, data, EVALUATIONS)
            ctx.progress(place + len(reached) / len(STRATEGIES), len(DATA))
        for name, found_rank in ranks(reached).items():
            totals[name] += found_rank.value / len(DATA)
    return {f"rank_{name}": total for name, total in totals.items()}
