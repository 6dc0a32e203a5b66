"""Training DQN: a recipe, and the run of it, which stops at any step and goes on bit for bit.

The environments step while the network learns from what was stored before; the emulators' state is not kept but played
again, since an episode is a function of its seed and actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.agents.dqn import Learner, clip_rewards, epsilon_at, epsilon_greedy
from dmbench.agents.parts import replay_files
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.agents.parts.stack import Stack, on_device
from dmbench.agents.parts.updates import Updates, updates
from dmbench.datasets.environments import Environments, Step
from dmbench.experiments._dqn_recipe import Recipe, optimiser
from dmbench.experiments._scoring import EPISODES_A_SEED

__all__ = ["Make", "Recipe", "Training", "optimiser"]

Make = Callable[[int], Environments]
HELD_OUT = 500  # states on which the value curve is taken
AHEAD = 8  # episodes begun ahead


@dataclass
class Episode:
    """What one environment is at: its episode's seed, the actions so far, and the lives left."""

    seed: int
    actions: list[int] = field(default_factory=list)
    lives: int = 0


class Training:
    """One run of a recipe, in memory.

    make: builds environments, so many. network: maps their states to values. device: the network's and the memory's.
    """

    def __init__(self, make: Make, network: nn.Module, recipe: Recipe, seed: int, device: torch.device) -> None:
        count = recipe.environments
        self.recipe, self.seed, self.device = recipe, seed, device
        self.environments = make(count)
        shape, dtype = self.environments.shape, self.environments.dtype
        self.network = network.to(device)
        self.learner = Learner(self.network, optimiser(network, recipe), recipe.rule)
        self.memory = ReplayMemory(
            recipe.memory, shape, environments=count, stack=recipe.stack, dtype=dtype, device=device
        )
        self.random = torch.Generator().manual_seed(seed)
        self.stack = Stack(count, shape, recipe.stack, dtype, device)
        self.steps = self.begun = 0
        self.loss = torch.zeros((), device=device)  # summed over updates, in their order
        self.held_out: Tensor | None = None
        self._updates: Updates | None = None  # made when they begin, of the learner as it then is
        self.playing = [self._new_episode() for _ in range(count)]
        self.observations = self.environments.reset([episode.seed for episode in self.playing])
        self.first = torch.ones(count, dtype=torch.bool)
        self._prepare()

    @property
    def episodes(self) -> int:
        """Episodes finished."""
        return self.begun - len(self.playing)

    def step(self) -> None:
        """Make one step in every environment, and meanwhile the updates that are due."""
        recipe = self.recipe
        seen = on_device(self.observations, self.device)
        states = self.stack.push(seen, self.first)
        epsilon = epsilon_at(self.steps, begin=recipe.begin, over=recipe.explore, end=recipe.epsilon)
        with torch.no_grad():
            actions = epsilon_greedy(self.network(states), epsilon, self.random)
        self.environments.send(actions)
        self._learn()
        answer = self.environments.receive()
        over = answer.terminal | answer.truncated
        ends = answer.terminal | self._lost_a_life(answer)
        rewards = clip_rewards(answer.rewards) if recipe.clip_rewards else answer.rewards
        self.memory.add(seen, self.first, actions, rewards, ends, answer.truncated & ~ends)
        for episode, action, lives in zip(self.playing, actions.tolist(), answer.lives.tolist(), strict=True):
            episode.actions.append(action)
            episode.lives = lives
        self.observations, self.first = answer.observations, over | ends
        if bool(over.any()):
            which = over.nonzero()[:, 0].tolist()
            for index in which:
                self.playing[index] = self._new_episode()
            self.observations = self.environments.restart(over, [self.playing[index].seed for index in which])
            self._prepare()
        self.steps += recipe.environments

    def _learn(self) -> None:
        recipe, learner = self.recipe, self.learner
        if self.steps < max(recipe.begin, 2 * recipe.batch):
            return
        if self.held_out is None:
            fixed = torch.Generator().manual_seed(self.seed)
            self.held_out = self.memory.sample(HELD_OUT, fixed).s_tm1
        due = (self.steps - recipe.begin) // recipe.update_every * recipe.updates - learner.updates
        if self._updates is None:
            most = -(-recipe.environments // recipe.update_every) * recipe.updates
            self._updates = updates(learner, self.memory, recipe.batch, self.loss, most)
        self._updates.make(due, self.random)

    def _lost_a_life(self, answer: Step) -> Tensor:
        before = torch.tensor([episode.lives for episode in self.playing])
        return (answer.lives < before) & self.recipe.lives

    def _new_episode(self) -> Episode:
        self.begun += 1
        return Episode(self._seed_of(self.begun))

    def _seed_of(self, episode: int) -> int:
        return self.seed * EPISODES_A_SEED + EPISODES_A_SEED // 2 + episode  # scoring counts from 0

    def _prepare(self) -> None:
        """Let environments that can begin the next episodes beside these."""
        prepare = getattr(self.environments, "prepare", None)
        if prepare is not None:
            prepare([self._seed_of(self.begun + ahead) for ahead in range(1, AHEAD + 1)])

    def value(self) -> float:
        """Return the mean over the held-out states of the best action's value; 0 before there are any."""
        if self.held_out is None:
            return 0.0
        with torch.no_grad():
            return float(torch.cat([self.network(part).amax(1) for part in torch.split(self.held_out, 100)]).mean())

    def state(self, folder: Path) -> dict[str, Any]:
        """Return all that the next step depends on; the larger part of the replay memory goes to files in `folder`."""
        return {
            "learner": self.learner.state_dict(),
            "memory": replay_files.save(self.memory, folder),
            "random": self.random.get_state(),
            "stack": self.stack.frames.cpu(),
            "steps": self.steps,
            "begun": self.begun,
            "loss": self.loss,
            "held_out": self.held_out,
            "observations": self.observations,
            "first": self.first,
            "playing": [(e.seed, torch.tensor(e.actions, dtype=torch.int16), e.lives) for e in self.playing],
        }

    def restore(self, state: Mapping[str, Any], folder: Path) -> None:
        """Go on from a state.

        Raises: ValueError: it is of another network or game, a replay file is damaged, or a game repeats otherwise.
        """
        self.learner.load_state_dict(state["learner"])
        replay_files.load(self.memory, folder, state["memory"])
        self.random.set_state(state["random"])
        self.stack.frames, self.first = state["stack"].to(self.device), state["first"]
        self.steps, self.begun = state["steps"], state["begun"]
        self.loss = state["loss"].to(self.device)
        self._updates = None
        self.held_out = None if state["held_out"] is None else state["held_out"].to(self.device)
        self.playing = [Episode(seed, actions.tolist(), lives) for seed, actions, lives in state["playing"]]
        self.observations = self._played_again()
        self._prepare()
        if not torch.equal(self.observations, state["observations"]):
            raise ValueError("an episode played again looks otherwise: another version of the game? begin with --fresh")

    def _played_again(self) -> Tensor:
        """Bring every environment to where its episode was; shorter ones start later, so that all arrive together."""
        longest = max(len(episode.actions) for episode in self.playing)
        start = torch.tensor([longest - len(episode.actions) for episode in self.playing])
        observations = self.environments.reset([episode.seed for episode in self.playing])
        for time in range(longest + 1):
            if bool((begins := start == time).any()):
                seeds = [self.playing[index].seed for index in begins.nonzero()[:, 0].tolist()]
                observations = self.environments.restart(begins, seeds)
            if time < longest:
                late = [time - int(s) for s in start]
                actions = [e.actions[t] if t >= 0 else 0 for e, t in zip(self.playing, late, strict=True)]
                self.environments.send(torch.tensor(actions))
                observations = self.environments.receive().observations
        return observations
