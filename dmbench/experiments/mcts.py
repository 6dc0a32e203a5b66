"""Tree search: that it finds the best branch, as it must, and on NAS-Bench-201."""

import torch

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import tree_search
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.mcts import MCTS
from dmbench.nas.space import Decision, Space

STRATEGY = strategy(tree_search)
UCT = strategy(MCTS, "uct")
TREE = Space("four, three deep", [Decision(name, (0, 1, 2, 3)) for name in "abc"])
TREES, SIMULATIONS = 10, 500


@experiment("best_branch", tier="quick", subjects=(UCT,), seeds=SEEDS)
def consistency(ctx: Context) -> dict[str, float]:
    """Search trees of 64 leaves, one worth 1, others up to 0.6; count those whose best branch is proposed most late."""
    ctx.note(trees=TREES, simulations=SIMULATIONS)
    found = 0
    for tree in range(TREES):
        random = torch.Generator().manual_seed(1_000_003 * (ctx.seed or 0) + tree)
        worths = 60 * torch.rand(64, generator=random)
        worths[int(torch.randint(64, (), generator=random))] = 100
        worth = dict(zip(TREE.points(), worths.tolist(), strict=True))
        searcher = ctx.subject("uct")(TREE, random)
        late = []
        for simulation in range(SIMULATIONS):
            point = searcher.ask()
            searcher.tell(point, worth[point])
            late += [point[0]] if simulation >= 3 * SIMULATIONS // 4 else []
        found += max(set(late), key=late.count) == max(worth, key=worth.__getitem__)[0]
    return {"best_branch": 100 * found / TREES}


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
