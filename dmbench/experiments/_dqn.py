"""DQN's protocols: training with curves and checkpoints, and scoring of policies, ours or a user's."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from safetensors.torch import save
from scipy import stats
from torch import Tensor, nn

from dmbench.agents.dqn import epsilon_greedy
from dmbench.agents.parts import replay_files
from dmbench.datasets.environments import Environments
from dmbench.experiments._dqn_training import Make, Recipe, Training
from dmbench.experiments._scoring import Policy, mean_and_error, play
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context

SCORED_TOGETHER = 10  # environments


def greedy(network: nn.Module, epsilon: float, seed: int, device: torch.device) -> Policy:
    """Return the policy that takes the best action of `network`, and with probability epsilon any."""
    random = torch.Generator().manual_seed(seed)

    def policy(states: Tensor) -> Tensor:
        with torch.no_grad():
            return epsilon_greedy(network(states.to(device)), epsilon, random)

    return policy


def random_player(actions: int, seed: int) -> Policy:
    """Return the policy that takes each of so many actions alike."""
    random = torch.Generator().manual_seed(seed)

    def policy(states: Tensor) -> Tensor:
        return torch.randint(actions, (len(states),), generator=random)

    return policy


def train(ctx: Context, make: Make, network: nn.Module, recipe: Recipe) -> nn.Module:
    """Train `network` by `recipe`; return it, or where the recipe says so the best one of the curve.

    An interrupted run goes on from its last checkpoint, with the same numbers as if it had not been interrupted. The
    curve holds the mean score (raw rewards, epsilon as in the recipe's evaluation), the mean value on held-out states,
    the mean loss since the last point, and epsilon's share.

    Raises: ValueError: the checkpoint is of another network or game, or a replay file is missing or damaged.
    """
    ctx.note(**{name: value for name, value in asdict(recipe).items() if name != "rule"}, **asdict(recipe.rule))
    seed = ctx.seed or 0
    training = Training(make, network, recipe, seed, ctx.device)
    best: dict[str, Any] = {"score": None, "network": None}
    evaluated, counted, seconds, loss = 0, 0, 0.0, 0.0
    if state := ctx.load():
        training.restore(state["training"], ctx.folder())
        best, evaluated, counted = state["best"], state["evaluated"], state["counted"]
        seconds, loss = state["seconds"], state["loss"]
    arena = make(min(SCORED_TOGETHER, recipe.evaluate_episodes))
    begun = saved = time.monotonic()
    while training.steps < recipe.steps:
        training.step()
        if training.steps // recipe.evaluate_every > evaluated or training.steps >= recipe.steps:
            evaluated = training.steps // recipe.evaluate_every
            policy = greedy(network, recipe.evaluate_epsilon, seed, ctx.device)
            scores = play(arena, policy, recipe.evaluate_episodes, seed, stack=recipe.stack)
            score, error = mean_and_error(scores)
            updates, total = training.learner.updates - counted, float(training.loss)
            ctx.point(
                agent_steps=training.steps,
                score=score,
                score_error=error,
                value=training.value(),
                loss=(total - loss) / max(updates, 1),
                episodes=training.episodes,
                seconds=round(seconds + time.monotonic() - begun, 1),
            )
            counted, loss = training.learner.updates, total
            if best["score"] is None or score > best["score"]:
                best = {"score": score, "network": _copy(network.state_dict())}
        if time.monotonic() - saved > recipe.checkpoint_every:
            ctx.save(
                {
                    "training": training.state(ctx.folder()),
                    "best": best,
                    "evaluated": evaluated,
                    "counted": counted,
                    "loss": loss,
                    "seconds": seconds + time.monotonic() - begun,
                }
            )
            replay_files.tidy(training.memory, ctx.folder())
            saved = time.monotonic()
        if training.steps % 1000 < recipe.environments:
            ctx.progress(training.steps, recipe.steps)
    if recipe.best:
        network.load_state_dict(best["network"])
    return network


def keep(ctx: Context, name: str, network: nn.Module) -> None:
    """Write a trained network's weights, in half precision, to the results folder; the record says where."""
    weights = {key: value.detach().half().cpu().contiguous() for key, value in network.state_dict().items()}
    ctx.note(weights=ctx.keep(f"{name}.safetensors", save(weights)).name)


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def scored(ctx: Context, environments: Environments, player: Any, episodes: int) -> float:
    """Return the mean score of a network, at epsilon 0.05, or of a policy as it is; the record has its interval.

    Raises: ContractError: a policy takes an action that the game has not.
    """
    seed = ctx.seed or 0
    policy = greedy(player, 0.05, seed, ctx.device) if isinstance(player, nn.Module) else player
    try:
        scores = play(environments, policy, episodes, seed, stack=4, tell=ctx.progress)
    except ValueError as error:
        raise ContractError(f"the policy cannot be scored: {error}") from error
    mean, deviation = mean_and_error(scores)
    half = deviation * float(stats.t.ppf(0.975, episodes - 1))
    ctx.note(episodes=episodes, interval=[round(mean - half, 3), round(mean + half, 3)], scores=scores)
    return mean
