"""DARTS: its relaxation at both ends, and its gradients against the bilevel loss itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.nas.darts import MixedCell, architecture_gradient, mixture
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS

RATE = 1.0  # of the step that is looked ahead
STEP = 1e-5  # of central differences
CHANNELS = 4


def check_gradient(gradient: Callable[..., Any]) -> None:
    """Raise ContractError unless a gradient comes back in alpha's shape and weights stay where they were."""
    problem = Problem(torch.device("cpu"))
    before = problem.w.detach().clone()
    found = gradient(problem.train, problem.validation, [problem.w], problem.alpha, RATE)
    if getattr(found, "shape", None) != problem.alpha.shape:
        raise ContractError(f"returned {type(found).__name__}, not a tensor of shape {tuple(problem.alpha.shape)}")
    if not torch.equal(problem.w, before):
        raise ContractError("the weights are not where they were")


GRADIENT = Subject(
    "architecture_gradient",
    architecture_gradient,
    "f(train, validation, weights, alpha, rate) returns the gradient of alpha, equation 7, and leaves weights alone",
    check_gradient,
)


class Problem:
    """Two layers of tanh, their units mixed by alpha, with a loss for training and another for validation."""

    def __init__(self, device: torch.device) -> None:
        drawn = torch.Generator().manual_seed(0)
        self.w, self.alpha, *rest = (
            torch.randn(*shape, generator=drawn, dtype=torch.float64).to(device)
            for shape in ((5, 6), (2, 3), (8, 5), (8, 6), (8, 5), (8, 6))
        )
        self.w.requires_grad_()
        self.alpha.requires_grad_()
        self.pairs = rest[:2], rest[2:]

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean square of how far mixtures of tanh, sine and the layer itself are from y."""
        h = x @ self.w
        for row in self.alpha.softmax(-1):
            h = mixture(row, [torch.tanh(h), torch.sin(h), h])
        return (h - y).square().mean()

    def train(self) -> Tensor:
        """Return the loss of training."""
        return self.loss(*self.pairs[0])

    def validation(self) -> Tensor:
        """Return the other one."""
        return self.loss(*self.pairs[1])

    def bilevel(self, alpha: Tensor) -> float:
        """Return the validation loss after one step of training with this alpha."""
        before = self.w.detach().clone(), self.alpha.detach().clone()
        with torch.no_grad():
            self.alpha.copy_(alpha)
        (ahead,) = torch.autograd.grad(self.train(), self.w)
        with torch.no_grad():
            self.w.sub_(RATE * ahead)
            found = float(self.validation())
            self.w.copy_(before[0])
            self.alpha.copy_(before[1])
        return found


@experiment("weights_of_an_edge", tier="quick")
def weights_of_an_edge(ctx: Context) -> dict[str, float]:
    """Sum the weights of the operations on each edge."""
    alpha = 3 * torch.randn(len(EDGES), len(OPERATIONS), dtype=torch.float64).to(ctx.device)
    sums = alpha.softmax(-1).sum(-1)
    return {"weights_of_an_edge": float(sums[(sums - 1).abs().argmax()])}


@experiment("mixture_at_zero", "mixture_at_the_end", tier="quick")
def mixtures(ctx: Context) -> dict[str, float]:
    """Compare a mixed cell with the mean of its operations, and with the cell that its strongest ones make."""
    cell = MixedCell(CHANNELS).to(ctx.device, torch.float64)
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


def one_operation(cell: MixedCell, chosen: list[int], edge: int, x: Tensor) -> Tensor:
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
