"""DDPG's protocols: training with curves and checkpoints, and scoring of policies, ours or a user's."""

import time
from dataclasses import asdict
from typing import Any

import torch
from scipy import stats
from torch import Tensor, nn

from dmbench.agents.ddpg import act, rescale
from dmbench.agents.parts import replay_files
from dmbench.experiments._ddpg_training import Make, Recipe, Training, bounds
from dmbench.experiments._scoring import Policy, mean_and_error, play
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context

SCORED_TOGETHER = 10  # environments


def without_noise(actor: nn.Module, environments: Any, device: torch.device) -> Policy:
    """Return the policy that takes the actor's actions, turned into the task's bounds."""
    low, high = bounds(environments)

    def policy(states: Tensor) -> Tensor:
        return rescale(act(actor, states.to(device)).cpu(), low, high)

    return policy


def train(ctx: Context, make: Make, actor: nn.Module, critic: nn.Module, recipe: Recipe) -> nn.Module:
    """Train by `recipe`; return the actor as it is at the end, or where the recipe says so the best one of the curve.

    An interrupted run goes on from its last checkpoint, with the same numbers as if it had not been interrupted. The
    curve holds the mean score of episodes without noise, and the critic's mean loss since the last point.

    Raises: ValueError: the checkpoint is of another network or task, or a replay file is missing or damaged.
    """
    ctx.note(**{name: value for name, value in asdict(recipe).items() if name != "rule"}, **asdict(recipe.rule))
    seed = ctx.seed or 0
    training = Training(make, actor, critic, recipe, seed, ctx.device)
    best: dict[str, Any] = {"score": None, "actor": None}
    evaluated, counted, seconds, loss = 0, 0, 0.0, 0.0
    if state := ctx.load():
        training.restore(state["training"], ctx.folder())
        best, evaluated, counted = state["best"], state["evaluated"], state["counted"]
        seconds, loss = state["seconds"], state["loss"]
    arena = make(min(SCORED_TOGETHER, recipe.evaluate_episodes))
    policy = without_noise(actor, arena, ctx.device)
    begun = saved = time.monotonic()
    while training.steps < recipe.steps:
        training.step()
        if training.steps // recipe.evaluate_every > evaluated or training.steps >= recipe.steps:
            evaluated = training.steps // recipe.evaluate_every
            score, error = mean_and_error(play(arena, policy, recipe.evaluate_episodes, seed))
            updates, total = training.learner.updates - counted, float(training.loss)
            ctx.point(
                agent_steps=training.steps,
                score=score,
                score_error=error,
                loss=(total - loss) / max(updates, 1),
                episodes=training.episodes,
                seconds=round(seconds + time.monotonic() - begun, 1),
            )
            counted, loss = training.learner.updates, total
            if best["score"] is None or score > best["score"]:
                best = {"score": score, "actor": {k: v.detach().cpu().clone() for k, v in actor.state_dict().items()}}
        if time.monotonic() - saved > recipe.checkpoint_every:
            now = seconds + time.monotonic() - begun
            _checkpoint(ctx, training, best=best, evaluated=evaluated, counted=counted, loss=loss, seconds=now)
            saved = time.monotonic()
        if training.steps % 100 < recipe.environments:
            ctx.progress(training.steps, recipe.steps)
    if recipe.best:
        actor.load_state_dict(best["actor"])
    return actor


def _checkpoint(ctx: Context, training: Training, **progress: Any) -> None:
    """Save all that the run depends on; files that only an older state needs go once the new one is safe."""
    if ctx.save(lambda: {"training": training.state(ctx.folder()), **progress}):
        replay_files.tidy(training.memory, ctx.folder())


def scored(ctx: Context, environments: Any, player: Any, episodes: int) -> float:
    """Return the mean score of an actor, without noise, or of a policy as it is; the record has its interval.

    Raises: ContractError: a policy takes an action that the task does not allow.
    """
    policy = without_noise(player, environments, ctx.device) if isinstance(player, nn.Module) else player
    try:
        scores = play(environments, policy, episodes, ctx.seed or 0, tell=ctx.progress)
    except ValueError as error:
        raise ContractError(f"the policy cannot be scored: {error}") from error
    mean, deviation = mean_and_error(scores)
    half = deviation * float(stats.t.ppf(0.975, episodes - 1)) if episodes > 1 else 0.0
    ctx.note(episodes=episodes, interval=[round(mean - half, 3), round(mean + half, 3)], scores=scores)
    return mean
