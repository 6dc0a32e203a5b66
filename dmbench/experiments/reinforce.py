"""REINFORCE on NAS-Bench-201 against Table 5: a softmax for each edge; and the recurrent controller."""

import torch

from dmbench.experiments._nas import ARTIFACTS, DATA, SEEDS, TABLE_5, strategy, table_5
from dmbench.experiments._nas_anytime import anytime
from dmbench.experiments._nas_settings import recurrent
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.parts.policies import SoftmaxPolicy
from dmbench.nas.reinforce import Reinforce, policy_loss
from dmbench.nas.space import Decision, Space

STRATEGY = strategy(Reinforce)
SMALL = Space("two decisions", [Decision("a", (0, 1, 2)), Decision("b", (0, 1))])


@experiment("unbiased", tier="quick")
def estimator(ctx: Context) -> dict[str, float]:
    """Average the estimated gradient over all points of a small space, less the gradient of the mean reward itself."""
    points = list(SMALL.points())
    rewards = torch.tensor([[0.3], [0.1], [0.9], [0.4], [0.2], [0.7]], dtype=torch.float64)
    policy = SoftmaxPolicy(SMALL, generator=torch.Generator().manual_seed(0), spread=1.0).double()
    log_prob, entropy = policy.judge(points)
    shares = log_prob.exp()[:, None]
    (exact,) = torch.autograd.grad(-(shares * rewards).sum(), policy.logits, retain_graph=True)
    # Points as likely as they are, with a baseline that must not matter.
    weighted = len(points) * shares.detach() * (rewards - 0.35)
    (estimated,) = torch.autograd.grad(policy_loss(log_prob[:, None], weighted, entropy[:, None]), policy.logits)
    return {"unbiased": float((estimated - exact).abs().max())}


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


@experiment("controller", tier="slow", artifacts=ARTIFACTS, seeds=SEEDS)
def controller(ctx: Context) -> dict[str, float]:
    """Search in the same way with Zoph and Le's recurrent controller, 10 runs a seed."""
    return {"controller": table_5(ctx, recurrent, 10)["cifar10"]}
