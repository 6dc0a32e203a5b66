"""DQN's training loop at a batch of 32: agent steps, updates, samples of replay memory (2015, Extended Data Table 1).

Throughputs are the counts in a case's name over its seconds: a run makes so many agent steps, updates or samples.
"""

import torch

from dmbench.agents.dqn import Learner, NatureNetwork, PlayingAtariNetwork, Rule
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.agents.parts.rmsprop import RMSProp
from dmbench.datasets.atari import playing_atari
from dmbench.experiments._dqn_training import Recipe, Training

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


class Sample(_Measured):
    """One minibatch of 32 from a memory of 50,000 frames, on the device."""

    params = ([1, 8, 32], ["cpu", "cuda"])
    param_names = ("environments", "device")

    def setup(self, environments, device):
        self.device = device_or_skip(device)
        memory, random = _filled(50_000, environments, self.device), torch.Generator().manual_seed(0)
        self.run = lambda: memory.sample(32, random)


class Training32(_Measured):
    """32 agent steps of Breakout and the 8 updates due with them, by the network of 2013."""

    stateful = True
    params = ([1, 8, 32], ["cpu", "cuda"])
    param_names = ("environments", "device")

    def setup(self, environments, device):
        self.device = device_or_skip(device)
        recipe = Recipe(environments=environments, memory=20_000, begin=1_024)
        training = Training(
            lambda count: playing_atari("breakout", count), PlayingAtariNetwork(4), recipe, 0, self.device
        )
        while training.steps < recipe.begin:
            training.step()

        def run():
            for _ in range(32 // environments):
                training.step()

        self.run = run


def _filled(capacity, environments, device):
    memory = ReplayMemory(capacity, (84, 84), environments=environments, device=device)
    frames = torch.randint(256, (environments, 84, 84), dtype=torch.uint8)
    no = torch.zeros(environments, dtype=torch.bool)
    for time in range(memory.times):
        memory.add(frames, no | (time % 300 == 0), no.long(), no.float(), no | (time % 300 == 299), no)
    return memory
