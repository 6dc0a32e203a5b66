"""REINFORCE: make points more likely that reached more than points did on average before.

Sources: Williams (1992), Simple statistical gradient-following algorithms, Machine Learning 8; Zoph and Le (2017),
arXiv:1611.01578, section 3.2, for architectures: R the accuracy that a point reached, b a moving average before it,

    gradient = mean over the batch of (R - b) gradient of log P(point)

The policy is Zoph and Le's recurrent controller, which writes the point a choice at a time, or, as in NAS-Bench-201
(Dong and Yang 2020, arXiv:2001.00326), a softmax for each decision. Entropy's bonus is Williams and Peng's (1991).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dmbench.nas.parts.controller import Controller
from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.policy_search import PolicySearch
from dmbench.optim.adam import Adam

__all__ = ["Controller", "Reinforce", "policy_loss"]


class Reinforce(PolicySearch):
    """REINFORCE with a baseline, by Adam.

    Args:
        lr: of Adam. momentum: how much of the moving average stays, in [0, 1).
        entropy: what an entropy of 1 nat is worth, in rewards.
        lanes, options: of `PolicySearch`: policy, batch, reward.

    Raises: ValueError: the momentum is out of range, the bonus negative, or as `PolicySearch`.
    """

    def __init__(
        self,
        space: Space,
        generator: torch.Generator | None = None,
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        entropy: float = 0.0,
        lanes: int = 1,
        **options: Any,
    ) -> None:
        if not 0 <= momentum < 1 or entropy < 0:
            raise ValueError(f"need a momentum in [0, 1) and no negative bonus: {momentum}, {entropy}")
        super().__init__(space, generator, lanes=lanes, **options)
        self.momentum, self.entropy = momentum, entropy
        self.optimiser = Adam(self.policy.parameters(), lr)
        self.baseline: Tensor | None = None  # (L), b

    def update(self, batch: Sequence[Sequence[Point]], rewards: Tensor) -> None:
        """Take a step, and then move the baseline; before the first batch that is the batch's own mean."""
        mean = rewards.mean(0)
        baseline = mean if self.baseline is None else self.baseline
        log_prob, entropy = self.judge(batch)
        loss = policy_loss(log_prob, rewards - baseline, entropy, self.entropy)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.baseline = self.momentum * baseline + (1 - self.momentum) * mean


def policy_loss(log_prob: Tensor, advantage: Tensor, entropy: Tensor, bonus: float = 0.0) -> Tensor:
    """Return what is minimised, all arguments (batch, L): the mean over a batch, the sum over lanes.

    advantage: how much more a point reached than the baseline; no gradient passes through it.
    """
    return -(log_prob * advantage.detach() + bonus * entropy).mean(0).sum()
