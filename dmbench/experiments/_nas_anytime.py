"""What searches of a data set reach after each evaluation, 500 runs of each strategy: regret, and who beats whom."""

from dmbench.experiments._nas import EVALUATIONS, RUNS, SPACE, Make, finals, read_bench, runs
from dmbench.experiments._nas_statistics import improvement, regrets
from dmbench.harness.experiment import Context
from dmbench.nas.random_search import RandomSearch

LONGEST = 150
DRAWN = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, LONGEST)


def anytime(ctx: Context, make: Make, data: str) -> dict[str, float]:
    """Search a data set by its own signal, and report the test accuracy there after 100 evaluations.

    Returns by `<data>_anytime` its mean over runs, in per cent, and by `<data>_improvement` how likely a run beats one
    of random search, in per cent. The curve is the mean regret after so many evaluations (`sample`).
    """
    bench = read_bench(ctx)
    ctx.note(runs=RUNS, evaluations=EVALUATIONS, signal=f"{data}, validation accuracy after 12 epochs")
    seed = ctx.seed or 0
    found = runs(make, SPACE, bench.signal(data), count=RUNS, budget=LONGEST, seed=seed)
    regret = regrets(found, bench.test(data)).mean(0)
    for evaluations in DRAWN:
        ctx.point(sample=evaluations, regret=float(regret[evaluations - 1]))
    # Other runs than those of random search's own experiment, so that it is compared with itself fairly.
    others = runs(RandomSearch, SPACE, bench.signal(data), count=RUNS, budget=EVALUATIONS, seed=seed + 1000)
    ours, theirs = (finals(histories, bench, data, EVALUATIONS) for histories in (found, others))
    return {
        f"{data}_anytime": sum(ours) / len(ours),
        f"{data}_improvement": 100 * improvement(ours, theirs),
    }
