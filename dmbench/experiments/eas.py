"""EAS: its policy's probabilities and gradients against enumeration, its reward, and a real search by it."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from dmbench.experiments._digits_training import seeded
from dmbench.experiments._nas_real import Recipe
from dmbench.experiments._nas_real_search import Entrant, begun, compete
from dmbench.experiments._nas_real_space import FIRST, GROWTH
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.eas import EAS, Action, Deeper, TransformPolicy, Wider, reward
from dmbench.nas.network_morphism import Chain, Layer, deepen, widen
from dmbench.nas.parts.growth import Growth
from dmbench.nas.reinforce import policy_loss

SMALL = Growth(ladder=(4, 8), windows=(3, 5), longest=3)
# All layers may be made wider, two of them, and none; there is room in two segments, in one, and in two.
NETS = (
    (Layer(4, pooled=True), Layer(4, pooled=True), Layer(4)),
    (Layer(8, pooled=True), Layer(4), Layer(8, 5), Layer(8, pooled=True), Layer(4)),
    (Layer(8, pooled=True), Layer(8, 5), Layer(8, pooled=True), Layer(8, 5), Layer(8)),
)
REAL = Recipe()
DRAWS = 150
STEP = 1e-5  # of central differences
ENTRIES = 2  # of each parameter whose derivatives are compared


def check_policy(policy: Any) -> None:
    """Raise ContractError unless a policy draws both kinds of action, and gives their log-probabilities."""
    made = policy(SMALL, torch.Generator().manual_seed(0))
    for kind in (Wider, Deeper):
        action = made.draw(NETS[0], kind, torch.Generator().manual_seed(0))
        if not isinstance(action, kind):
            raise ContractError(f"drew {action}, which is no {kind.__name__}")
        log, entropy = made.judge(NETS[0], action)
        if log.shape or entropy.shape or not float(log.detach()) <= 0:
            raise ContractError(f"the log-probability of {action} is {log}, no scalar of at most 0")


def check_reward(found: Any) -> None:
    """Raise ContractError unless it maps a per cent to a number."""
    if not isinstance(found(50.0), float):
        raise ContractError(f"returned a {type(found(50.0)).__name__} for 50 %, not a float")


def check_loss(loss: Any) -> None:
    """Raise ContractError unless it makes one number of a batch."""
    if loss(torch.zeros(2, 1), torch.ones(2, 1), torch.zeros(2, 1), 0.0).shape:
        raise ContractError("returned no scalar")


POLICY = Subject(
    "policy",
    TransformPolicy,
    "policy(growth, generator) is a torch.nn.Module with draw(layers, Wider or Deeper, generator), which returns an "
    "action, and judge(layers, action), which returns its log-probability and entropy",
    check_policy,
)
REWARD = Subject("reward", reward, "f(accuracy) maps an accuracy in per cent to a float", check_reward)
LOSS = Subject("loss", policy_loss, "f(log_prob, advantage, entropy, bonus), all (batch, 1), is a scalar", check_loss)


@experiment("wider_probabilities", "deeper_probabilities", tier="quick", subjects=(POLICY,))
def totals(ctx: Context) -> dict[str, float]:
    """Add up the probabilities of all that either actor may do; report the sum that is farthest from 1."""
    policy = made(ctx)
    return {
        "wider_probabilities": farthest(policy, wideners, NETS),
        "deeper_probabilities": farthest(policy, inserters, NETS),
    }


@experiment("forbidden_actions", tier="quick", subjects=(POLICY,))
def forbidden(ctx: Context) -> dict[str, float]:
    """Count actions that the limits forbid among many that are drawn, by a policy whose biases ask for all of them."""
    policy = made(ctx)
    generator = torch.Generator().manual_seed(1)
    wrong = 0
    for layers in NETS:
        for _ in range(DRAWS // len(NETS)):
            wrong += policy.draw(layers, Wider, generator) not in list(wideners(layers))
            wrong += policy.draw(layers, Deeper, generator) not in list(inserters(layers))
    return {"forbidden_actions": wrong}


@experiment("gradient", "gradient_with_baseline", tier="quick", subjects=(POLICY, LOSS))
def gradients(ctx: Context) -> dict[str, float]:
    """Compare REINFORCE's gradient, in expectation over all actions, with differences of the expected reward.

    The largest difference over the largest derivative; once with rewards themselves, once less a baseline of 3.
    """
    policy, loss = made(ctx), ctx.subject("loss")
    layers = NETS[0]
    actions = [*wideners(layers), *inserters(layers)]
    rewards = [math.sin(place) for place in range(len(actions))]
    wanted = differences(policy, layers, actions, rewards)
    found = {}
    for name, baseline in (("gradient", 0.0), ("gradient_with_baseline", 3.0)):
        policy.zero_grad()
        for action, worth in zip(actions, rewards, strict=True):
            log, entropy = policy.judge(layers, action)
            advantage = (worth - baseline) * torch.ones(1, 1).to(log)
            # A batch of one, weighted by how likely it is: the expectation.
            value = loss(log.view(1, 1), advantage, entropy.view(1, 1), 0.0)
            (float(log.detach().exp()) * value).backward()
        mine = -torch.cat([p.grad.flatten()[:ENTRIES] for p in policy.parameters()])
        found[name] = float((mine - wanted).abs().max() / wanted.abs().max())
    return found


@experiment("reward_50", "reward_90_to_91", "reward_60_to_61", tier="quick", subjects=(REWARD,))
def rewards(ctx: Context) -> dict[str, float]:
    """Evaluate the reward at 50 %, and what a point more is worth at 60 % and at 90 %."""
    f = ctx.subject("reward")
    return {"reward_50": f(50.0), "reward_90_to_91": f(91.0) - f(90.0), "reward_60_to_61": f(61.0) - f(60.0)}


@experiment("real_search", tier="slow", artifacts=("fashion_mnist",), subjects=(POLICY, REWARD), seeds=5)
def real_search(ctx: Context) -> dict[str, float]:
    """Search small chains on Fashion-MNIST by EAS, at the cost that hill climbing by morphisms has; test the winner.

    Each network is grown by one insertion and one widening.
    """
    errors, _ = compete(ctx, REAL, {"eas": lambda: entrant(ctx, REAL)})
    return {"real_search": errors["eas"]}


def entrant(ctx: Context, recipe: Recipe, **options: Any) -> Entrant:
    """Return EAS as it searches small chains."""
    generator = seeded(ctx, "eas")
    first = begun(ctx, "first", lambda: Chain(FIRST))
    policy = ctx.subject("policy")(GROWTH, generator)
    options = {"deeper": 1, "wider": 1, "batch": 5, "worth": ctx.subject("reward"), **options}
    strategy = EAS(first, GROWTH, generator, policy=policy, widen=widen, deepen=deepen, **options)
    return Entrant(strategy, lambda trial: recipe.more if trial else recipe.scratch)


def made(ctx: Context) -> Any:
    """Return a policy in float64 that is far from even."""
    policy = ctx.subject("policy")(SMALL, torch.Generator().manual_seed(0)).to(ctx.device, torch.float64)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
    return policy


def wideners(layers: Sequence[Layer]) -> Iterator[Action]:
    """Run through all that the wider actor may do under `SMALL`."""
    for flags in itertools.product(*((False, True) if layer.filters == 4 else (False,) for layer in layers)):
        yield Wider(flags)


def inserters(layers: Sequence[Layer]) -> Iterator[Action]:
    """Run through all that the deeper actor may do under `SMALL`: segments of up to three layers, but not the first."""
    before = itertools.accumulate((layer.pooled for layer in layers), initial=0)
    counts = Counter(segment for segment, _ in zip(before, layers, strict=False))
    for segment in (1, 2):
        if counts[segment] < SMALL.longest:
            for place, window in itertools.product(range(counts[segment]), range(2)):
                yield Deeper(segment, place, window)


def farthest(policy: Any, actions: Any, nets: Sequence[Sequence[Layer]]) -> float:
    """Return the sum of probabilities that is farthest from 1."""
    with torch.no_grad():
        sums = [sum(float(policy.judge(layers, action)[0].exp()) for action in actions(layers)) for layers in nets]
    return max(sums, key=lambda total: abs(total - 1))


@torch.no_grad()
def differences(policy: Any, layers: Sequence[Layer], actions: Sequence[Action], rewards: Sequence[float]) -> Tensor:
    """Return central differences of the expected reward by the first entries of each parameter."""

    def expected() -> float:
        pairs = zip(actions, rewards, strict=True)
        return sum(float(policy.judge(layers, action)[0].exp()) * worth for action, worth in pairs)

    found = []
    for parameter in policy.parameters():
        flat = parameter.view(-1)
        for place in range(min(ENTRIES, len(flat))):
            before = flat[place].clone()
            flat[place] = before + STEP
            high = expected()
            flat[place] = before - STEP
            found.append((high - expected()) / (2 * STEP))
            flat[place] = before
    return torch.tensor(found, dtype=torch.float64)
