"""Deep deterministic policy gradient: one update of actor, critic and their targets from a minibatch.

Source: Lillicrap et al. (2015), Continuous control with deep reinforcement learning, arXiv:1509.02971: section 3,
Algorithm 1 and supplement, section 7. Symbols: s_tm1, a_tm1 state and action at t - 1; r_t, end_t reward and end that
follow; s_t the next state. Shapes: B batch, A parts of an action, each in [-1, 1]. The networks are in
`agents/parts/actor_critic.py`, the noise in `agents/parts/noise.py`.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.agents.parts.actor_critic import Actor, Critic, PixelActor, PixelCritic
from dmbench.agents.parts.noise import OrnsteinUhlenbeck, stationary_deviation
from dmbench.agents.parts.replay import Batch

__all__ = [
    "Actor",
    "Critic",
    "Learner",
    "OrnsteinUhlenbeck",
    "PixelActor",
    "PixelCritic",
    "Rule",
    "act",
    "q_target",
    "rescale",
    "soft_update",
    "stationary_deviation",
]


@dataclass(frozen=True)
class Rule:
    """How a minibatch becomes an update; by default the paper's constants.

    discount: of the next state's value. tau: how far targets move towards their networks with each update, in (0, 1].
    actor_rate, critic_rate: Adam's. weight_decay: L2, on all of the critic's parameters. penalty: of the mean square of
    the actor's actions, which the paper has not; it keeps tanh from its ends while the critic knows nothing yet.
    """

    discount: float = 0.99
    tau: float = 0.001
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3
    weight_decay: float = 1e-2
    penalty: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1:
            raise ValueError(f"tau must be in (0, 1]: {self.tau}")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must be in [0, 1]: {self.discount}")


class Learner:
    """Actor and critic that learn from minibatches, and their targets.

    In an update, networks with batch normalisation use the minibatch's statistics, targets too; `act` uses the running
    ones. The paper does not say.
    """

    def __init__(self, actor: nn.Module, critic: nn.Module, rule: Rule) -> None:
        self.actor, self.critic, self.rule = actor.train(), critic.train(), rule
        self.target_actor = deepcopy(actor).requires_grad_(False)
        self.target_critic = deepcopy(critic).requires_grad_(False)
        self.actor_optimiser = torch.optim.Adam(actor.parameters(), lr=rule.actor_rate, fused=True)
        self.critic_optimiser = torch.optim.Adam(
            critic.parameters(), lr=rule.critic_rate, weight_decay=rule.weight_decay, fused=True
        )
        self.updates = 0

    def update(self, batch: Batch) -> Tensor:
        """Make one update, critic first (Algorithm 1); return the critic's loss, a scalar on the networks' device."""
        with torch.no_grad():
            q_t = self.target_critic(batch.s_t, self.target_actor(batch.s_t))
            target = q_target(batch.r_t, batch.end_t, q_t, self.rule.discount)
        loss: Tensor = (self.critic(batch.s_tm1, batch.a_tm1) - target).square().mean()
        self.critic_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        actions = self.actor(batch.s_tm1)
        gain = self.critic(batch.s_tm1, actions).mean() - self.rule.penalty * actions.square().mean()
        self.actor_optimiser.zero_grad()
        (-gain).backward(inputs=list(self.actor.parameters()))
        self.actor_optimiser.step()
        soft_update(self.target_actor, self.actor, self.rule.tau)
        soft_update(self.target_critic, self.critic, self.rule.tau)
        self.updates += 1
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next update depends on."""
        return {"updates": self.updates, **{name: part.state_dict() for name, part in self._parts().items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises: ValueError: it is of other networks.
        """
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
        except (RuntimeError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"the checkpoint is of another network: {reason}") from error
        self.updates = int(state["updates"])

    def _parts(self) -> dict[str, Any]:
        names = ("actor", "critic", "target_actor", "target_critic", "actor_optimiser", "critic_optimiser")
        return {name: getattr(self, name) for name in names}


def q_target(r_t: Tensor, end_t: Tensor, q_t: Tensor, discount: float) -> Tensor:
    """Return r + discount q (Algorithm 1), or r alone where the episode ended; all (B,)."""
    return r_t + discount * q_t * ~end_t


@torch.no_grad()
def soft_update(target: nn.Module, network: nn.Module, tau: float) -> None:
    """Move the target's parameters to tau theta + (1 - tau) theta'."""
    for theta_target, theta in zip(target.parameters(), network.parameters(), strict=True):
        theta_target.lerp_(theta, tau)


@torch.no_grad()
def act(actor: nn.Module, states: Tensor) -> Tensor:
    """Return the actor's actions (B, A) in [-1, 1], without noise, by running statistics where it normalises."""
    training = actor.training
    actions: Tensor = actor.eval()(states)
    actor.train(training)
    return actions


def rescale(actions: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Turn actions (B, A) from [-1, 1] into a task's bounds, each (A,)."""
    return (low + (actions + 1) / 2 * (high - low)).clamp(low, high)
