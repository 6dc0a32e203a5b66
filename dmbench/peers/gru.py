"""GRU by torch (oneDNN or cuDNN behind it), and with its time step compiled."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import GRU as TorchNN
from torch.nn.functional import linear

from dmbench.layers.gru import GRU
from dmbench.layers.rnn import State
from dmbench.peers._compiled import compiled


class Compiled(GRU):
    """Ours, with torch.compile of the time step; the whole loop would be compiled step by step, for minutes."""

    def run(self, x: Tensor, state: State, w_ih: Tensor, w_hh: Tensor, *biases: Any) -> tuple[Tensor, State]:
        """Run one direction, with the reset after the product."""
        (h,) = state
        b_ih, b_hh = biases
        y = []
        for x_t in linear(x, w_ih, b_ih).unbind():
            h = _step(x_t, h, w_hh, b_hh)
            y.append(h)
        return torch.stack(y), (h,)


@compiled
def _step(x_t: Tensor, h: Tensor, w_hh: Tensor, b_hh: Tensor | None) -> Tensor:
    x_r, x_z, x_n = x_t.chunk(3, dim=-1)
    h_r, h_z, h_n = linear(h, w_hh, b_hh).chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return z * h + (1 - z) * n


PEERS = {"torch.nn": {"gru": TorchNN}, "torch.compile": {"gru": Compiled}}
