"""Atari games whose next episodes are loaded beside while these are played: the same episodes, without the wait.

To begin an episode with a seed the emulator loads its game anew, for 0.09 s, in which all other environments would
wait: at 32 of them more time than they take to play. Here each environment is an emulator of its own, and spare ones
begin the episodes that come next, if they were told their seeds.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from dmbench.datasets.atari import Atari
from dmbench.datasets.environments import Step, check_actions


class SparedAtari:
    """N copies of a game (dmbench.datasets.environments.Environments), and spare emulators.

    Args:
        make: builds one, such as `lambda: playing_atari("pong")`.
        count: N.
        spares: how many episodes are begun ahead, by `prepare`.
    """

    shape: tuple[int, ...] = Atari.shape
    dtype = Atari.dtype

    def __init__(self, make: Callable[[], Atari], count: int, spares: int = 8) -> None:
        self._playing = [make() for _ in range(count)]
        self._free = [make() for _ in range(spares)]
        self._begun: dict[int, tuple[Atari, Future[Tensor]]] = {}  # by the episode's seed
        self._pool = ThreadPoolExecutor(max(1, torch.get_num_threads()))  # the emulator works without Python's lock
        self.game, self.actions, self.count = self._playing[0].game, self._playing[0].actions, count
        self._frames = torch.zeros(count, *self.shape, dtype=self.dtype)

    def prepare(self, seeds: Sequence[int]) -> None:
        """Begin the episodes of these seeds, as many as there are spare emulators; forget others begun before."""
        for seed in [seed for seed in self._begun if seed not in seeds]:
            emulator, first = self._begun.pop(seed)
            first.result()
            self._free.append(emulator)
        for seed in seeds:
            if self._free and seed not in self._begun:
                emulator = self._free.pop()
                self._begun[seed] = emulator, self._pool.submit(emulator.reset, [seed])

    def reset(self, seeds: Sequence[int]) -> Tensor:
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which: Tensor, seeds: Sequence[int]) -> Tensor:
        begun = []
        for index, seed in zip(which.nonzero()[:, 0].tolist(), seeds, strict=True):
            if seed in self._begun:
                self._free.append(self._playing[index])
                self._playing[index], first = self._begun.pop(seed)
            else:
                first = self._pool.submit(self._playing[index].reset, [seed])
            begun.append((index, first))
        for index, first in begun:
            self._frames[index] = first.result()[0]
        return self._frames.clone()

    def send(self, actions: Tensor) -> None:
        check_actions(actions, self.count, self.actions)
        for emulator, action in zip(self._playing, actions.cpu().numpy().astype(np.int64)[:, None], strict=True):
            emulator.begin(action)

    def receive(self) -> Step:
        answers = [emulator.end() for emulator in self._playing]
        frames, rewards, terminal, truncated, lives = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        self._frames = torch.from_numpy(frames)
        over = torch.from_numpy(terminal)
        return Step(
            self._frames.clone(),
            torch.from_numpy(rewards).double(),
            over,
            torch.from_numpy(truncated) & ~over,
            torch.from_numpy(lives).long(),
        )
