"""What of DARTS others may replace, each with a tiny case to try it on: alpha's gradient, and a cell of mixtures."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Subject
from dmbench.nas.darts import MixedCell, architecture_gradient, mixture
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS

RATE = 1.0  # of the step that is looked ahead


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


def check_cell(make: Callable[[int], nn.Module]) -> None:
    """Raise ContractError unless a cell gives maps of its input's shape, and has five operations on each edge."""
    cell: Any = make(2)
    shape = 2, 2, 4, 4
    found = cell(torch.zeros(shape), torch.full((len(EDGES), len(OPERATIONS)), 1 / len(OPERATIONS)))
    if getattr(found, "shape", None) != shape:
        raise ContractError(f"returned {type(found).__name__}, not a tensor of shape {shape}")
    for edge in range(len(EDGES)):
        operations = cell.on(edge) if callable(getattr(cell, "on", None)) else []
        if len(operations) != len(OPERATIONS) or not all(callable(one) for one in operations):
            raise ContractError(f"on({edge}) does not give {len(OPERATIONS)} operations")


CELL = Subject(
    "cell",
    MixedCell,
    "f(channels) builds a module that maps (N, C, H, W) and weights (6, 5) to the same shape; its on(edge) gives the "
    "five operations of an edge: none, skip_connect, nor_conv_1x1, nor_conv_3x3 and avg_pool_3x3",
    check_cell,
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
