"""Replay memory: what an agent saw and did, each observation stored once, stacked when it is sampled.

Source: Mnih et al. (2013), arXiv:1312.5602, section 4; Mnih et al. (2015), doi 10.1038/nature14236, Methods.
Symbols: s_tm1, a_tm1 the state and action at time t - 1; r_t, end_t, s_t what came of it, as in rlax. Shapes: B batch,
N environments, K frames in a stack, (...) one observation. For vectors K is 1 and states have no axis of frames.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dmbench.agents.parts.stack import Stack, on_device

__all__ = ["Batch", "Found", "ReplayMemory", "Stack"]

ATTEMPTS = 1000  # draws, before a memory of nothing but cut-off transitions is given up


class Batch(NamedTuple):
    """B transitions: states (B, K, ...), actions (B, ...), rewards (B,) float32, end_t (B,) bool, next states."""

    s_tm1: Tensor
    a_tm1: Tensor
    r_t: Tensor
    end_t: Tensor
    s_t: Tensor


class Found(NamedTuple):
    """What the CPU knows of B drawn transitions, and the observations' device needs to make a batch of them.

    slots: (B, K + 1) int64, rows of the K observations of s_tm1 and of their successor. blank: (B, 2, K) bool, which
    observations of s_tm1 and of s_t lie before the episode. a_tm1, r_t, end_t: as in `Batch`.
    """

    slots: Tensor
    blank: Tensor
    a_tm1: Tensor
    r_t: Tensor
    end_t: Tensor


class ReplayMemory:
    """The newest `capacity` transitions of N environments in step; the oldest are overwritten.

    One million of the papers' frames take 7.08 GB. A stack reaches back to the start of its episode and no further:
    before it there are zeros, as in the authors' code. What an episode was cut after (not ended by) is never sampled,
    since the observation that follows it is not kept.

    Args:
        capacity: transitions, over all environments.
        shape: of one observation. dtype: of observations.
        environments: N. stack: K.
        action_shape: () for a choice, (A,) for a vector. action_dtype: of actions.
        device: where observations are kept and batches are made; the rest stays with the CPU.

    Raises: ValueError: the capacity holds no transition.
    """

    def __init__(
        self,
        capacity: int,
        shape: Sequence[int],
        *,
        environments: int = 1,
        stack: int = 4,
        dtype: torch.dtype = torch.uint8,
        action_shape: Sequence[int] = (),
        action_dtype: torch.dtype = torch.int64,
        device: torch.device | str = "cpu",
    ) -> None:
        times = math.ceil(capacity / environments)
        if times < stack + 1:
            raise ValueError(f"capacity must be above {stack * environments} for stacks of {stack}: {capacity}")
        self.environments, self.stack, self.times = environments, stack, times
        self.observations = torch.empty(times, environments, *shape, dtype=dtype, device=device)
        self.actions = torch.zeros(times, environments, *action_shape, dtype=action_dtype)
        self.rewards = torch.zeros(times, environments)
        self.ends = torch.zeros(times, environments, dtype=torch.bool)
        self.cuts = torch.zeros(times, environments, dtype=torch.bool)
        self.ages = torch.zeros(times, environments, dtype=torch.uint8)  # observations before it, up to K - 1
        self.added = 0  # times so far, overwritten ones too
        self._reach = torch.arange(stack - 1, -1, -1)  # how far back each frame of a stack lies

    @property
    def columns(self) -> dict[str, Tensor]:
        """All that is stored, by name: each (times, N, ...)."""
        names = ("observations", "actions", "rewards", "ends", "cuts", "ages")
        return {name: getattr(self, name) for name in names}

    @property
    def nbytes(self) -> int:
        """Bytes of all that is stored."""
        return sum(column.nbytes for column in self.columns.values())

    def __len__(self) -> int:
        """Transitions that can be sampled, those cut off included."""
        first, last = self._range()
        return max(0, last - first + 1) * self.environments

    def add(
        self, observations: Tensor, first: Tensor, actions: Tensor, rewards: Tensor, ends: Tensor, cuts: Tensor
    ) -> None:
        """Store one time: what was seen, what was done then, and what came of it.

        observations: (N, ...). first: (N,) bool, an episode starts with this observation. actions: (N, ...). rewards:
        (N,). ends: (N,) bool, the episode ended with this action. cuts: (N,) bool, it was cut there.
        """
        slot, before = self.added % self.times, (self.added - 1) % self.times
        age = (self.ages[before] + 1).clamp(max=self.stack - 1) if self.added else torch.zeros_like(self.ages[0])
        self.observations[slot] = observations.to(self.observations.device)
        self.ages[slot] = age.masked_fill(first.cpu(), 0)
        self.actions[slot], self.rewards[slot] = actions.cpu(), rewards.float().cpu()
        self.ends[slot], self.cuts[slot] = ends.cpu(), cuts.cpu()
        self.added += 1

    def sample(self, batch: int, random: torch.Generator) -> Batch:
        """Draw B transitions uniformly, with replacement.

        Raises: ValueError: nothing to draw from.
        """
        return self.gather(*self.draw(batch, random))

    def draw(self, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw times and environments, each (B,) int64."""
        first, last = self._range()
        if last < first:
            raise ValueError(f"the memory holds {self.added} times, of which none can be sampled")
        time, place = self._draw(batch, first, last, random)
        for _ in range(ATTEMPTS):
            cut = self.cuts[time % self.times, place]
            if not bool(cut.any()):
                break
            time[cut], place[cut] = self._draw(int(cut.sum()), first, last, random)
        else:
            raise ValueError(f"the memory holds {self.added} times, of which too many are cut off")
        return time, place

    def gather(self, time: Tensor, place: Tensor) -> Batch:
        """Return the transitions at times and environments, each (B,), that `draw` may return."""
        return self.fetch(Found(*(on_device(part, self.observations.device) for part in self.find(time, place))))

    def find(self, time: Tensor, place: Tensor) -> Found:
        """Look up the transitions at times and environments, each (B,): what `fetch` needs, on the CPU."""
        slots = (time[:, None] + torch.arange(1 - self.stack, 2)) % self.times
        now, both = slots[:, -2], slots[:, -2:]
        return Found(
            slots * self.environments + place[:, None],
            self._reach > self.ages[both, place[:, None]][..., None],
            self.actions[now, place],
            self.rewards[now, place],
            self.ends[now, place],
        )

    def fetch(self, found: Found) -> Batch:
        """Return what was found, which lies on the observations' device; the host waits for nothing."""
        rows = self.observations.flatten(0, 1).index_select(0, found.slots.flatten())
        frames = rows.view(*found.slots.shape, *rows.shape[1:])
        return Batch(
            self._stacked(frames[:, :-1], found.blank[:, 0]),
            found.a_tm1,
            found.r_t,
            found.end_t,
            self._stacked(frames[:, 1:], found.blank[:, 1]),
        )

    def _draw(self, batch: int, first: int, last: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        time = torch.randint(first, last + 1, (batch,), generator=random)
        return time, torch.randint(self.environments, (batch,), generator=random)

    def _range(self) -> tuple[int, int]:
        """Return the first time whose stack is whole, and the last that has a successor."""
        oldest = self.added - self.times
        return (oldest + self.stack - 1 if oldest > 0 else 0), self.added - 2

    def _stacked(self, frames: Tensor, blank: Tensor) -> Tensor:
        """Blank what lies before the episode's start. frames: (B, K, ...); blank: (B, K)."""
        if self.stack == 1:
            return frames[:, 0]
        if blank.device.type == "cpu" and not bool(blank.any()):
            return frames
        return frames.masked_fill(blank[(...,) + (None,) * (frames.ndim - 2)], 0)
