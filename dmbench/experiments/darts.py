"""DARTS: its relaxation at both ends, its gradients against the bilevel loss itself, and a small search."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dmbench.datasets.nas_bench_201 import DATA, read_nas_bench_201
from dmbench.experiments._darts_search import Recipe, of_skips, searched
from dmbench.experiments._darts_subjects import CELL, GRADIENT, RATE, Problem
from dmbench.harness.experiment import Context, experiment
from dmbench.nas.darts import architecture_gradient, strongest
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS

STEP = 1e-5  # of central differences
CHANNELS = 4


@experiment("weights_of_an_edge", tier="quick")
def weights_of_an_edge(ctx: Context) -> dict[str, float]:
    """Sum the weights of the operations on each edge."""
    alpha = 3 * torch.randn(len(EDGES), len(OPERATIONS), dtype=torch.float64).to(ctx.device)
    sums = alpha.softmax(-1).sum(-1)
    return {"weights_of_an_edge": float(sums[(sums - 1).abs().argmax()])}


@experiment("mixture_at_zero", "mixture_at_the_end", tier="quick", subjects=(CELL,))
def mixtures(ctx: Context) -> dict[str, float]:
    """Compare a mixed cell with the mean of its operations, and with the cell that its strongest ones make."""
    cell = ctx.subject("cell")(CHANNELS).to(ctx.device, torch.float64)
    x = torch.randn(3, CHANNELS, 8, 8, dtype=torch.float64).to(ctx.device)
    shape = len(EDGES), len(OPERATIONS)
    even = torch.zeros(shape, dtype=torch.float64, device=ctx.device).softmax(-1)
    mean = by_edges(x, lambda edge, y: torch.stack([one(y) for one in cell.on(edge)]).mean(0))
    found = {"mixture_at_zero": far(cell(x, even), mean), "mixture_at_the_end": 0.0}
    for drawn in torch.randint(len(OPERATIONS), (20, len(EDGES))).tolist():
        alpha = torch.zeros(shape, dtype=torch.float64, device=ctx.device)
        alpha[range(len(EDGES)), drawn] = 100
        chosen = by_edges(x, partial(one_operation, cell, drawn))
        found["mixture_at_the_end"] = max(found["mixture_at_the_end"], far(cell(x, alpha.softmax(-1)), chosen))
    return found


@experiment("second_order", "second_order_difference", "first_order", tier="quick", subjects=(GRADIENT,))
def gradients(ctx: Context) -> dict[str, float]:
    """Compare the gradients of alpha with differences of the bilevel loss, with each other, and with autograd's."""
    problem = Problem(ctx.device)
    gradient = ctx.subject("architecture_gradient")
    given = problem.train, problem.validation, [problem.w], problem.alpha
    exact = architecture_gradient(*given, RATE, exact=True)
    numeric = torch.zeros_like(exact)
    for place in range(numeric.numel()):
        step = torch.zeros_like(exact)
        step.view(-1)[place] = STEP
        sides = [problem.bilevel(problem.alpha.detach() + sign * step) for sign in (1, -1)]
        numeric.view(-1)[place] = (sides[0] - sides[1]) / (2 * STEP)
    (plain,) = torch.autograd.grad(problem.validation(), problem.alpha)
    return {
        "second_order": far(exact, numeric),
        "second_order_difference": far(gradient(*given, RATE), numeric),
        "first_order": far(gradient(*given, 0.0), plain),
    }


RECIPES = {"first": Recipe(), "second": Recipe(second=True), "shallow": Recipe(cells=1)}
SEARCHED = ("skips", "skip_weight", "accuracy", *DATA)  # what a search came to, and reaches on NAS-Bench-201


@experiment(
    *(f"{{name}}_{key}" for key in SEARCHED),
    tier="slow",
    artifacts=("fashion_mnist", "nas_bench_201"),
    subjects=(GRADIENT, CELL),
    seeds=5,
    over={"name": ("first", "shallow")},
)
def first_order(ctx: Context, name: str) -> dict[str, float]:
    """Search in first order on Fashion-MNIST, with 15 cells or with 3, and look up what the cell found reaches.

    Differs from the paper: 1. NAS-Bench-201's cells, 4 channels for its 16. 2. Fashion-MNIST at 8 x 8 for CIFAR-10, not
    augmented. 3. 200 updates of alpha for 19,550, its rate higher by as much.
    """
    return search(ctx, name)


@experiment(
    *(f"second_{key}" for key in SEARCHED),
    tier="slow",
    artifacts=("fashion_mnist", "nas_bench_201"),
    subjects=(GRADIENT, CELL),
    seeds=3,
)
def second_order(ctx: Context) -> dict[str, float]:
    """Search in second order, with 15 cells.

    Differs from the paper: as `first_order`; the step that is looked ahead has no momentum, decay or clipping.
    """
    return search(ctx, "second")


def search(ctx: Context, name: str) -> dict[str, float]:
    """Search with the parts given; return the values of `SEARCHED`."""
    found = searched(ctx, name, RECIPES[name], ctx.subject("architecture_gradient"), ctx.subject("cell"))
    cell = [OPERATIONS.index(operation) for operation in strongest(found.alpha)]
    bench = read_nas_bench_201(ctx.files("nas_bench_201"))
    reached = {data: bench.test(data).of(cell).percent for data in DATA}
    measured = {**of_skips(found.alpha), "accuracy": found.accuracy, **reached}
    return {f"{name}_{key}": value for key, value in measured.items()}


def one_operation(cell: Any, chosen: list[int], edge: int, x: Tensor) -> Tensor:
    """Return what the operation that is chosen for an edge makes of a node."""
    return cell.on(edge)[chosen[edge]](x)  # type: ignore[no-any-return]


def by_edges(x: Tensor, apply: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Return a cell's last node, where `apply` gives what an edge makes of a node."""
    nodes = [x]
    for to in (1, 2, 3):
        arriving = [apply(edge, nodes[source]) for edge, (end, source) in enumerate(EDGES) if end == to]
        nodes.append(torch.stack(arriving).sum(0))
    return nodes[-1]


def far(found: Tensor, wanted: Tensor) -> float:
    """Return the largest difference over the largest value that is wanted."""
    largest = float(wanted.detach().abs().max())
    difference = float((found - wanted).detach().abs().max())
    return difference / largest if largest else difference
