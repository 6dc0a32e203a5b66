"""PPO: that its first step is the policy gradient, and on NAS-Bench-201."""

from typing import Any

import torch

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.ppo import PPO, clipped_loss

STRATEGY = strategy(PPO)


def check_loss(loss: Any) -> None:
    """Raise ContractError unless a loss gives one number."""
    found = loss(torch.zeros(2, 1), torch.zeros(2, 1), torch.ones(2, 1), 0.2)
    if found.shape != () or found != -1:
        raise ContractError(f"gave {found} where all ratios and advantages are 1, not -1")


LOSS = Subject(
    name="loss",
    default=clipped_loss,
    contract="loss(log_prob, before, advantage, clip), all (batch, lanes) but clip, is minus the clipped objective: a "
    "mean over the batch, a sum over lanes, in the graph of log_prob",
    check=check_loss,
)


@experiment("first_step", "clipped_gradient", tier="quick", subjects=(LOSS,))
def gradients(ctx: Context) -> dict[str, float]:
    """Differentiate the objective at ratio 1, less the policy gradient; and where it is clipped."""
    loss = ctx.subject("loss")
    before = torch.log(torch.tensor([[0.1], [0.3], [0.5], [0.05]], dtype=torch.float64))
    advantage = torch.tensor([[1.0], [-2.0], [0.5], [-0.25]], dtype=torch.float64)
    now = before.clone().requires_grad_()
    (step,) = torch.autograd.grad(loss(now, before, advantage, 0.2), now)
    # Ratios of 1.3 and 0.7, where the advantage already went that way.
    far = (before + torch.log(torch.tensor([[1.3], [0.7], [1.3], [0.7]]))).requires_grad_()
    (clipped,) = torch.autograd.grad(loss(far, before, advantage, 0.2), far)
    return {
        "first_step": float((step + advantage / 4).abs().max()),
        "clipped_gradient": float(clipped.abs().max()),
    }


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
