"""The network of a pair of DARTS cells, as it is trained once the search is over.

Source: Liu, Simonyan and Yang (2019), DARTS: Differentiable Architecture Search, arXiv:1806.09055, sections 2.1, 3.1.
A cell reads the two cells before it; each of four nodes is the sum of two operations on nodes before it; the nodes are
put side by side. At a third and at two thirds of the depth stand reduction cells, whose operations on the two inputs
have stride 2, and which have twice the filters.

Differs from the paper: 1. No auxiliary head and no drop path, which belong to training.

Shapes: N pictures, (N, C, H, W) to scores (N, K), H and W multiples of four.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.nas.parts.operations import FactorizedReduce, operation, relu_conv_bn

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES = 4


@dataclass(frozen=True)
class Genotype:
    """Two cells: of each, for each node two pairs of an operation and the node before that it is applied to.

    Nodes 0 and 1 are the outputs of the cell before the last, and of the last one.
    """

    normal: tuple[tuple[str, int], ...]
    reduce: tuple[tuple[str, int], ...]


class Cell(nn.Module):
    """One cell. filters: of each node. reduction: whether it is one. after_reduction: whether the one before was."""

    def __init__(
        self,
        pairs: Sequence[tuple[str, int]],
        before_last: int,
        last: int,
        filters: int,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        self.before_last = (
            FactorizedReduce(before_last, filters) if after_reduction else relu_conv_bn(before_last, filters, 1)
        )
        self.last = relu_conv_bn(last, filters, 1)
        self.sources = tuple(source for _, source in pairs)
        self.edges = nn.ModuleList(
            operation(name, filters, 2 if reduction and source < 2 else 1) for name, source in pairs
        )

    def forward(self, before_last: Tensor, last: Tensor) -> Tensor:
        """Return the nodes, side by side."""
        nodes = [self.before_last(before_last), self.last(last)]
        arriving = [(edge, source) for edge, source in zip(self.edges, self.sources, strict=True)]
        for first, second in zip(arriving[::2], arriving[1::2], strict=True):
            nodes.append(first[0](nodes[first[1]]) + second[0](nodes[second[1]]))
        return torch.cat(nodes[2:], 1)


class DartsNet(nn.Module):
    """The network of a genotype. filters: of the first cells. cells: how many. inputs: channels of the pictures."""

    def __init__(
        self, genotype: Genotype, classes: int = 10, filters: int = 36, cells: int = 20, inputs: int = 3
    ) -> None:
        super().__init__()
        last = 3 * filters
        self.stem = nn.Sequential(Conv2d(inputs, last, 3, padding=1, bias=False), BatchNorm2d(last))
        self.cells = nn.ModuleList()
        before_last, after_reduction = last, False
        for index in range(cells):
            reduction = index in (cells // 3, 2 * cells // 3)
            filters *= 2 if reduction else 1
            pairs = genotype.reduce if reduction else genotype.normal
            self.cells.append(Cell(pairs, before_last, last, filters, reduction, after_reduction))
            before_last, last, after_reduction = last, NODES * filters, reduction
        self.classifier = Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to scores."""
        before_last = last = self.stem(x)
        for cell in self.cells:
            before_last, last = last, cell(before_last, last)
        return self.classifier(last.mean((2, 3)))  # type: ignore[no-any-return]
