"""Noise for exploration that is correlated in time.

Source: Lillicrap et al. (2015), arXiv:1509.02971, section 3 and supplement; the process is Uhlenbeck and Ornstein's
(1930). Shapes: N environments, A parts of an action.
"""

import math

import torch
from torch import Tensor


class OrnsteinUhlenbeck:
    """A process x <- x - theta x + sigma N(0, 1) per environment and part of an action, around 0.

    Far from its start its standard deviation is `stationary_deviation(theta, sigma)`.

    Args:
        environments, actions: N, A.
        theta: pull towards 0, in (0, 2). sigma: of one step's draw, >= 0.

    Raises: ValueError: theta or sigma is out of range.
    """

    def __init__(self, environments: int, actions: int, theta: float = 0.15, sigma: float = 0.2) -> None:
        stationary_deviation(theta, sigma)
        self.theta, self.sigma = theta, sigma
        self.x = torch.zeros(environments, actions)

    def step(self, first: Tensor, random: torch.Generator) -> Tensor:
        """Forget what lies before an episode's `first`, (N,) bool, make one step and return x (N, A)."""
        self.x = self.x.masked_fill(first[:, None], 0)
        self.x = self.x - self.theta * self.x + self.sigma * torch.randn(self.x.shape, generator=random)
        return self.x


def stationary_deviation(theta: float, sigma: float) -> float:
    """Return sigma / sqrt(2 theta - theta^2): the variance v that solves v = (1 - theta)^2 v + sigma^2.

    Raises: ValueError: there is none.
    """
    if not 0 < theta < 2 or sigma < 0:
        raise ValueError(f"need 0 < theta < 2 and sigma >= 0: {theta}, {sigma}")
    return sigma / math.sqrt(2 * theta - theta**2)
