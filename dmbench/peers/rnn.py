"""The vanilla RNN by torch (oneDNN or cuDNN behind it), and with its time step compiled."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import RNN as TorchNN
from torch.nn.functional import linear

from dmbench.layers.rnn import RNN, State
from dmbench.peers._compiled import compiled


class Compiled(RNN):
    """Ours, with torch.compile of the time step; the whole loop would be compiled step by step, for minutes."""

    def run(self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, *biases: Any) -> tuple[Tensor, State]:
        """Run one direction."""
        (h,) = state
        y = []
        for x_t in linear(x, w_ih, None if None in biases else sum(biases)).unbind():
            h = _step(x_t, h, w_hh)
            y.append(h)
        return torch.stack(y), (h,)


@compiled
def _step(x_t: Tensor, h: Tensor, w_hh: Tensor) -> Tensor:
    return torch.tanh(x_t + h @ w_hh.T)


PEERS = {"torch.nn": {"rnn": TorchNN}, "torch.compile": {"rnn": Compiled}}
