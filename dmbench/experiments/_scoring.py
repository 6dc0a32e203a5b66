"""Scores: whole episodes, each from a seed of its own, by their raw rewards."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dmbench.agents.parts.replay import Stack
from dmbench.datasets.emulator import Emulator
from dmbench.datasets.environments import Environments

EPISODES_A_SEED = 100_000  # episodes of one seed are numbered from seed x this, so that no two seeds share one


class Policy(Protocol):
    """Chooses actions (N,), or (N, A), from states (N, ...)."""

    def __call__(self, states: Tensor) -> Tensor: ...


def play(
    environments: Environments,
    policy: Policy,
    episodes: int,
    seed: int,
    *,
    stack: int = 1,
    tell: Callable[[float, float], None] = lambda done, total: None,
) -> list[float]:
    """Return the score of each of `episodes` episodes: the undiscounted sum of rewards as the game counts them.

    Every episode that begins is finished and counted, so that short ones are not over-represented. stack: how many
    observations a state has.

    Raises: FloatingPointError: a reward is not finite.
    """
    count = environments.count
    seeds = iter(range(seed * EPISODES_A_SEED, seed * EPISODES_A_SEED + episodes))
    scores = [0.0] * episodes
    place = [next(seeds, None) for _ in range(count)]  # the episode that each environment is at
    first = torch.ones(count, dtype=torch.bool)
    observations = environments.reset([0 if number is None else number for number in place])
    states = Stack(count, environments.shape, stack, environments.dtype)
    done = 0
    while any(number is not None for number in place):
        environments.send(policy(states.push(observations, first)))
        observations, rewards, terminal, truncated, _ = environments.receive()
        first = terminal | truncated
        over = first.tolist()
        begins = torch.zeros(count, dtype=torch.bool)
        for index, reward in enumerate(rewards.tolist()):
            if (number := place[index]) is None:
                continue  # no episode is left for it: it idles until the others are done
            if not math.isfinite(reward):
                raise FloatingPointError(f"the environment's reward is {reward}, which is not finite")
            scores[number % EPISODES_A_SEED] += reward
            if over[index]:
                place[index] = next(seeds, None)
                begins[index] = place[index] is not None
                done += 1
                tell(done, episodes)
        if bool(begins.any()):
            next_ones = [
                number for number, begun in zip(place, begins.tolist(), strict=True) if begun and number is not None
            ]
            observations = environments.restart(begins, next_ones)
    return scores


def play_at_random(
    emulator: Emulator,
    episodes: int,
    seed: int,
    *,
    tell: Callable[[float, float], None] = lambda done, total: None,
) -> list[float]:
    """Return the score of each of `episodes` episodes of a random player, each with random numbers of its own."""
    scores = []
    for number in range(episodes):
        scores.append(emulator.at_random(np.random.default_rng((seed, number))))
        tell(number + 1, episodes)
    return scores


def mean_and_error(scores: list[float]) -> tuple[float, float]:
    """Return the mean over episodes and its standard error."""
    sample = torch.tensor(scores, dtype=torch.float64)
    return float(sample.mean()), float(sample.std() / math.sqrt(len(scores))) if len(scores) > 1 else 0.0
