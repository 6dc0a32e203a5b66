"""Stacked LSTM layers with connections past them: the baseline of Neural Turing Machines.

Source: Graves (2013), arXiv:1308.0850, section 2.1, Figure 1, the wiring: the input feeds each layer, and all layers
feed the output. That arXiv:1410.5401 used it follows from its parameter counts (Table 3).

Shapes: T time steps, B batch, I inputs, O outputs, H units of a layer.
"""

import torch
from torch import Tensor, nn

from dmbench.layers.lstm import LSTM

State = tuple[tuple[Tensor, Tensor], ...]


class DeepLSTM(nn.Module):
    """LSTM layers, the second and later of which see [x_t, h_t of the layer below]; y_t is affine in all h_t.

    The first h and c of each layer are learned.

    Args:
        inputs, outputs, hidden, layers: I, O, H and how many; 3 x 256 in Table 3, copy.

    Raises: ValueError: a size below 1.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        if min(inputs, outputs, hidden, layers) < 1:
            sizes = f"{inputs}, {outputs}, {hidden}, {layers}"
            raise ValueError(f"need inputs, outputs, hidden and layers of at least 1: {sizes}")
        self.layers = nn.ModuleList(LSTM(inputs + hidden * (index > 0), hidden) for index in range(layers))
        self.start = nn.Parameter(torch.zeros(layers, 2, 1, hidden))
        self.output = nn.Linear(layers * hidden, outputs)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Map x (T, B, I) to y (T, B, O), not squashed, and the states (1, B, H) of all layers after the last step.

        state: as it was returned, to go on; None: the learned one, anew for each sequence.
        """
        if state is None:
            state = tuple((h, c) for h, c in self.start.unsqueeze(3).expand(-1, -1, -1, x.shape[1], -1).contiguous())
        outputs: list[Tensor] = []
        after: list[tuple[Tensor, Tensor]] = []
        for layer, before in zip(self.layers, state, strict=True):
            y, last = layer(torch.cat([x, *outputs[-1:]], -1), before)
            outputs.append(y)
            after.append(last)
        scores: Tensor = self.output(torch.cat(outputs, -1))
        return scores, tuple(after)


def count(net: nn.Module) -> int:
    """Return the number of parameters; the two bias vectors of an LSTM layer, only ever added, count as one."""
    return sum(parameter.numel() for name, parameter in net.named_parameters() if not name.endswith("bias_hh_l0"))
