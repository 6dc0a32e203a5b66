"""NAS-Bench-201's network: a cell of four nodes, stacked in three stages.

Source: Dong and Yang (2020), arXiv:2001.00326, section 2.1 and Figure 1: a 3 x 3 convolution of 16 filters, five cells,
a residual block of stride 2, five cells of 32, another block, five cells of 64, and the average of each channel.

Shapes: N pictures, (N, 3, H, W) to scores (N, K), H and W multiples of four.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.layers.pooling import avg_pool2d
from dmbench.layers.relu import ReLU
from dmbench.nas.parts.operations import operation, relu_conv_bn

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
# To and from which node an edge goes, in the order of the benchmark's cell string.
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


class Cell(nn.Module):
    """Node 0 is the input; each later node is the sum of what edges make of nodes before it; the last one leaves."""

    def __init__(self, chosen: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(name, channels) for name in chosen)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        nodes = [x]
        for edge, (to, source) in zip(self.edges, EDGES, strict=True):
            arriving = edge(nodes[source])
            if len(nodes) > to:
                nodes[to] = nodes[to] + arriving
            else:
                nodes.append(arriving)
        return nodes[-1]


class Reduction(nn.Module):
    """Two 3 x 3 convolutions, the first of stride 2, beside an average over 2 x 2 and a 1 x 1 convolution."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.first, self.second = relu_conv_bn(channels, filters, 3, 2), relu_conv_bn(filters, filters, 3)
        self.shortcut = Conv2d(channels, filters, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, filters, H / 2, W / 2)."""
        return self.second(self.first(x)) + self.shortcut(avg_pool2d(x, 2))  # type: ignore[no-any-return]


class CellNet(nn.Sequential):
    """The network of a cell. cells: of a stage. channels: of the first stage, doubled twice. inputs: of pictures."""

    def __init__(
        self, chosen: Sequence[str], classes: int = 10, channels: int = 16, cells: int = 5, inputs: int = 3
    ) -> None:
        layers: list[nn.Module] = [Conv2d(inputs, channels, 3, padding=1, bias=False), BatchNorm2d(channels)]
        for stage in range(3):
            width = channels * 2**stage
            layers += [Reduction(width // 2, width)] if stage else []
            layers += [Cell(chosen, width) for _ in range(cells)]
        last = 4 * channels
        super().__init__(*layers, BatchNorm2d(last), ReLU(), Average(), Linear(last, classes))


class Average(nn.Module):
    """The average of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return x.mean((2, 3))


def spell(chosen: Sequence[str]) -> str:
    """Write a cell as the benchmark does: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|."""
    nodes = [
        "".join(f"{name}~{source}|" for name, (end, source) in zip(chosen, EDGES, strict=True) if end == to)
        for to in (1, 2, 3)
    ]
    return "+".join("|" + node for node in nodes)


def unspell(text: str) -> list[str]:
    """Return the operations of a cell string. Raises: ValueError: it is not written as `spell` does."""
    words = [word for node in text.split("+") for word in node.strip("|").split("|")]
    chosen = [word.partition("~")[0] for word in words]
    if len(chosen) != len(EDGES) or spell(chosen) != text:
        raise ValueError(f"a cell is written |op~0|+|op~0|op~1|+|op~0|op~1|op~2|: {text}")
    return chosen


def unique(chosen: Sequence[str]) -> str:
    """Return the text by which the benchmark tells cells apart: a skip is what it copies, and nothing of zeros is left.

    The paper's 6,466 is the number of these texts. Sums are sorted as text, before a skip copies them into another
    sum, and a zero stays as a term: cells that compute the same in yet another order count as different.
    """
    nodes = ["0"]
    for to in (1, 2, 3):
        arriving = []
        for name, (end, source) in zip(chosen, EDGES, strict=True):
            if end != to:
                continue
            if name == "none" or nodes[source] == "#":
                arriving.append("#")
            else:
                arriving.append(nodes[source] if name == "skip_connect" else f"({nodes[source]})@{name}")
        nodes.append("+".join(sorted(arriving)))
    return nodes[-1]
