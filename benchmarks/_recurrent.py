"""What the recurrent suites share: sizes, passes, and a network that returns the outputs alone."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ._common import PASSES, _Measured, device_or_skip

# (T, B, I, H): a character model as wide as Karpathy et al. 2015 (arXiv:1506.02078) train, and a layer of the medium
# word model of Zaremba et al. 2014 (arXiv:1409.2329): 35 time steps, batch 20, 650 units.
SIZES = {"100x32, 256->256": (100, 32, 256, 256), "35x20, 650->650": (35, 20, 650, 650)}


class _Outputs(nn.Module):
    """A recurrent layer from the zero state, without the state after."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class _Sequence(_Measured):
    """One layer over a whole sequence; a suite names its implementations, each called with (I, H)."""

    layers: dict[str, Callable[[int, int], nn.Module]]

    param_names = ("T x B, I->H", "pass", "implementation", "device")

    def setup(self, size, passes, implementation, device):
        self.device = device_or_skip(device)
        steps, batch, inputs, hidden = SIZES[size]
        layer = self.layers[implementation](inputs, hidden).to(self.device)
        x = torch.randn(steps, batch, inputs, device=self.device, requires_grad=passes != "forward")
        self.run = PASSES[passes](_Outputs(layer), x)
