"""Proximal policy optimisation of a point's probability: several steps on a batch, none far from where it was drawn.

Source: Schulman, Wolski, Dhariwal, Radford and Klimov (2017), Proximal Policy Optimization Algorithms,
arXiv:1707.06347, equations 7 and 9; for architectures Zoph, Vasudevan, Shlens and Le (2018), arXiv:1707.07012. With r
the ratio of a point's probability to that under which it was drawn, A its advantage, V a value that is learned:

    minimise  -mean of min(r A, clip(r, 1 - c, 1 + c) A)  +  weight (V - R)^2  -  bonus * entropy,    A = R - V

A point is one episode that begins in the same state, so that V is one number.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.policy_search import PolicySearch
from dmbench.optim.adam import Adam


class PPO(PolicySearch):
    """PPO with a learned value, by Adam.

    Args:
        lr: of Adam. clip: c, above 0. epochs: steps on each batch. value_weight, entropy: as above.
        batch, lanes, options: of `PolicySearch`: policy, reward.

    Raises: ValueError: an option is out of range.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        lr: float = 0.05,
        clip: float = 0.2,
        epochs: int = 4,
        value_weight: float = 0.5,
        entropy: float = 0.0,
        batch: int = 10,
        lanes: int = 1,
        **options: Any,
    ) -> None:
        if clip <= 0 or epochs < 1 or value_weight < 0 or entropy < 0:
            raise ValueError(
                f"need clip above 0, an epoch, no negative weight: {clip}, {epochs}, {value_weight}, {entropy}"
            )
        super().__init__(space, generator, batch=batch, lanes=lanes, **options)
        self.clip, self.epochs, self.value_weight, self.entropy = clip, epochs, value_weight, entropy
        self.value: nn.Parameter | None = None  # (L), V
        self.lr = lr

    def update(self, batch: Sequence[Sequence[Point]], rewards: Tensor) -> None:
        """Take `epochs` steps; before the first, V is set to the batch's mean reward."""
        if self.value is None:
            self.value = nn.Parameter(rewards.mean(0))
            self.optimiser = Adam([*self.policy.parameters(), self.value], self.lr)
        with torch.no_grad():
            before = self.judge(batch)[0]
        # As the paper has it, advantages are those of the policy and value before the first step.
        advantage = rewards - self.value
        for _ in range(self.epochs):
            log_prob, entropy = self.judge(batch)
            loss = clipped_loss(log_prob, before, advantage, self.clip)
            loss = loss + (self.value_weight * (self.value - rewards) ** 2 - self.entropy * entropy).mean(0).sum()
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()


def clipped_loss(log_prob: Tensor, before: Tensor, advantage: Tensor, clip: float = 0.2) -> Tensor:
    """Return minus the clipped objective (Eq. 7), all (batch, L): the mean over a batch, the sum over lanes.

    before: log-probabilities when the points were drawn. No gradient passes through it, nor through the advantage.
    """
    ratio = (log_prob - before.detach()).exp()
    kept = torch.minimum(ratio * advantage.detach(), ratio.clamp(1 - clip, 1 + clip) * advantage.detach())
    return -kept.mean(0).sum()
