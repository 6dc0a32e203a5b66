"""DDPG's training loop at the paper's minibatch of 64: steps, updates, actions (2015, supplement, section 7).

Throughputs are the counts in a case's name over its seconds: a run makes so many agent steps or updates.
"""

import torch

from dmbench.agents.ddpg import Actor, Critic, Learner, PixelActor, PixelCritic, Rule, act
from dmbench.agents.parts.replay import Batch
from dmbench.datasets.environments import Tasks
from dmbench.experiments._ddpg_training import Recipe, Training

from ._common import _Measured, device_or_skip


class Update(_Measured):
    """One update: targets, critic, actor, soft targets; vectors of 17 at a minibatch of 64, frames at one of 16."""

    stateful = True
    params = (["vectors", "vectors_batch_norm", "frames"], ["cpu", "cuda"])
    param_names = ("observations", "device")

    def setup(self, observations, device):
        self.device = device_or_skip(device)
        frames = observations == "frames"
        size, norm = 16 if frames else 64, observations == "vectors_batch_norm"
        if frames:
            states = torch.randint(256, (2, size, 9, 64, 64), dtype=torch.uint8, device=self.device)
            actor, critic = PixelActor(6), PixelCritic(6)
        else:
            states = torch.randn(2, size, 17, device=self.device)
            actor, critic = Actor(17, 6, batch_norm=norm), Critic(17, 6, batch_norm=norm)
        learner = Learner(actor.to(self.device), critic.to(self.device), Rule())
        actions, rewards = torch.rand(size, 6, device=self.device), torch.rand(size, device=self.device)
        batch = Batch(states[0], actions, rewards, rewards < 0, states[1])
        self.run = lambda: learner.update(batch)


class Act(_Measured):
    """One choice of actions for so many states of 17."""

    params = ([1, 8, 32], ["cpu", "cuda"])
    param_names = ("environments", "device")

    def setup(self, environments, device):
        self.device = device_or_skip(device)
        actor, states = Actor(17, 6).to(self.device), torch.randn(environments, 17, device=self.device)
        self.run = lambda: act(actor, states)


class Training32(_Measured):
    """32 agent steps of Pendulum-v1 and the 32 updates due with them."""

    stateful = True
    params = ([1, 8, 32], ["cpu", "cuda"])
    param_names = ("environments", "device")

    def setup(self, environments, device):
        self.device = device_or_skip(device)
        recipe = Recipe(steps=1_000_000, environments=environments, memory=10_000, begin=256)
        training = Training(
            lambda count: Tasks("Pendulum-v1", count), Actor(3, 1), Critic(3, 1), recipe, 0, self.device
        )
        while training.steps < recipe.begin:
            training.step()

        def run():
            for _ in range(32 // environments):
                training.step()

        self.run = run
