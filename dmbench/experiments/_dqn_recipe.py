"""How DQN is trained: the recipe, and its optimiser."""

from dataclasses import dataclass, field

import torch
from torch import nn

from dmbench.agents.dqn import Rule
from dmbench.agents.parts.rmsprop import RMSProp


@dataclass(frozen=True)
class Recipe:
    """How an agent is trained. Steps are agent steps, over all environments.

    environments: that step together. memory: transitions. begin: steps of random play before the first update.
    update_every, updates: so many updates after so many steps. explore: steps over which epsilon falls to `epsilon`.
    optimiser: "rmsprop", as the papers have it, or "adam", which they have not. evaluate_every, evaluate_episodes,
    evaluate_epsilon: the score curve's. checkpoint_every: seconds. best: score the best network of the curve, as 2015
    does, instead of the last. lives: the loss of a life ends an episode for the learner.
    """

    steps: int = 10_000_000
    environments: int = 8
    memory: int = 1_000_000
    batch: int = 32
    begin: int = 50_000
    update_every: int = 4
    updates: int = 1
    explore: int = 1_000_000
    epsilon: float = 0.1
    rule: Rule = field(default_factory=Rule)
    optimiser: str = "rmsprop"
    learning_rate: float = 0.00025
    eps: float = 0.01
    stack: int = 4
    clip_rewards: bool = True
    lives: bool = True
    evaluate_every: int = 250_000
    evaluate_episodes: int = 10
    evaluate_epsilon: float = 0.05
    best: bool = False
    checkpoint_every: float = 180.0


def optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimiser.

    Raises: ValueError: an unknown one.
    """
    if recipe.optimiser == "rmsprop":
        return RMSProp(network.parameters(), lr=recipe.learning_rate, eps=recipe.eps)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, eps=recipe.eps, fused=True)
    raise ValueError(f"optimiser must be rmsprop or adam: {recipe.optimiser}")
