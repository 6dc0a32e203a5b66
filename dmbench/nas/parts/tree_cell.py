"""Zoph and Le's recurrent cell: a binary tree over the input and the hidden state, and a memory that enters it once.

Source: Zoph and Le (2017), arXiv:1611.01578, section 3.4 and Figure 5. Each node combines two values, by addition or
element by element product, and squashes the result. A leaf combines W x_t and V h_tm1, with weights of its own; a node
above, what its two children give. The memory c_tm1 is combined with the value of one node (cell inject), which goes on
with the result; c_t is what another node has before it squashes; h_t is the value of the root.

Nodes are counted as in the paper: the leaves first, then level by level, the root last.
Shapes: T time steps, B batch, I input size, H hidden size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmbench.layers.linear import Linear
from dmbench.layers.relu import relu
from dmbench.layers.sigmoid import sigmoid, tanh

COMBINE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"add": torch.add, "elem_mult": torch.mul}
SQUASH: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
}


@dataclass(frozen=True)
class Tree:
    """A cell. nodes: how each combines and squashes. inject: how the memory enters, into the value of node `enters`.

    reads: the node that c_t is read from.
    """

    nodes: tuple[tuple[str, str], ...]
    inject: tuple[str, str]
    reads: int
    enters: int


class TreeCell(nn.Module):
    """A layer of the cell; only the leaves have weights, without biases.

    Raises: ValueError: the nodes are not 2 b - 1, of b leaves that are a power of two.
    """

    def __init__(self, tree: Tree, input_size: int, hidden_size: int) -> None:
        super().__init__()
        leaves = (len(tree.nodes) + 1) // 2
        if len(tree.nodes) % 2 == 0 or leaves & (leaves - 1):
            raise ValueError(f"a tree has 2 b - 1 nodes, b a power of two: {len(tree.nodes)}")
        self.tree, self.hidden_size = tree, hidden_size
        self.from_x = nn.ModuleList(Linear(input_size, hidden_size, bias=False) for _ in range(leaves))
        self.from_h = nn.ModuleList(Linear(hidden_size, hidden_size, bias=False) for _ in range(leaves))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over x (T, B, I) from (h, c), each (B, H), zeros if None; return h of each step (T, B, H), and (h, c)."""
        h, c = state or (x.new_zeros(x.shape[1], self.hidden_size),) * 2
        out = []
        for x_t in x.unbind():
            h, c = self.step(x_t, h, c)
            out.append(h)
        return torch.stack(out), (h, c)

    def step(self, x_t: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Return h and c after one step: x_t (B, I), h and c (B, H)."""
        pairs = [(wx(x_t), wh(h)) for wx, wh in zip(self.from_x, self.from_h, strict=True)]
        values: list[Tensor] = []
        before: list[Tensor] = []
        for index, (combine, squash) in enumerate(self.tree.nodes):
            before.append(COMBINE[combine](*pairs[index]))
            value = SQUASH[squash](before[-1])
            if index == self.tree.enters:
                value = SQUASH[self.tree.inject[1]](COMBINE[self.tree.inject[0]](value, c))
            values.append(value)
            if index % 2:
                pairs.append((values[-2], values[-1]))
        return values[-1], before[self.tree.reads]
