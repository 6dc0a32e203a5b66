"""Tasks of dm_control's suite as environments in step with one another.

Needs the extra `control`: dm_control 1.0.50 and a mujoco below 4, with which it breaks.
Shapes: N environments, A parts of an action.
"""

import difflib
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmbench.datasets.environments import Step, check_bounded


class Control:
    """N copies of a task with vector observations, float32; its observations are put one after another.

    repeat: simulation steps an action lasts; their rewards are summed.

    Raises:
        NotImplementedError: dm_control is not installed.
        ValueError: it has no such task; an action is out of bounds.
        FloatingPointError: the simulation answers with something that is not finite.
    """

    dtype = torch.float32
    actions = 0

    def __init__(self, domain: str, task: str, count: int = 1, *, repeat: int = 1) -> None:
        suite = _suite()
        if (domain, task) not in suite.ALL_TASKS:
            names = [f"{known}-{its}" for known, its in suite.ALL_TASKS]
            close = difflib.get_close_matches(f"{domain}-{task}", names, n=3, cutoff=0.4)
            hint = f": did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"dm_control has no task {domain}-{task}{hint}")
        if repeat < 1:
            raise ValueError(f"repeat must be at least 1: {repeat}")
        self.name, self.count, self.repeat = f"{domain}-{task}", count, repeat
        self._tasks = [suite.load(domain, task, task_kwargs={"random": 0}) for _ in range(count)]
        bounds = self._tasks[0].action_spec()
        self.low, self.high = (np.broadcast_to(bound, bounds.shape) for bound in (bounds.minimum, bounds.maximum))
        self.shape = tuple(self._flat(self._tasks[0].reset()).shape)
        self._observations = torch.zeros(count, *self.shape)
        self._over = torch.ones(count, dtype=torch.bool)
        self._sent = torch.zeros(count, *bounds.shape)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which: Tensor, seeds: Sequence[int]) -> Tensor:
        for index, seed in zip(which.nonzero()[:, 0].tolist(), seeds, strict=True):
            task = self._tasks[index]
            task.task.random.seed(seed)
            self._observations[index] = self._flat(task.reset())
            self._over[index] = False
        return self._observations.clone()

    def send(self, actions: Tensor) -> None:
        check_bounded(actions, self.count, self.low, self.high)
        self._sent = actions.cpu()

    def receive(self) -> Step:
        rewards = torch.zeros(self.count, dtype=torch.float64)
        terminal, truncated = (torch.zeros(self.count, dtype=torch.bool) for _ in range(2))
        for index, task in enumerate(self._tasks):
            if self._over[index]:
                continue
            action = self._sent[index].numpy()
            for _ in range(self.repeat):
                answer = task.step(action)
                rewards[index] += answer.reward
                if answer.last():
                    break
            self._observations[index] = self._flat(answer)
            if not bool(torch.isfinite(rewards[index])):
                raise FloatingPointError(f"{self.name} answered a reward of {answer.reward}, which is not finite")
            self._over[index] = answer.last()
            terminal[index] = answer.last() and answer.discount == 0
            truncated[index] = answer.last() and answer.discount > 0  # the suite's tasks end by their time limit
        return Step(
            self._observations.clone(), rewards, terminal, truncated, torch.zeros(self.count, dtype=torch.int64)
        )

    def _flat(self, answer: Any) -> Tensor:
        parts = [np.asarray(part, dtype=np.float64).ravel() for part in answer.observation.values()]
        observation = torch.from_numpy(np.concatenate(parts))
        if not bool(torch.isfinite(observation).all()):
            raise FloatingPointError(f"{self.name} answered {observation.tolist()}, which is not finite")
        return observation.float()


def _suite() -> Any:
    os.environ.setdefault("MUJOCO_GL", "disabled")  # nothing is drawn, and drawing needs a display or EGL
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dm_control import suite
    except ImportError as error:
        raise NotImplementedError("dm_control is not installed: pip install 'dmbench[control]'") from error
    return suite
