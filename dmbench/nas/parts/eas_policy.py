"""The policy of EAS: an encoder that reads a network's layers, an actor that widens, and one that deepens.

Source: Cai, Chen, Zhang, Yu and Wang (2018), Efficient Architecture Search by Network Transformation,
arXiv:1707.04873, section 3. Each layer is a word with an embedding; a bidirectional LSTM reads them, y_t its output at
layer t. The wider actor decides of each layer alone, P(wider) = sigmoid(v . y_t + b). The deeper actor is an LSTM that
begins with the encoder's last state and takes three decisions, each fed back: the segment, which of its layers the new
one stands before, and the new layer's window. What `Growth` forbids has a probability of exactly 0.

Shapes: T layers, E embedding, H hidden size, K choices of a decision.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from dmbench.layers.linear import Linear
from dmbench.layers.lstm import LSTM
from dmbench.nas.network_morphism import Layer
from dmbench.nas.parts.growth import Growth, segments
from dmbench.nas.parts.policies import MASKED

State = tuple[Tensor, Tensor]
Choose = Callable[[Tensor], int]


@dataclass(frozen=True)
class Wider:
    """Make layers wider by a rung of the ladder: of each, yes or no."""

    flags: tuple[bool, ...]


@dataclass(frozen=True)
class Deeper:
    """Insert a layer before the one at a place of a segment; window: which of the limits' windows it has."""

    segment: int
    place: int
    window: int


Action = Wider | Deeper


class TransformPolicy(nn.Module):
    """A distribution over how a network is transformed.

    Args:
        growth: what may be done. generator: for the first parameters, on the CPU.
        embedding, hidden: E and H, of the paper's size. segments: of a network, at most.

    Raises: ValueError: there is no segment.
    """

    def __init__(
        self,
        growth: Growth,
        generator: torch.Generator | None = None,
        *,
        embedding: int = 16,
        hidden: int = 50,
        segments: int = 3,
    ) -> None:
        super().__init__()
        if segments < 1:
            raise ValueError(f"a network has a segment: {segments}")
        self.growth = growth
        words = [(f, w, pooled) for f in growth.ladder for w in growth.windows for pooled in (False, True)]
        self.words = {word: place for place, word in enumerate(words)}
        self.sizes = (segments, growth.longest, len(growth.windows))
        self.embedding = nn.Parameter(torch.empty(len(words), embedding))
        self.encoder = LSTM(embedding, hidden, bidirectional=True)
        self.wider = Linear(2 * hidden, 1)
        self.decoder = LSTM(embedding, 2 * hidden)
        self.first = nn.Parameter(torch.empty(1, embedding))
        self.fed = nn.ParameterList(nn.Parameter(torch.empty(size, embedding)) for size in self.sizes[:2])
        self.heads = nn.ModuleList(Linear(2 * hidden, size) for size in self.sizes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)

    def draw(self, layers: Sequence[Layer], kind: type[Action], generator: torch.Generator | None = None) -> Action:
        """Draw an action of a kind. Raises: ValueError: a layer is outside of the limits, or no layer may be added."""
        with torch.no_grad():
            if kind is Wider:
                yes = self._yes(self._encoded(layers)[0], layers).sigmoid()
                return Wider(tuple((torch.rand(yes.shape, generator=generator).to(yes) < yes).tolist()))

            def drawn(log: Tensor) -> int:
                return int(torch.multinomial(log.exp().cpu(), 1, generator=generator))

            return Deeper(*self._deeper(layers, [drawn] * len(self.sizes))[0])

    def judge(self, layers: Sequence[Layer], action: Action) -> tuple[Tensor, Tensor]:
        """Return the log-probability and the entropy of an action's decisions, scalars in the graph.

        Raises: ValueError: the action may not follow, or a layer is outside of the limits.
        """
        if isinstance(action, Wider):
            return self._judged_wider(layers, action)

        def taken(choice: int) -> Choose:
            def check(log: Tensor) -> int:
                if not 0 <= choice < len(log) or float(log[choice].detach()) <= MASKED / 2:
                    raise ValueError(f"{action} may not be done to {len(layers)} layers: no room there, or no window")
                return choice

            return check

        chosen, logs = self._deeper(layers, [taken(one) for one in (action.segment, action.place, action.window)])
        total = torch.stack([log[choice] for choice, log in zip(chosen, logs, strict=True)]).sum()
        return total, torch.stack([-(log.exp() * log).sum() for log in logs]).sum()

    def _judged_wider(self, layers: Sequence[Layer], action: Wider) -> tuple[Tensor, Tensor]:
        may = self.growth.widenable(layers)
        wanted = [place for place, flag in enumerate(action.flags) if flag]
        if len(action.flags) != len(layers) or not set(wanted) <= set(may):
            raise ValueError(f"{action} may not be done to {len(layers)} layers, of which {may} may be made wider")
        yes = self._yes(self._encoded(layers)[0], layers)
        flags = torch.tensor(action.flags, device=yes.device)
        logs = torch.where(flags, logsigmoid(yes), logsigmoid(-yes))
        entropy = -(yes.sigmoid() * logsigmoid(yes) + (-yes).sigmoid() * logsigmoid(-yes))
        return logs.sum(), entropy.sum()

    def _encoded(self, layers: Sequence[Layer]) -> tuple[Tensor, State]:
        """Return y (T, 2H) and the last states of both directions side by side, (1, 1, 2H) each."""
        outside = [layer for layer in layers if (layer.filters, layer.window, layer.pooled) not in self.words]
        if outside or not layers:
            raise ValueError(f"need layers within {self.growth}: {outside[0] if outside else 'there is none'}")
        places = [self.words[layer.filters, layer.window, layer.pooled] for layer in layers]
        y, (h, c) = self.encoder(self.embedding[places][:, None])
        return y[:, 0], (h.reshape(1, 1, -1), c.reshape(1, 1, -1))

    def _yes(self, y: Tensor, layers: Sequence[Layer]) -> Tensor:
        """Return the logit of each layer to be made wider, (T)."""
        may = torch.zeros(len(layers), dtype=torch.bool, device=y.device)
        may[self.growth.widenable(layers)] = True
        return self.wider(y)[:, 0].masked_fill(~may, MASKED)  # type: ignore[no-any-return]

    def _deeper(self, layers: Sequence[Layer], choose: Sequence[Choose]) -> tuple[list[int], list[Tensor]]:
        """Return the deeper actor's choices, and the log-probabilities (K) of each decision that they were made by."""
        state = self._encoded(layers)[1]
        chosen: list[int] = []
        logs = []
        seen = self.first
        for step, pick in enumerate(choose):
            h, state = self.decoder(seen[None], state)
            allowed = self._allowed(layers, chosen).to(h.device)
            if not allowed.any():
                raise ValueError(f"no layer may be inserted anywhere: {len(layers)} layers")
            logs.append(self.heads[step](h[0, 0]).masked_fill(~allowed, MASKED).log_softmax(-1))
            chosen.append(pick(logs[-1]))
            if step < len(self.fed):
                seen = self.fed[step][chosen[-1]][None]
        return chosen, logs

    def _allowed(self, layers: Sequence[Layer], chosen: Sequence[int]) -> Tensor:
        """Return which choices the next decision of the deeper actor has, (K)."""
        size = self.sizes[len(chosen)]
        if len(chosen) == 2:
            return torch.ones(size, dtype=torch.bool)
        segment, room = segments(layers), self.growth.room(layers)
        # A layer goes in before another: where that one stands, as (segment, place in it).
        spots = [(segment[after + 1], after + 1 - segment.index(segment[after + 1])) for after in room]
        open_ = {spot[1] for spot in spots if spot[0] == chosen[0]} if chosen else {spot[0] for spot in spots}
        return torch.tensor([choice in open_ for choice in range(size)])
