"""Deep Q-learning: networks, targets, and one update from a minibatch.

Sources: Mnih et al. (2013), arXiv:1312.5602; Mnih et al. (2015), doi 10.1038/nature14236; the double target: van
Hasselt et al. (2015), arXiv:1509.06461. Symbols: q_tm1, a_tm1 value and action at t - 1; r_t, end_t reward and end that
follow; q_t the values of the next state. Shapes: B batch, A actions; states are uint8 (B, 4, 84, 84), or float32 (B, I)
for a task with vector observations.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.agents.parts.replay import Batch


class PlayingAtariNetwork(nn.Module):
    """The network of 2013, section 4.1: two convolutions, 256 hidden units; 677,686 parameters for 6 actions."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Conv2d(4, 16, 8, stride=4), nn.ReLU()),
            *(nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(32 * 9 * 9, 256), nn.ReLU()),
            nn.Linear(256, actions),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in the states `frames` (B, 4, 84, 84), uint8."""
        return self.layers(scaled(frames))  # type: ignore[no-any-return]


class NatureNetwork(nn.Module):
    """The network of 2015, Methods: three convolutions, 512 hidden units; 1,687,206 parameters for 6 actions."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Conv2d(4, 32, 8, stride=4), nn.ReLU()),
            *(nn.Conv2d(32, 64, 4, stride=2), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(64 * 7 * 7, 512), nn.ReLU()),
            nn.Linear(512, actions),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in the states `frames` (B, 4, 84, 84), uint8."""
        return self.layers(scaled(frames))  # type: ignore[no-any-return]


class VectorNetwork(nn.Module):
    """Layers of 256 and 256 units, for tasks with vector observations, float32 (B, I)."""

    def __init__(self, inputs: int, actions: int, units: int = 256) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Linear(inputs, units), nn.ReLU()),
            *(nn.Linear(units, units), nn.ReLU()),
            nn.Linear(units, actions),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in `states`."""
        return self.layers(states)  # type: ignore[no-any-return]


def scaled(frames: Tensor) -> Tensor:
    """Turn frames from 0..255 to [0, 1], here and nowhere else; channels last, which is faster forward and backward.

    Raises: ValueError: they are not uint8, so that somebody may have divided already.
    """
    if frames.dtype != torch.uint8:
        raise ValueError(f"pass frames as uint8, the network divides by 255 itself: {frames.dtype}")
    return frames.contiguous(memory_format=torch.channels_last).float().div_(255)


@dataclass(frozen=True)
class Rule:
    """How a minibatch becomes an update.

    discount: of the next state's value. target_every: updates between copies into the target network; None: there is
    none, as in 2013. double: choose the next action by the online network. clip_error: bound the error, and so the
    gradient, to [-1, 1]. reduction: "sum" of the batch's losses, as the authors' code has it, which gives RMSProp's eps
    its size; or "mean". clip_norm: largest norm of the whole gradient, or None.
    """

    discount: float = 0.99
    target_every: int | None = 10_000
    double: bool = False
    clip_error: bool = True
    reduction: str = "sum"
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if self.reduction not in ("sum", "mean"):
            raise ValueError(f"reduction must be sum or mean: {self.reduction}")
        if self.target_every is not None and self.target_every < 1:
            raise ValueError(f"target_every must be at least 1: {self.target_every}")


def q_target(r_t: Tensor, end_t: Tensor, q_t: Tensor, discount: float, chooser: Tensor | None = None) -> Tensor:
    """Return r + discount max q (Algorithm 1 of 2015), or r alone where the episode ended; (B,).

    r_t, end_t: (B,). q_t: (B, A), the target network's. chooser: (B, A), the online network's values of the
    same states: their best action is taken instead of q_t's (double Q-learning).
    """
    best = (q_t if chooser is None else chooser).argmax(1, keepdim=True)
    return r_t + discount * q_t.gather(1, best)[:, 0] * ~end_t


def q_loss(q_tm1: Tensor, a_tm1: Tensor, target: Tensor, clip_error: bool = True, reduction: str = "sum") -> Tensor:
    """Return half the squared error of the values of the actions taken; past an error of 1, if clipped, linear.

    q_tm1: (B, A). a_tm1: (B,) int64. target: (B,), a constant. The gradient is the error itself, or the error clipped
    to [-1, 1]: "error clipping", Methods of 2015.
    """
    error = q_tm1.gather(1, a_tm1[:, None])[:, 0] - target.detach()
    inner = error.clamp(-1, 1) if clip_error else error
    losses = inner * (error - inner / 2)  # error^2 / 2 inside; |error| - 1/2 outside
    return losses.sum() if reduction == "sum" else losses.mean()


def clip_rewards(rewards: Tensor) -> Tensor:
    """Clip rewards to [-1, 1], for training alone."""
    return rewards.clamp(-1, 1)


def epsilon_at(step: int, *, begin: int = 50_000, over: int = 1_000_000, start: float = 1.0, end: float = 0.1) -> float:
    """Return the share of random actions after `step` agent steps: `start` until `begin`, then falling to `end`."""
    done = min(max((step - begin) / over, 0.0), 1.0)
    return start + (end - start) * done


def epsilon_greedy(q: Tensor, epsilon: float, random: torch.Generator) -> Tensor:
    """Choose the best action of each row of q (N, A), or with probability epsilon any; (N,) int64 on the CPU.

    The number of random draws does not depend on epsilon or q.
    """
    count, actions = q.shape
    explore = torch.rand(count, generator=random) < epsilon
    other = torch.randint(actions, (count,), generator=random)
    return torch.where(explore, other, q.argmax(1).cpu())


class Learner:
    """A network that learns from minibatches, its target network and its optimiser."""

    def __init__(self, network: nn.Module, optimiser: torch.optim.Optimizer, rule: Rule) -> None:
        self.network, self.optimiser, self.rule = network, optimiser, rule
        self.target = network if rule.target_every is None else deepcopy(network).requires_grad_(False)
        self.updates = 0

    def update(self, batch: Batch) -> Tensor:
        """Make one update; return the loss, a scalar on the network's device."""
        with torch.no_grad():
            chooser = self.network(batch.s_t) if self.rule.double else None
            target = q_target(batch.r_t, batch.end_t, self.target(batch.s_t), self.rule.discount, chooser)
        loss = q_loss(self.network(batch.s_tm1), batch.a_tm1, target, self.rule.clip_error, self.rule.reduction)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.rule.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.rule.clip_norm)
        self.optimiser.step()
        self.updates += 1
        if self.rule.target_every is not None and self.updates % self.rule.target_every == 0:
            self.target.load_state_dict(self.network.state_dict())
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next update depends on."""
        return {
            "network": self.network.state_dict(),
            "target": self.target.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises: ValueError: it is of another network.
        """
        try:
            self.network.load_state_dict(state["network"])
            self.target.load_state_dict(state["target"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"the checkpoint is of another network: {reason}") from error
        self.updates = int(state["updates"])
