"""Search spaces of the papers, as data: each can be counted, sampled, written down, and turned into networks.

Sources: NAS-Bench-201's cell: Dong and Yang (2020), arXiv:2001.00326, section 2.1. The chain of convolutions and the
recurrent cell: Zoph and Le (2017), arXiv:1611.01578, sections 3.1, 3.3, 3.4 and 4. DARTS's cell: Liu, Simonyan and Yang
(2019), arXiv:1806.09055, sections 2.1 and 3.1. The chain of layers: Baker et al. (2017), arXiv:1611.02167, section 4.1.

A point is a tuple of whole numbers, the choices taken in a row; what a space can do is `Space`.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

from torch import nn

from dmbench.nas.parts import cell_201
from dmbench.nas.parts.chain_net import ChainNet, Layer
from dmbench.nas.parts.darts_net import NODES, DartsNet, Genotype
from dmbench.nas.parts.darts_net import OPERATIONS as DARTS_OPERATIONS
from dmbench.nas.parts.decision import Decision, Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.figures import FILTERS, SIZES, figure_5, figure_7, genotype
from dmbench.nas.parts.layer_net import END, TOKENS, LayerNet, State, Token
from dmbench.nas.parts.tree_cell import COMBINE, SQUASH, Tree, TreeCell

__all__ = [
    "Decision",
    "Point",
    "Space",
    "chain",
    "darts",
    "figure_5",
    "figure_7",
    "genotype",
    "layer_chain",
    "nas_bench_201",
    "recurrent_tree",
]

PARTS = 5  # decisions of a layer of the chain, without its anchors


def nas_bench_201() -> Space:
    """Return the cell of NAS-Bench-201: one of five operations on each of six edges; written as cell strings."""
    edges = [Decision(f"{to}<-{source}", cell_201.OPERATIONS) for to, source in cell_201.EDGES]
    return Space("NAS-Bench-201", edges, cell_201.CellNet, spell=cell_201.spell, unspell=cell_201.unspell)


def chain(
    layers: int = 15,
    sizes: Sequence[int] = SIZES,
    filters: Sequence[int] = FILTERS,
    strides: Sequence[int] = (1,),
    anchors: bool = True,
) -> Space:
    """Return Zoph and Le's chain: of each convolution its height, width, filters and strides, and what it reads.

    sizes: odd, of heights and of widths. strides: (1,) or (1, 2, 3) in the paper. anchors: whether a layer may read
    others than the one before it. With them, there is a yes or no for each pair of layers.
    Raises: ValueError: fewer than one layer, or an even size.
    """
    if layers < 1 or any(size % 2 == 0 for size in sizes):
        raise ValueError(f"need at least one layer, and odd sizes: {layers}, {tuple(sizes)}")
    parts = {"height": sizes, "width": sizes, "filters": filters, "stride_height": strides, "stride_width": strides}
    decisions = []
    for layer in range(layers):
        decisions += [Decision(f"{layer}.{name}", tuple(choices), layer=layer) for name, choices in parts.items()]
        if anchors:
            decisions += [Decision(f"{layer}<-{other}", (False, True), (other, layer), layer) for other in range(layer)]

    def network(values: Sequence[Any], **options: Any) -> nn.Module:
        return ChainNet(_layers(values, layers, anchors), **options)

    return Space(f"chain of {layers} layers", decisions, network)


def recurrent_tree(base: int = 8) -> Space:
    """Return Zoph and Le's recurrent cell, a tree over `base` leaves, a power of two.

    Raises: ValueError: another base.
    """
    if base < 1 or base & (base - 1):
        raise ValueError(f"a tree has a power of two of leaves: {base}")
    places = tuple(range(2 * base - 1))
    decisions = []
    for name in (*map(str, places), "inject"):
        decisions += [Decision(f"{name}.combine", tuple(COMBINE)), Decision(f"{name}.squash", tuple(SQUASH))]
    decisions += [Decision("reads", places), Decision("enters", places)]

    def network(values: Sequence[Any], input_size: int, hidden_size: int) -> nn.Module:
        pairs = list(zip(values[0:-2:2], values[1:-2:2], strict=True))
        return TreeCell(Tree(tuple(pairs[:-1]), pairs[-1], values[-2], values[-1]), input_size, hidden_size)

    return Space(f"recurrent tree of base {base}", decisions, network)


def darts(cells: Sequence[str] = ("normal", "reduce")) -> Space:
    """Return DARTS's cells: for each of four nodes two of the nodes before it, and an operation on either.

    cells: ("normal",) gives the space of one cell; a network needs both.
    """
    decisions = []
    for cell in cells:
        for node in range(2, 2 + NODES):
            decisions.append(Decision(f"{cell}.{node}.inputs", tuple(combinations(range(node), 2))))
            decisions += [Decision(f"{cell}.{node}.{which}", DARTS_OPERATIONS) for which in ("first", "second")]

    def network(values: Sequence[Any], **options: Any) -> nn.Module:
        return DartsNet(_genotype(values), **options)

    return Space("DARTS", decisions, network if len(cells) == 2 else None)


def layer_chain(longest: int = 12, size: int = 32) -> Space:
    """Return MetaQNN's chain of at most `longest` layers and an end, on maps of `size` by `size`.

    Raises: ValueError: there is no room for a layer.
    """
    if longest < 1 or size < 1:
        raise ValueError(f"need room for a layer, and a map: {longest}, {size}")

    @lru_cache(maxsize=10_000)
    def state(prefix: Point) -> State:
        return state(prefix[:-1]).after(TOKENS[prefix[-1]]) if prefix else State(0, None, size, 0)

    def network(values: Sequence[Token], **options: Any) -> nn.Module:
        return LayerNet(values, size=size, **options)

    return Space(
        f"chain of up to {longest} layers",
        [Decision(f"layer{index}", TOKENS) for index in range(longest + 1)],
        network,
        rule=lambda prefix, choice: state(prefix).allows(TOKENS[choice], longest),
        stop=lambda prefix: TOKENS[prefix[-1]] == END,
        state=state,
    )


def _layers(values: Sequence[Any], layers: int, anchors: bool) -> list[Layer]:
    found, place = [], 0
    for layer in range(layers):
        height, width, filters, stride_height, stride_width = values[place : place + PARTS]
        place += PARTS
        read: tuple[int, ...] = (layer - 1,) if layer else ()
        if anchors:
            read = tuple(other for other in range(layer) if values[place + other])
            place += layer
        found.append(Layer(height, width, filters, stride_height, stride_width, read))
    return found


def _genotype(values: Sequence[Any]) -> Genotype:
    cells = []
    for cell in (values[: 3 * NODES], values[3 * NODES :]):
        triples = zip(cell[::3], cell[1::3], cell[2::3], strict=True)
        cells.append(tuple(pair for (low, high), one, two in triples for pair in ((one, low), (two, high))))
    return Genotype(*cells)
