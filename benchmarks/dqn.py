"""DQN's training loop at a batch of 32: agent steps, updates, samples of replay memory (2015, Extended Data Table 1).

Throughputs are the counts in a case's name over its seconds: a run makes so many agent steps, updates or samples.
"""

import dataclasses
import os

import torch

from dmbench.agents.dqn import Learner, NatureNetwork, PlayingAtariNetwork, Rule
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.agents.parts.rmsprop import RMSProp
from dmbench.agents.parts.updates import Updates, updates
from dmbench.datasets.atari import nature, playing_atari
from dmbench.datasets.atari_spares import SparedAtari
from dmbench.experiments._dqn_training import Recipe, Training
from dmbench.experiments.dqn import ADAM

from ._cleanrl import _CleanRL
from ._common import _Measured, device_or_skip

NETWORKS = {"2013": PlayingAtariNetwork, "2015": NatureNetwork}


class Update(_Measured):
    """One update: targets, gradient, centred RMSProp."""

    stateful = True
    params = (list(NETWORKS), ["cpu", "cuda"])
    param_names = ("network", "device")

    def setup(self, network, device):
        self.device = device_or_skip(device)
        net = NETWORKS[network](6).to(self.device)
        learner = Learner(net, RMSProp(net.parameters()), Rule())
        batch = _filled(10_000, 1, self.device).sample(32, torch.Generator().manual_seed(0))
        self.run = lambda: learner.update(batch)


class Updates8(_Measured):
    """8 updates drawn from a memory of 50,000, as training makes them: on a GPU by a graph; and one by one."""

    stateful = True
    params = (list(NETWORKS), ["dmbench", "dmbench, one by one"], ["cpu", "cuda"])
    param_names = ("network", "implementation", "device")
    own = ("dmbench, one by one",)
    headline = ()

    def setup(self, network, implementation, device):
        self.device = device_or_skip(device)
        net = NETWORKS[network](6).to(self.device)
        learner = Learner(net, RMSProp(net.parameters()), Rule())
        memory, total = _filled(50_000, 32, self.device), torch.zeros((), device=self.device)
        made = updates if implementation == "dmbench" else Updates
        many, random = made(learner, memory, 32, total), torch.Generator().manual_seed(0)
        self.run = lambda: many.make(8, random)


class Sample(_Measured):
    """One minibatch of 32 from a memory of 50,000 frames, on the device."""

    params = ([1, 8, 32], ["cpu", "cuda"])
    param_names = ("environments", "device")

    def setup(self, environments, device):
        self.device = device_or_skip(device)
        memory, random = _filled(50_000, environments, self.device), torch.Generator().manual_seed(0)
        self.run = lambda: memory.sample(32, random)


class Training32(_Measured):
    """32 agent steps of Breakout and the 8 updates due with them, by RMSProp."""

    stateful = True
    params = (list(NETWORKS), [1, 8, 32], ["cpu", "cuda"])
    param_names = ("network", "environments", "device")

    def setup(self, network, environments, device):
        self.device = device_or_skip(device)
        recipe = Recipe(environments=environments, memory=20_000, begin=1_024)
        make = lambda count: playing_atari("breakout", count)  # noqa: E731
        self.run = _training(make, NETWORKS[network](4), recipe, self.device)


class TrainingGPU(_Measured):
    """3,200 agent steps of Breakout and 800 updates on a GPU, by Adam: 0.58 s would be 10 million in 30 minutes."""

    stateful = True
    params = (list(NETWORKS), [32, 64, 8], ["cuda"])
    param_names = ("network", "environments", "device")

    def setup(self, network, environments, device):
        self.device = device_or_skip(device)
        torch.set_num_threads(os.cpu_count() or 1)  # episodes are begun on all cores
        recipe = dataclasses.replace(ADAM, environments=environments, memory=100_000, begin=1_024)
        game = {"2013": playing_atari, "2015": nature}[network]
        make = lambda count: SparedAtari(lambda: game("breakout"), count)  # noqa: E731
        self.run = _training(make, NETWORKS[network](4), recipe, self.device, 3_200)


class AgainstCleanRL(_Measured):
    """32 agent steps of Breakout and 8 updates by the network of 2015 with Adam, beside CleanRL's script.

    The environments are ours: CleanRL has one. Both memories are of 10,000 transitions.
    """

    stateful = True
    params = ([8, 1, 32], ["dmbench", "CleanRL", "dmbench, bfloat16"], ["cpu", "cuda"])
    param_names = ("environments", "implementation", "device")
    own = ("dmbench, bfloat16",)
    headline = ()  # it needs what does not come with dmbench

    def setup(self, environments, implementation, device):
        self.device = device_or_skip(device)
        if implementation == "CleanRL":
            self.run = _CleanRL(10_000, 1_024, torch.get_num_threads(), device)
            return
        recipe = Recipe(
            environments=environments,
            memory=10_000,
            begin=1_024,
            explore=1,
            epsilon=0.01,
            optimiser="adam",
            learning_rate=1e-4,
            eps=1e-8,
            rule=Rule(
                target_every=250, clip_error=False, reduction="mean", bfloat16=implementation == "dmbench, bfloat16"
            ),
        )
        self.run = _training(lambda count: nature("breakout", count), NatureNetwork(4), recipe, self.device)


def _training(make, network, recipe, device, steps=32):
    """Some agent steps of a training whose updates have begun."""
    training = Training(make, network, recipe, 0, device)
    while training.steps < recipe.begin:
        training.step()

    def run():
        for _ in range(steps // recipe.environments):
            training.step()

    return run


def _filled(capacity, environments, device):
    memory = ReplayMemory(capacity, (84, 84), environments=environments, device=device)
    frames = torch.randint(256, (environments, 84, 84), dtype=torch.uint8)
    no = torch.zeros(environments, dtype=torch.bool)
    for time in range(memory.times):
        memory.add(frames, no | (time % 300 == 0), no.long(), no.float(), no | (time % 300 == 299), no)
    return memory
