"""Bandits: the regret of UCB1 below its bound, and a bandit for each edge of NAS-Bench-201."""

import math
from typing import Any

import torch

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import thompson, ucb
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.bandits import UCB1, Thompson

STRATEGY = strategy(ucb)
CHANCES = (0.9, 0.6)  # Auer et al., distribution 1
PLAYS, REPEATS = 1_000, 5


def check_bandit(bandit: Any) -> None:
    """Raise ContractError unless a bandit plays its arms."""
    one = bandit(3, torch.Generator().manual_seed(0))
    for _ in range(10):
        arm = one.choose()
        if arm not in range(3):
            raise ContractError(f"chose {arm} of three arms")
        one.learn(arm, 0.5)


BANDIT = Subject(
    name="bandit",
    default=UCB1,
    contract="bandit(arms, generator) has choose(), which returns an arm from 0, and learn(arm, reward from 0 to 1)",
    check=check_bandit,
)


@experiment("ucb_regret", tier="quick", subjects=(BANDIT,), seeds=SEEDS)
def two_arms(ctx: Context) -> dict[str, float]:
    """Play two Bernoulli arms 1,000 times; the plays of the worse one times what each of them loses."""
    return {"ucb_regret": regret(ctx, ctx.subject("bandit"))}


@experiment("thompson_regret", tier="quick", seeds=SEEDS)
def two_arms_thompson(ctx: Context) -> dict[str, float]:
    """Play the same arms by Thompson sampling."""
    return {"thompson_regret": regret(ctx, Thompson)}


def regret(ctx: Context, bandit: Any) -> float:
    """Return the mean regret of some repeats."""
    ctx.note(chances=list(CHANCES), plays=PLAYS, repeats=REPEATS)
    random = torch.Generator().manual_seed(ctx.seed or 0)
    worse = 0
    for _ in range(REPEATS):
        one = bandit(2, random)
        rewards = (torch.rand(PLAYS, 2, generator=random) < torch.tensor(CHANCES)).tolist()
        for row in rewards:
            arm = one.choose()
            one.learn(arm, float(row[arm]))
            worse += arm
    return (CHANCES[0] - CHANCES[1]) * worse / REPEATS


def bound(plays: int = PLAYS) -> float:
    """Return Theorem 1's bound of UCB1's regret: 8 ln n / gap + (1 + pi^2 / 3) gap."""
    gap = CHANCES[0] - CHANCES[1]
    return 8 * math.log(plays) / gap + (1 + math.pi**2 / 3) * gap


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


@experiment("thompson", tier="quick", artifacts=ARTIFACTS, seeds=SEEDS)
def by_thompson(ctx: Context) -> dict[str, float]:
    """Search CIFAR-10 in the same way by Thompson sampling, 20 runs a seed."""
    return {"thompson": table_5(ctx, thompson, 20)["cifar10"]}
