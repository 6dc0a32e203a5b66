"""The relation module: a function of all pairs of objects, summed, and a function of the sum.

Source: Santoro et al. (2017), A simple neural network module for relational reasoning, arXiv:1706.01427, Eq. 1 with the
question of section 4: a = f(sum over i, j of g(o_i, o_j, q)), pairs (i, i) and both orders among them.

Symbols: N questions, K objects, D values of an object, Q of a question, H units of g. The first layer of g is linear in
its three inputs, W [o_i; o_j; q] = W_i o_i + W_j o_j + W_q q, so that the N x K^2 x (2 D + Q) tensor of pairs is never
made: K + K + 1 products, and a sum for each pair.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dmbench.layers.dropout import Dropout
from dmbench.layers.linear import Linear


class RelationNetwork(nn.Module):
    """f(sum of g(o_i, o_j, q)) for objects that are given.

    Args:
        object_size, question_size: D and Q; a question_size of 0 is no question.
        g: units of g's layers, each with ReLU; at least one. f: units of f's hidden layers. outputs: of f, logits.
        dropout: probability of dropping units of f's last hidden layer, in [0, 1); the paper's 0.5 for CLEVR.
        rows: objects i whose pairs are computed together; the others' are recomputed for gradients, so that memory
            falls with rows / K and a forward pass more is paid. None: all together, as long as memory lasts.

    Raises:
        ValueError: a size or rows below 1, no layer in g.
    """

    def __init__(
        self,
        object_size: int,
        question_size: int,
        *,
        g: Sequence[int] = (256,) * 4,
        f: Sequence[int] = (256, 256),
        outputs: int,
        dropout: float = 0.0,
        rows: int | None = None,
    ) -> None:
        super().__init__()
        if object_size < 1 or question_size < 0 or not g or (rows is not None and rows < 1):
            raise ValueError(
                f"need an object_size of at least 1, a question_size of at least 0, a layer in g, rows of at least 1: "
                f"{object_size}, {question_size}, {tuple(g)}, {rows}"
            )
        self.sizes, self.rows = (object_size, object_size, question_size), rows
        self.g = nn.ModuleList(layers((sum(self.sizes), *g)))
        self.f = perceptron((g[-1], *f, outputs), dropout)

    def forward(self, objects: Tensor, question: Tensor | None = None, present: Tensor | None = None) -> Tensor:
        """Answer a question about each set of objects: logits (N, outputs).

        Args:
            objects: (N, K, D), K at least 1.
            question: (N, Q); None where Q is 0.
            present: (N, K), bool, which objects there are; at least one in each set. None: all.

        Raises:
            ValueError: a shape does not fit, or a set has no objects.
        """
        if question is None:
            question = objects.new_zeros(len(objects), 0)
        self._check(objects, question, present)
        logits: Tensor = self.f(self.relations(objects, question, present))
        return logits

    def relations(self, objects: Tensor, question: Tensor, present: Tensor | None = None) -> Tensor:
        """Sum g over pairs: (N, H)."""
        first: Any = self.g[0]
        w_i, w_j, w_q = first.weight.split(self.sizes, 1)
        left = objects @ w_i.T + torch.addmm(first.bias, question, w_q.T)[:, None]
        right = objects @ w_j.T
        if present is not None and not bool(present.all()):
            return self._of_present(left, right, present)
        if self.rows is None or self.rows >= left.shape[1]:
            return self._of_rows(left, right)
        parts = [checkpoint(self._of_rows, some, right, use_reentrant=False) for some in left.split(self.rows, 1)]
        return torch.stack(parts).sum(0)

    def _of_rows(self, left: Tensor, right: Tensor) -> Tensor:
        return self._rest(left[:, :, None] + right[:, None]).sum((1, 2))

    def _of_present(self, left: Tensor, right: Tensor, present: Tensor) -> Tensor:
        """Compute the pairs that there are, and no others."""
        n, i, j = (present[:, :, None] & present[:, None]).nonzero(as_tuple=True)
        each = self._rest(left[n, i].add_(right[n, j]))
        return each.new_zeros(len(left), each.shape[1]).index_add(0, n, each)

    def _rest(self, x: Tensor) -> Tensor:
        """Apply what follows g's first product to (..., H), which is overwritten."""
        shape = x.shape[:-1]
        x.relu_()
        for layer in self.g[1:]:
            x = torch.addmm(layer.bias, x.flatten(0, -2), layer.weight.T)  # type: ignore[arg-type]
            # In place but for the last: the gradient of the sum after it is one row for all pairs, until ReLU's.
            x = torch.relu(x.view(*shape, -1)) if layer is self.g[-1] else x.relu_()
        return x

    def _check(self, objects: Tensor, question: Tensor, present: Tensor | None) -> None:
        size, _, asked = self.sizes
        if objects.ndim != 3 or objects.shape[2] != size or question.shape != (len(objects), asked):
            raise ValueError(
                f"need objects (N, K, {size}) and a question (N, {asked}): {tuple(objects.shape)}, "
                f"{tuple(question.shape)}"
            )
        if present is not None and (present.shape != objects.shape[:2] or present.dtype != torch.bool):
            raise ValueError(
                f"need present {tuple(objects.shape[:2])}, bool: {tuple(present.shape)}, "
                f"{str(present.dtype).removeprefix('torch.')}"
            )
        none = objects.shape[1] == 0 or (present is not None and not bool(present.any(1).all()))
        if len(objects) and none:
            where = 0 if present is None or objects.shape[1] == 0 else int((~present.any(1)).nonzero()[0, 0])
            raise ValueError(f"need at least one object in each set: set {where} has none")


def layers(sizes: Sequence[int]) -> list[nn.Module]:
    """Build a linear layer between each two sizes."""
    return [Linear(before, after) for before, after in pairwise(sizes)]


def perceptron(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Build linear layers with ReLU between them; the last one is linear, its inputs are dropped at random."""
    *hidden, last = layers(sizes)
    parts = [part for layer in hidden for part in (layer, nn.ReLU())]
    return nn.Sequential(*parts, *([Dropout(dropout)] if dropout else []), last)


def pairs(objects: int) -> int:
    """Return how many pairs g sees of so many objects: each with each, itself included."""
    return objects * objects
