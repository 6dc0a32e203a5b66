"""How large the papers' spaces are, the networks of points that papers print, and look-ups in NAS-Bench-201's table."""

import math
from typing import Any

from dmbench.datasets.nas_bench_201 import CELLS
from dmbench.experiments._nas import ARTIFACTS, DATA, read_bench
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.parts.cell_201 import unique
from dmbench.nas.space import (
    Decision,
    Space,
    chain,
    darts,
    figure_7,
    genotype,
    nas_bench_201,
    recurrent_tree,
)

# The cells that DARTS's second-order search found, as its authors print them.
DARTS_V2 = {
    "normal": (
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ),
    "reduce": (
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ),
}
SKIP = 1  # skip_connect, on every edge: the cell that first-order DARTS collapses to


def check_space(cell: Any) -> None:
    """Raise ContractError unless it is a space of six choices of five."""
    points = {tuple(point) for point in cell().points()}
    if len(points) != CELLS or (SKIP,) * 6 not in points:
        raise ContractError(f"has {len(points)} points, not {CELLS} of six numbers from 0 to 4")


CELL = Subject(
    name="cell",
    default=nas_bench_201,
    contract="cell() is NAS-Bench-201's space: points() runs through tuples of six numbers from 0 to 4, build(point) "
    "is a network for CIFAR-10, values(point) the names of the operations",
    check=check_space,
)


@experiment("cells", "unique_cells", tier="quick", subjects=(CELL,))
def nas_bench(ctx: Context) -> dict[str, float]:
    """Count the cells of NAS-Bench-201, and those that differ by its own rule."""
    space = ctx.subject("cell")()
    points = list(space.points())
    return {"cells": len(points), "unique_cells": len({unique(space.values(point)) for point in points})}


@experiment("tree_cells", "darts_cells", "darts_pairs", "enas_networks", tier="quick")
def sizes(ctx: Context) -> dict[str, float]:
    """Count the recurrent cells of base 8, DARTS's cells, and the networks of ENAS's macro search."""
    return {
        "tree_cells": recurrent_tree(8).count() / 1e16,
        "darts_cells": math.log10(darts(("normal",)).count()),
        "darts_pairs": math.log10(darts().count()),
        "enas_networks": enas_macro().count() / 1e29,
    }


@experiment("least_parameters", "most_parameters", tier="quick", subjects=(CELL,))
def cell_networks(ctx: Context) -> dict[str, float]:
    """Build NAS-Bench-201's network of no operation at all, and of 3 x 3 convolutions only."""
    space = ctx.subject("cell")()
    return {
        "least_parameters": parameters(space.build((0,) * 6)),
        "most_parameters": parameters(space.build((3,) * 6)),
    }


@experiment("figure_7_parameters", "darts_parameters", tier="quick")
def printed_networks(ctx: Context) -> dict[str, float]:
    """Build the network of Zoph and Le's Figure 7, and the one of DARTS's second-order cells."""
    return {
        "figure_7_parameters": parameters(chain().build(figure_7())),
        "darts_parameters": parameters(darts().build(genotype(**DARTS_V2))),
    }


@experiment("optimum_{data}", "darts_v1_{data}", tier="quick", artifacts=ARTIFACTS, over={"data": DATA})
def look_ups(ctx: Context, data: str) -> dict[str, float]:
    """Look up the best cell of all, and the one that first-order DARTS ends with, skips only."""
    test = read_bench(ctx).test(data)
    return {f"optimum_{data}": test.best.percent, f"darts_v1_{data}": test.of((SKIP,) * 6).percent}


def enas_macro(layers: int = 12, operations: int = 6) -> Space:
    """Return ENAS's macro space: an operation for each layer, and for each pair of layers whether one reads another."""
    decisions = []
    for layer in range(layers):
        decisions.append(Decision(f"{layer}", tuple(range(operations)), layer=layer))
        decisions += [Decision(f"{layer}<-{other}", (False, True), (other, layer), layer) for other in range(layer)]
    return Space("ENAS macro", decisions)


def parameters(net: Any) -> float:
    """Return how many parameters a network has, in millions."""
    return float(sum(parameter.numel() for parameter in net.parameters()) / 1e6)
