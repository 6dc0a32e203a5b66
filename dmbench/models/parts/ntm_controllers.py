"""Controllers of a neural Turing machine: what sees the input and what was read, and speaks to the heads.

Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines, arXiv:1410.5401, section 3.4.

Shapes: T time steps, B batch, I inputs, C units, R read heads, M width of a location.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from dmbench.layers.lstm import LSTM

Carried = tuple[Tensor, ...]


class Feedforward(nn.Module):
    """One layer: h = tanh(V [x, reads] + b); without a state."""

    def __init__(self, inputs: int, reads: int, hidden: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.layer = nn.Linear(inputs + reads, hidden)

    def first(self, batch: int) -> Carried:
        """Return the state before the first time step: none."""
        return ()

    def prepare(self, x: Tensor) -> Tensor:
        """Return what all time steps (T, B, I) need and none of them has to wait for."""
        return linear(x, self.layer.weight[:, : self.inputs], self.layer.bias)

    def forward(self, x_t: Tensor, reads: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """Return h (B, C) and the state, of what was prepared and read (B, R M)."""
        return torch.tanh(torch.addmm(x_t, reads, self.layer.weight[:, self.inputs :].T)), ()


class Recurrent(nn.Module):
    """Stacked LSTM layers, the first of which sees [x, reads]; h of the last is the output. Their start is learned."""

    def __init__(self, inputs: int, reads: int, hidden: int, layers: int = 1) -> None:
        super().__init__()
        sizes = [inputs + reads, *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList(LSTM(size, hidden, fused=False) for size in sizes)
        self.start = nn.Parameter(torch.zeros(2 * layers, 1, hidden))

    def first(self, batch: int) -> Carried:
        """Return h and c of all layers before the first time step, (1, B, C) each."""
        return tuple(self.start.unsqueeze(2).expand(-1, -1, batch, -1).unbind())

    def prepare(self, x: Tensor) -> Tensor:
        """Return x itself."""
        return x

    def forward(self, x_t: Tensor, reads: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """Return h (B, C) of the last layer and the states of all."""
        h = torch.cat([x_t, reads], -1)[None]
        after: list[Tensor] = []
        for layer, pair in zip(self.layers, zip(state[::2], state[1::2], strict=True), strict=True):
            h, last = layer(h, pair)
            after += last
        return h[0], tuple(after)
