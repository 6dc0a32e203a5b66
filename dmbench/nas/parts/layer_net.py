"""The chains of layers that MetaQNN searches: what may follow what, and the network of a chain.

Source: Baker, Gupta, Naik and Raskar (2017), Designing Neural Network Architectures using Reinforcement Learning,
arXiv:1611.02167, section 4.1: convolutions of stride 1, pools and at most two dense layers, up to a termination. No
pool follows a pool, nothing but dense layers follows a dense one, with no more units than it; a dense layer may only
follow where the map is small.

Differs from the paper: 1. What it adds to each network (dropout after every second layer, batch normalisation in some)
belongs to training and is left out. 2. The map's size itself is the state, not the bin that it falls in.

Shapes: N pictures, (N, C, S, S) to scores (N, K).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.layers.pooling import max_pool2d
from dmbench.layers.relu import ReLU
from dmbench.nas.parts.cell_201 import Average

SMALL = 8  # the largest map that a dense layer may follow
DENSE = 2  # dense layers, at most


@dataclass(frozen=True)
class Token:
    """One layer: "conv" with filters and a window, "pool" with a window and a stride, "dense" with units, or "end"."""

    kind: str
    width: int = 0
    window: int = 1
    stride: int = 1

    def __str__(self) -> str:
        numbers = {
            "conv": (self.width, self.window, 1),
            "pool": (self.window, self.stride),
            "dense": (self.width,),
        }.get(self.kind, ())
        return f"{self.kind}({','.join(map(str, numbers))})"


END = Token("end")
TOKENS = (
    *(Token("conv", filters, window) for filters in (64, 128, 256, 512) for window in (1, 3, 5)),
    *(Token("pool", window=window, stride=stride) for window, stride in ((5, 3), (3, 2), (2, 2))),
    *(Token("dense", units) for units in (512, 256, 128)),
    END,
)


@dataclass(frozen=True)
class State:
    """What of a chain decides what may follow: how many layers it has, the last one, the map's size, the dense ones."""

    layers: int
    last: Token | None
    size: int
    dense: int

    def after(self, token: Token) -> "State":
        """Return the state after one more layer."""
        size = (self.size - token.window) // token.stride + 1 if token.kind == "pool" else self.size
        return State(self.layers + 1, token, size, self.dense + (token.kind == "dense"))

    def allows(self, token: Token, longest: int) -> bool:
        """Return whether a layer may follow, in a chain of at most `longest` layers before its end."""
        if token.kind == "end" or self.layers == longest:
            return token.kind == "end" and self.layers > 0
        if token.kind == "dense":
            narrower = self.last is None or self.last.kind != "dense" or token.width <= self.last.width
            return self.size <= SMALL and self.dense < DENSE and narrower
        after_pool = self.last is not None and self.last.kind == "pool"
        return not self.dense and token.window <= self.size and not (token.kind == "pool" and after_pool)


class Pooling(nn.Module):
    """The maximum of each window."""

    def __init__(self, window: int, stride: int) -> None:
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return max_pool2d(x, self.window, self.stride)


class LayerNet(nn.Sequential):
    """The network of a chain that ends with `END`; without a dense layer, scores are of the average of each channel."""

    def __init__(self, tokens: Sequence[Token], classes: int = 10, inputs: int = 3, size: int = 32) -> None:
        state, width = State(0, None, size, 0), inputs
        layers: list[nn.Module] = []
        for token in tokens[:-1]:
            if token.kind == "conv":
                layers += [Conv2d(width, token.width, token.window, padding=token.window // 2), ReLU()]
            elif token.kind == "pool":
                layers.append(Pooling(token.window, token.stride))
            else:
                flat = [] if state.dense else [nn.Flatten()]
                layers += [*flat, Linear(width if state.dense else width * state.size**2, token.width), ReLU()]
            state, width = state.after(token), token.width or width
        layers += [] if state.dense else [Average()]
        super().__init__(*layers, Linear(width, classes))
