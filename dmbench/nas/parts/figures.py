"""Points of the spaces that papers draw or print.

Sources: Zoph and Le (2017), arXiv:1611.01578, Figures 5 and 7; DARTS's genotypes as its authors print them.
"""

from collections.abc import Sequence
from itertools import combinations

from dmbench.nas.parts.darts_net import OPERATIONS
from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.tree_cell import COMBINE, SQUASH

SIZES, FILTERS = (1, 3, 5, 7), (24, 36, 48, 64)  # of the chain's convolutions
ADD, MULTIPLY = (list(COMBINE).index(name) for name in ("add", "elem_mult"))
TANH, SIGMOID, RELU = (list(SQUASH).index(name) for name in ("tanh", "sigmoid", "relu"))


def figure_5() -> Point:
    """Return the cell that Zoph and Le build as an example, in `recurrent_tree(2)`.

    a0 = tanh(W1 x + W2 h), a1 = relu(W3 x * W4 h); a0 becomes relu(a0 + c); h = sigmoid(a0 * a1), and the new c is
    W3 x * W4 h.
    """
    return (ADD, TANH, MULTIPLY, RELU, MULTIPLY, SIGMOID, ADD, RELU, 1, 0)


# Of each layer of Figure 7 its height, width and filters, and the layers that it reads, counted from 1 as there.
FIGURE_7 = (
    (3, 3, 36, ()),
    (3, 3, 48, (1,)),
    (3, 3, 36, (1, 2)),
    (5, 5, 36, (1, 2, 3)),
    (3, 7, 48, (3, 4)),
    (7, 7, 48, (2, 3, 4, 5)),
    (7, 7, 48, (2, 3, 4, 5, 6)),
    (7, 3, 36, (1, 6, 7)),
    (7, 1, 36, (1, 5, 6, 8)),
    (7, 7, 36, (1, 3, 4, 5, 6, 7, 8, 9)),
    (5, 7, 36, (1, 2, 5, 6, 7, 8, 9, 10)),
    (7, 7, 48, (1, 2, 3, 4, 6, 11)),
    (7, 5, 48, (1, 3, 6, 7, 8, 9, 10, 11, 12)),
    (7, 5, 48, (3, 7, 12, 13)),
    (7, 5, 48, (6, 7, 11, 12, 13, 14)),
)


def figure_7() -> Point:
    """Return the network that Zoph and Le's controller generated, their Figure 7, in `chain()`."""
    point: list[int] = []
    for layer, (height, width, filters, reads) in enumerate(FIGURE_7):
        point += [SIZES.index(height), SIZES.index(width), FILTERS.index(filters), 0, 0]
        point += [int(other + 1 in reads) for other in range(layer)]
    return tuple(point)


def genotype(normal: Sequence[tuple[str, int]], reduce: Sequence[tuple[str, int]]) -> Point:
    """Return the point of `darts()` of two cells written as DARTS's genotypes, eight pairs of operation and node each.

    Raises: ValueError: a node reads twice from the same one, or what is no operation or node.
    """
    point: list[int] = []
    for cell in (normal, reduce):
        for node, pair in enumerate(zip(cell[::2], cell[1::2], strict=True), 2):
            (first, low), (second, high) = sorted(pair, key=lambda one: one[1])
            point.append(list(combinations(range(node), 2)).index((low, high)))
            point += [OPERATIONS.index(first), OPERATIONS.index(second)]
    return tuple(point)
