"""Distributions over the points of a space that gradients can move.

`SoftmaxPolicy`: a softmax for each decision, independent of the others, as NAS-Bench-201's REINFORCE has it (Dong and
Yang 2020, arXiv:2001.00326, section 5). `dmbench.nas.parts.controller` has Zoph and Le's recurrent one.

Shapes: L lanes, N points, D decisions, K choices of the decision that has most.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space

MASKED = -1e30  # a logit whose share is exactly 0, and whose product with that share is no NaN


class Policy(Protocol):
    """What draws points, and says how likely they were; a module with parameters."""

    lanes: int

    def draw(self, count: int, generator: torch.Generator | None) -> list[Point]:
        """Draw so many points, one a lane or all of one lane."""

    def judge(self, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
        """Return the log-probability of each point, and the entropy of its decisions, both (N) and in the graph."""

    def parameters(self) -> object:
        """Return what is learned."""


class SoftmaxPolicy(nn.Module):
    """Logits of all choices; at first near 0, so that all are about as likely.

    lanes: searches that share nothing. spread: the deviation of the first logits.
    """

    def __init__(
        self, space: Space, lanes: int = 1, generator: torch.Generator | None = None, spread: float = 1e-3
    ) -> None:
        super().__init__()
        self.space, self.lanes = space, lanes
        shape = (lanes, len(space.decisions), widest(space))
        self.logits = nn.Parameter(spread * torch.randn(shape, generator=generator))

    def draw(self, count: int, generator: torch.Generator | None = None) -> list[Point]:
        """Draw points: `lanes` of them, one of each lane, or any number of a single lane."""
        logits = self.logits.detach().expand(count, -1, -1)
        if self.space.product:
            shares = logits.masked_fill(~masks(self.space, [()] * count), MASKED).softmax(-1)
            drawn = torch.multinomial(shares.flatten(0, 1), 1, generator=generator).view(count, -1)
            return [tuple(row) for row in drawn.tolist()]
        points: list[Point] = [()] * count
        for index in range(len(self.space.decisions)):
            shares = logits[:, index].masked_fill(~masks(self.space, points, index), MASKED).softmax(-1)
            chosen = torch.multinomial(shares, 1, generator=generator)[:, 0].tolist()
            points = extended(self.space, points, chosen)
        return points

    def judge(self, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and entropies, (N)."""
        return judged(self.space, self.logits.expand(len(points), -1, -1), points)


def widest(space: Space) -> int:
    """Return K."""
    return max(len(decision.choices) for decision in space.decisions)


def masks(space: Space, points: Sequence[Point], index: int | None = None) -> Tensor:
    """Return which choices may be taken, (N, D, K); with an index, only at that decision, (N, K).

    Of a product this depends on no point. Elsewhere, decisions after the end of a point allow choice 0 only, which then
    has a share of 1 and changes neither log-probability nor entropy.
    """
    wanted = range(len(space.decisions)) if index is None else (index,)
    width = widest(space)

    def row(point: Point, place: int) -> list[bool]:
        allowed: Sequence[int] = (0,)
        if space.product:
            allowed = range(len(space.decisions[place].choices))
        elif place <= len(point) and not space.complete(point[:place]):
            allowed = space.allowed(point[:place])
        return [choice in allowed for choice in range(width)]

    different = [()] if space.product else points
    found = torch.tensor([[row(point, place) for place in wanted] for point in different])
    found = found.expand(len(points), -1, -1)
    return found if index is None else found[:, 0]


def extended(space: Space, points: Sequence[Point], chosen: Sequence[int]) -> list[Point]:
    """Return the points with one more choice each; those that are whole stay as they are."""
    return [point if space.complete(point) else (*point, choice) for point, choice in zip(points, chosen, strict=True)]


def judged(space: Space, logits: Tensor, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
    """Return the log-probability and the entropy of points, (N), under logits (N, D, K)."""
    depth = len(space.decisions)
    chosen = torch.tensor([[*point, *[0] * (depth - len(point))] for point in points])
    logs = logits.masked_fill(~masks(space, points), MASKED).log_softmax(-1)
    taken = logs.gather(-1, chosen[..., None])[..., 0]
    return taken.sum(-1), -(logs.exp() * logs).sum((-1, -2))
