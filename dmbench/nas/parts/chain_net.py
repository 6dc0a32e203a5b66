"""The networks of Zoph and Le's chain: convolutions in a row, with connections from any layer to any later one.

Source: Zoph and Le (2017), Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578, sections 3.1 and
3.3. Inputs of a layer are put side by side in depth; a layer without any reads the picture; what no layer reads goes to
the classifier, side by side too; smaller maps are padded with zeros. After each convolution follow batch normalisation
and ReLU (section 4.1).

Differs from the paper: 1. It does not say where zeros are padded: below and to the right here. 2. Nor how the last
maps become scores: their average over the picture here, and one linear layer. With these, the 15 layers of Figure 7
have the printed 4.2 million parameters.

Shapes: N pictures, (N, C, H, W) to scores (N, K).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.layers.relu import relu


@dataclass(frozen=True)
class Layer:
    """One convolution. inputs: the earlier layers that it reads, counted from 0; none: the picture."""

    height: int
    width: int
    filters: int
    stride_height: int = 1
    stride_width: int = 1
    inputs: tuple[int, ...] = ()


class ChainNet(nn.Module):
    """The network of some layers. inputs: channels of the pictures."""

    def __init__(self, layers: Sequence[Layer], classes: int = 10, inputs: int = 3) -> None:
        super().__init__()
        self.layers = tuple(layers)
        read = {source for layer in layers for source in layer.inputs}
        self.loose = tuple(index for index in range(len(layers)) if index not in read)
        filters = [layer.filters for layer in layers]
        self.convolutions = nn.ModuleList(
            Conv2d(
                sum(filters[source] for source in layer.inputs) or inputs,
                layer.filters,
                (layer.height, layer.width),
                stride=(layer.stride_height, layer.stride_width),
                padding=(layer.height // 2, layer.width // 2),
                bias=False,
            )
            for layer in layers
        )
        self.norms = nn.ModuleList(BatchNorm2d(layer.filters) for layer in layers)
        self.classifier = Linear(sum(filters[index] for index in self.loose), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to scores."""
        maps: list[Tensor] = []
        for layer, convolution, norm in zip(self.layers, self.convolutions, self.norms, strict=True):
            seen = beside([maps[source] for source in layer.inputs]) if layer.inputs else x
            maps.append(relu(norm(convolution(seen))))
        return self.classifier(beside([maps[index] for index in self.loose]).mean((2, 3)))  # type: ignore[no-any-return]


def beside(maps: Sequence[Tensor]) -> Tensor:
    """Put maps side by side in depth, those that are smaller padded with zeros below and to the right."""
    rows, columns = (max(one.shape[axis] for one in maps) for axis in (2, 3))
    return torch.cat([pad(one, (0, columns - one.shape[3], 0, rows - one.shape[2])) for one in maps], 1)
