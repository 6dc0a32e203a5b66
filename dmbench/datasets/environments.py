"""Environments in step with one another, as tensors: what Atari and gymnasium tasks have in common.

Shapes: N environments. An episode is started with a seed of its own, and is a function of that seed and its actions.
"""

import difflib
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class Step(NamedTuple):
    """What N environments answer: observations (N, ...), raw rewards (N,) float64, and how each episode stands.

    terminal: (N,) bool, the episode is over. truncated: (N,) bool, it was cut at its time limit. lives: (N,) int64
    lives left, or zeros where a task has none.
    """

    observations: Tensor
    rewards: Tensor
    terminal: Tensor
    truncated: Tensor
    lives: Tensor


class Environments(Protocol):
    """N environments. After an episode's end its environment waits for `restart`; stepping it meanwhile is harmless."""

    count: int
    actions: int  # 0 where actions are continuous
    shape: tuple[int, ...]  # of one observation
    dtype: torch.dtype

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """Start an episode in every environment; return observations (N, ...)."""

    def restart(self, which: Tensor, seeds: Sequence[int]) -> Tensor:
        """Start an episode where `which` (N,) bool says so, one seed each; return all observations (N, ...)."""

    def send(self, actions: Tensor) -> None:
        """Begin one step: (N,) int64 in [0, actions), or (N, A) float32. The answer is fetched with `receive`."""

    def receive(self) -> Step:
        """Wait for the answer to `send`."""


def check_actions(actions: Tensor, count: int, choices: int) -> None:
    """Raise ValueError unless actions are (count,) whole numbers in [0, choices)."""
    if not isinstance(actions, Tensor) or actions.dtype not in WHOLE or actions.shape != (count,):
        raise ValueError(f"need {count} whole numbers as actions, a tensor of shape ({count},): {_told(actions)}")
    legal = (actions >= 0) & (actions < choices)
    if not bool(legal.all()):
        raise ValueError(f"illegal action {int(actions[~legal][0])}: this game has the actions 0 to {choices - 1}")


def check_bounded(actions: Tensor, count: int, low: Any, high: Any) -> None:
    """Raise ValueError unless actions are (count, A) numbers within the bounds low and high, each (A,)."""
    shape = (count, *np.shape(low))
    if not isinstance(actions, Tensor) or not actions.dtype.is_floating_point or actions.shape != shape:
        raise ValueError(f"need actions as a floating-point tensor of shape {shape}: {_told(actions)}")
    values = actions.detach().cpu().double().numpy()
    legal = (values >= low) & (values <= high)
    if not legal.all():
        raise ValueError(
            f"illegal action {values[~legal][0]:g}: this task's lie in {np.min(low):g} to {np.max(high):g}"
        )


def _told(actions: Any) -> str:
    if not isinstance(actions, Tensor):
        return type(actions).__name__
    return f"{actions.dtype} of shape {tuple(actions.shape)}"


class Tasks:
    """N copies of a gymnasium task with vector observations, float32.

    Raises:
        ValueError: gymnasium has no task of that name; an action is illegal.
        FloatingPointError: the task answers with something that is not finite.
    """

    dtype = torch.float32

    def __init__(self, name: str, count: int = 1) -> None:
        import gymnasium

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # gymnasium's own: that a newer version of the task exists
                self._tasks = [gymnasium.make(name, disable_env_checker=True) for _ in range(count)]
        except gymnasium.error.Error as error:
            close = difflib.get_close_matches(name, list(gymnasium.registry), n=3, cutoff=0.4)
            hint = f": did you mean {' or '.join(close)}?" if close else ""
            raise ValueError(f"gymnasium has no task {name}{hint}") from error
        self.name, self.count = name, count
        space: Any = self._tasks[0].action_space
        self.actions = int(getattr(space, "n", 0))
        self.low, self.high = (getattr(space, bound, None) for bound in ("low", "high"))
        self.shape = tuple(self._tasks[0].observation_space.shape or ())
        self._seen = np.zeros((count, *self.shape), np.float32)
        self._over = [True] * count
        self._sent = torch.zeros(count, dtype=torch.int64)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which: Tensor, seeds: Sequence[int]) -> Tensor:
        for index, seed in zip(which.nonzero()[:, 0].tolist(), seeds, strict=True):
            self._seen[index], _ = self._tasks[index].reset(seed=int(seed))
            self._over[index] = False
        self._check_finite(self._seen)
        return torch.tensor(self._seen)

    def send(self, actions: Tensor) -> None:
        if self.actions:
            check_actions(actions, self.count, self.actions)
        else:
            check_bounded(actions, self.count, self.low, self.high)
        self._sent = actions

    def receive(self) -> Step:
        actions = self._sent.tolist() if self.actions else self._sent.cpu().numpy()
        rewards = np.zeros(self.count)
        terminal, truncated = [False] * self.count, [False] * self.count
        for index, task in enumerate(self._tasks):
            if self._over[index]:
                continue
            self._seen[index], rewards[index], ended, cut, _ = task.step(actions[index])
            terminal[index], truncated[index] = bool(ended), bool(cut) and not ended
            self._over[index] = bool(ended or cut)
        self._check_finite(self._seen)
        self._check_finite(rewards)
        return Step(
            torch.tensor(self._seen),
            torch.from_numpy(rewards),
            torch.tensor(terminal),
            torch.tensor(truncated),
            torch.zeros(self.count, dtype=torch.int64),
        )

    def _check_finite(self, answers: np.ndarray) -> None:
        if not (finite := np.isfinite(answers)).all():
            row = int(np.argmin(finite.reshape(self.count, -1).all(axis=1)))
            raise FloatingPointError(f"{self.name} answered {answers[row].tolist()}, which is not finite")
