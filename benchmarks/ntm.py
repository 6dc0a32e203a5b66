"""The neural Turing machine at the paper's sizes: all heads fused, and by the equations one after another.

Sizes: Graves, Wayne and Danihelka (2014), arXiv:1410.5401, Table 1: copy, one read and one write head, 100 units,
memory 128 x 20, 41 time steps of 20 vectors; associative recall, four heads of each kind, 256 units, 32 time steps of 6
items. 16 sequences: 656 and 512 time steps over the seconds that are tracked are time steps a second.
"""

from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from dmbench.models.ntm import NTM, Memory

from ._common import PASSES, _Measured, device_or_skip

# Time steps, inputs, outputs, units, heads of each kind.
SIZES = {"copy, 41 steps": (41, 9, 8, 100, 1), "recall, 32 steps": (32, 8, 6, 256, 4)}
BATCH = 16
MACHINES = {"dmbench": NTM, "dmbench, loop": partial(NTM, fused=False)}


class _Scores(nn.Module):
    """A machine, without the state after."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[0]


class Machine(_Measured):
    """Sequences from the learned state, and the gradients of all parameters."""

    own = ("dmbench, loop",)
    params = (list(SIZES), ["feedforward", "lstm"], list(PASSES), list(MACHINES), ["cpu", "cuda"])
    param_names = ("size", "controller", "pass", "implementation", "device")
    headline = tuple(product(SIZES, ["feedforward"], PASSES))

    def setup(self, size, controller, passes, implementation, device):
        self.device = device_or_skip(device)
        steps, inputs, outputs, hidden, heads = SIZES[size]
        memory = Memory(read_heads=heads, write_heads=heads)
        net = MACHINES[implementation](inputs, outputs, hidden, controller, 1, memory).to(self.device)
        self.run = PASSES[passes](_Scores(net), torch.rand(steps, BATCH, inputs, device=self.device))
