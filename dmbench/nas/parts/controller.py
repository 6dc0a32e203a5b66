"""Zoph and Le's controller: a recurrent network that writes a point as a row of choices, each fed back.

Source: Zoph and Le (2017), arXiv:1611.01578, sections 3.1, 3.3 and 4.1: two layers of 35 LSTM units, parameters drawn
from -0.08 to 0.08, a softmax over the choices of each decision. Whether layer i reads layer j is decided by
content, all j < i at one step:

    P(i reads j) = sigmoid(v . tanh(W_prev h_j + W_curr h_i))

with h the hidden state at the step of a layer's anchors, which layer 0 has as well.

Differs from the paper: 1. It does not say what is fed back after anchors: the sum of their choices' embeddings here.

Shapes: N points, D decisions, K choices of the decision that has most, T steps, H hidden size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmbench.layers.lstm import LSTM
from dmbench.nas.parts.decision import Decision, Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.policies import MASKED, extended, judged, masks, widest

State = list[tuple[Tensor, Tensor]]


class Controller(nn.Module):
    """A policy, of one lane, for `Reinforce` and `PPO`. generator: for the first parameters."""

    lanes = 1

    def __init__(
        self, space: Space, hidden: int = 35, layers: int = 2, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.space = space
        self.steps, self.anchors = steps(space.decisions)
        self.step_of = {place: index for index, step in enumerate(self.steps) for place in step}
        depth, width = len(space.decisions), widest(space)
        self.recurrent = nn.ModuleList(LSTM(hidden, hidden) for _ in range(layers))
        self.first = nn.Parameter(torch.empty(hidden))
        self.embedding = nn.Parameter(torch.empty(depth, width, hidden))
        self.heads = nn.Parameter(torch.empty(depth, width, hidden))
        self.previous, self.current = (nn.Parameter(torch.empty(hidden, hidden)) for _ in range(2))
        self.v = nn.Parameter(torch.empty(hidden))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.08, 0.08, generator=generator)

    def draw(self, count: int, generator: torch.Generator | None = None) -> list[Point]:
        """Draw points, a choice at a time."""
        points: list[Point] = [()] * count
        hidden: list[Tensor] = []
        state: State | None = None
        with torch.no_grad():
            seen = self.first.expand(count, -1)
            for step in self.steps:
                h, state = self._run(seen[None], state)
                hidden.append(h[0])
                for place in step:
                    logits = self._logits(place, hidden).masked_fill(~masks(self.space, points, place), MASKED)
                    chosen = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
                    points = extended(self.space, points, chosen.tolist())
                seen = self._fed(points, step)
        return points

    def judge(self, points: Sequence[Point]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and entropies, (N); the points are known, so that the network runs once over all."""
        fed = [self.first.expand(len(points), -1), *(self._fed(points, step) for step in self.steps[:-1])]
        hidden = list(self._run(torch.stack(fed), None)[0])
        logits = torch.stack([self._logits(place, hidden) for place in range(len(self.space.decisions))], 1)
        return judged(self.space, logits, points)

    def _run(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run over x (T, N, H); return the last layer's hidden states and the state after."""
        after = []
        for index, layer in enumerate(self.recurrent):
            x, last = layer(x, None if state is None else state[index])
            after.append(last)
        return x, after

    def _fed(self, points: Sequence[Point], step: Sequence[int]) -> Tensor:
        """Return the sum of the embeddings of what was chosen at a step, (N, H); of what is past a point's end, 0's."""
        total = self.first.new_zeros(len(points), len(self.first))
        for place in step:
            total = total + self.embedding[place][[point[place] if place < len(point) else 0 for point in points]]
        return total

    def _logits(self, place: int, hidden: Sequence[Tensor]) -> Tensor:
        """Return the logits of a decision, (N, K), from the hidden states (N, H) of the steps so far."""
        anchor = self.space.decisions[place].anchor
        if anchor is None:
            return hidden[self.step_of[place]] @ self.heads[place].T
        other, layer = (hidden[self.anchors[one]] for one in anchor)
        yes = torch.tanh(other @ self.previous.T + layer @ self.current.T) @ self.v
        rest = [yes.new_full(yes.shape, MASKED)] * (self.heads.shape[1] - 2)
        return torch.stack([torch.zeros_like(yes), yes, *rest], -1)


def steps(decisions: Sequence[Decision]) -> tuple[list[list[int]], dict[int, int]]:
    """Return which decisions are taken at each step, and at which step a layer decides what it reads.

    A decision has a step to itself; a layer's anchors share one, which layer 0 has too, without a decision.
    """
    found: list[list[int]] = []
    anchors: dict[int, int] = {}
    any_anchor = any(decision.anchor for decision in decisions)
    for place, decision in enumerate(decisions):
        if any_anchor and decision.layer > 0 and 0 not in anchors:
            anchors[0] = len(found)
            found.append([])
        if decision.anchor is None:
            found.append([place])
        elif decision.layer in anchors:
            found[anchors[decision.layer]].append(place)
        else:
            anchors[decision.layer] = len(found)
            found.append([place])
    return found, anchors
