"""Training DDPG: a recipe, and the run of it, which stops at any step and goes on bit for bit.

The environments' state is not kept but played again, since an episode is a function of its seed and actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.agents.ddpg import Learner, OrnsteinUhlenbeck, Rule, act, rescale
from dmbench.agents.parts import replay_files
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.datasets.environments import Environments
from dmbench.experiments._scoring import EPISODES_A_SEED

Make = Callable[[int], Environments]


@dataclass(frozen=True)
class Recipe:
    """How an agent is trained; but for `steps`, `begin` and the evaluation the paper's constants.

    steps: agent steps, over all environments. memory: transitions. begin: steps before the first update, by the
    untrained actor with noise. theta, sigma: of the noise, in units of an action in [-1, 1]. evaluate_every,
    evaluate_episodes: the score curve's. checkpoint_every: seconds. best: score the best actor of the curve, as DQN's
    paper of 2015 does, instead of the last.
    """

    steps: int
    environments: int = 1
    memory: int = 1_000_000
    batch: int = 64
    begin: int = 1_000
    theta: float = 0.15
    sigma: float = 0.2
    rule: Rule = field(default_factory=Rule)
    evaluate_every: int = 1_000
    evaluate_episodes: int = 10
    checkpoint_every: float = 60.0
    best: bool = False


@dataclass
class Episode:
    """What one environment is at: its episode's seed and the actions so far, each (A,) in [-1, 1]."""

    seed: int
    actions: list[Tensor] = field(default_factory=list)


class Training:
    """One run of a recipe, in memory.

    make: builds environments, so many. actor, critic: their networks. device: the networks' and the memory's.
    """

    def __init__(
        self, make: Make, actor: nn.Module, critic: nn.Module, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        count = recipe.environments
        self.recipe, self.seed, self.device = recipe, seed, device
        self.environments = make(count)
        self.low, self.high = bounds(self.environments)
        parts = len(self.low)
        self.learner = Learner(actor.to(device), critic.to(device), recipe.rule)
        self.memory = ReplayMemory(
            recipe.memory,
            self.environments.shape,
            environments=count,
            stack=1,
            dtype=self.environments.dtype,
            action_shape=(parts,),
            action_dtype=torch.float32,
            device=device,
        )
        self.noise = OrnsteinUhlenbeck(count, parts, recipe.theta, recipe.sigma)
        self.random = torch.Generator().manual_seed(seed)
        self.steps = self.begun = 0
        self.loss = torch.zeros((), device=device)  # summed over updates, in their order
        self.playing = [self._new_episode() for _ in range(count)]
        self.observations = self.environments.reset([episode.seed for episode in self.playing])
        self.first = torch.ones(count, dtype=torch.bool)

    @property
    def episodes(self) -> int:
        """Episodes finished."""
        return self.begun - len(self.playing)

    def step(self) -> None:
        """Make one step in every environment, and an update for each."""
        actions = self._explore()
        self.environments.send(rescale(actions, self.low, self.high))
        answer = self.environments.receive()
        over = answer.terminal | answer.truncated
        self.memory.add(self.observations, self.first, actions, answer.rewards, answer.terminal, answer.truncated)
        for episode, action in zip(self.playing, actions, strict=True):
            episode.actions.append(action)
        self.observations, self.first = answer.observations, over
        if bool(over.any()):
            which = over.nonzero()[:, 0].tolist()
            for index in which:
                self.playing[index] = self._new_episode()
            self.observations = self.environments.restart(over, [self.playing[index].seed for index in which])
        self.steps += self.recipe.environments
        if self.steps > max(self.recipe.begin, self.recipe.environments):
            for _ in range(self.recipe.environments):
                self.loss += self.learner.update(self.memory.sample(self.recipe.batch, self.random))

    def _explore(self) -> Tensor:
        """Return the actor's actions with noise, in [-1, 1]."""
        noise = self.noise.step(self.first, self.random)
        return (act(self.learner.actor, self.observations.to(self.device)).cpu() + noise).clamp(-1, 1)

    def _new_episode(self) -> Episode:
        self.begun += 1
        return Episode(self.seed * EPISODES_A_SEED + EPISODES_A_SEED // 2 + self.begun)  # scoring counts from 0

    def state(self, folder: Path) -> dict[str, Any]:
        """Return all that the next step depends on; the larger part of the replay memory goes to files in `folder`."""
        none = torch.zeros(0, len(self.low))
        return {
            "learner": self.learner.state_dict(),
            "memory": replay_files.save(self.memory, folder),
            "random": self.random.get_state(),
            "noise": self.noise.x,
            "steps": self.steps,
            "begun": self.begun,
            "loss": self.loss,
            "observations": self.observations,
            "first": self.first,
            "playing": [(e.seed, torch.stack(e.actions) if e.actions else none) for e in self.playing],
        }

    def restore(self, state: Mapping[str, Any], folder: Path) -> None:
        """Go on from a state.

        Raises: ValueError: it is of another network or task, a replay file is damaged, or a task repeats otherwise.
        """
        self.learner.load_state_dict(state["learner"])
        replay_files.load(self.memory, folder, state["memory"])
        self.random.set_state(state["random"])
        self.noise.x, self.first = state["noise"], state["first"]
        self.steps, self.begun = state["steps"], state["begun"]
        self.loss = state["loss"].to(self.device)
        self.playing = [Episode(seed, list(actions)) for seed, actions in state["playing"]]
        self.observations = self._played_again()
        if not torch.equal(self.observations, state["observations"]):
            raise ValueError("an episode played again looks otherwise: another version of the task? begin with --fresh")

    def _played_again(self) -> Tensor:
        """Bring every environment to where its episode was; shorter ones start later, so that all arrive together."""
        longest = max(len(episode.actions) for episode in self.playing)
        start = torch.tensor([longest - len(episode.actions) for episode in self.playing])
        observations = self.environments.reset([episode.seed for episode in self.playing])
        still = torch.zeros(len(self.low))
        for time in range(longest + 1):
            if bool((begins := start == time).any()):
                seeds = [self.playing[index].seed for index in begins.nonzero()[:, 0].tolist()]
                observations = self.environments.restart(begins, seeds)
            if time < longest:
                late = [time - int(s) for s in start]
                actions = [e.actions[t] if t >= 0 else still for e, t in zip(self.playing, late, strict=True)]
                self.environments.send(rescale(torch.stack(actions), self.low, self.high))
                observations = self.environments.receive().observations
        return observations


def bounds(environments: Any) -> tuple[Tensor, Tensor]:
    """Return the bounds of a task's actions, each (A,) float32.

    Raises: ValueError: its actions are choices, or unbounded.
    """
    if environments.actions:
        raise ValueError(f"{environments.name} has {environments.actions} actions to choose from, not continuous ones")
    low, high = (torch.tensor(bound, dtype=torch.float32) for bound in (environments.low, environments.high))
    if not bool((torch.isfinite(low) & torch.isfinite(high)).all()):
        raise ValueError(f"the actions of {environments.name} are unbounded")
    return low, high
