"""LSTM by torch (oneDNN or cuDNN behind it), and with its time step compiled."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import LSTM as TorchNN
from torch.nn.functional import linear

from dmbench.layers.lstm import LSTM
from dmbench.layers.rnn import State
from dmbench.peers._compiled import compiled


class Compiled(LSTM):
    """Ours, with torch.compile of the time step; the whole loop would be compiled step by step, for minutes."""

    def run(self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, *biases: Any) -> tuple[Tensor, State]:
        """Run one direction."""
        h, c = state
        y = []
        for x_t in linear(x, w_ih, None if None in biases else sum(biases)).unbind():
            h, c = _step(x_t, h, c, w_hh)
            y.append(h)
        return torch.stack(y), (h, c)


@compiled
def _step(x_t: Tensor, h: Tensor, c: Tensor, w_hh: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = (x_t + h @ w_hh.T).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


PEERS = {"torch.nn": {"lstm": TorchNN}, "torch.compile": {"lstm": Compiled}}
