"""What the initialisations' stems share: the contract of one, and signals and gradients layer by layer.

Shapes: N inputs of U units; a layer's weight is (outputs, inputs), its biases are 0. A second moment is the mean of the
squares; of a gradient it is taken over inputs and units alike.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject

Fill = Callable[[Tensor], object]
Activation = Callable[[Tensor], Tensor]
LECTURE = (1000, 500, 10)  # inputs, units of each layer, layers: CS231n, Stanford (2016), lecture 5
SEEDS = 10


def subject(name: str, default: Any, arguments: str, deviation: float) -> Subject:
    """Return the part that `--impl` replaces; deviation: of a (400, 100) weight filled without further arguments."""

    def check(fill: Any) -> None:
        """Raise ContractError unless it fills a weight in place with numbers of about the right size."""
        weight = torch.zeros(400, 100)
        fill(weight)
        found = float(weight.std())
        if not 0.8 * deviation <= found <= 1.25 * deviation:
            raise ContractError(f"filled a (400, 100) weight with deviation {found:g}, not about {deviation:g}")

    return Subject(
        name=name,
        default=default,
        contract=f"f(weight{arguments}) fills the weight (outputs, inputs, *kernel) in place from torch's generator",
        check=check,
    )


def identity(x: Tensor) -> Tensor:
    """Leave it as it is: a linear network."""
    return x


def activations(fill: Fill, activation: Activation, x: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """Return the activations of each layer, the input left out."""
    found = []
    for width in widths:
        weight = x.new_empty(width, x.shape[1])
        fill(weight)
        x = activation(linear(x, weight))
        found.append(x)
    return found


def lecture_deviations(ctx: Context, fill: Fill, activation: Activation) -> list[float]:
    """Return the standard deviation of the activations of the lecture's ten layers."""
    inputs, units, layers = LECTURE
    ctx.note(inputs=inputs, units=units, layers=layers)
    x = torch.randn(inputs, units).to(ctx.device)
    return [float(a.std()) for a in activations(fill, activation, x, [units] * layers)]


def ratios(ctx: Context, fill: Fill, activation: Activation, widths: Sequence[int]) -> tuple[float, float]:
    """Return by how much a layer multiplies the second moments of activations and of gradients.

    The geometric means over the layers, the first left out, whose inputs no activation has seen. widths: of the input
    and of all layers. Gradients are those of a random projection of the last layer, for the layers' activations.
    """
    ctx.note(widths=list(widths), inputs=200)
    x = torch.randn(200, widths[0]).to(ctx.device).requires_grad_()
    signals = activations(fill, activation, x, widths[1:])
    upstream = torch.randn_like(signals[-1])
    (gradient,) = torch.autograd.grad(signals[-1], signals[0], upstream)
    moments = [float(t.detach().square().mean()) for t in (signals[0], signals[-1], upstream, gradient)]
    layers = len(widths) - 2
    return (moments[1] / moments[0]) ** (1 / layers), (moments[3] / moments[2]) ** (1 / layers)


def difference(ours: Callable[[Tensor], object], theirs: Callable[[Tensor], object]) -> float:
    """Return how far two initialisations are apart from the same random state, for a layer's and a filter's weight."""
    worst = 0.0
    for shape in ((300, 784), (64, 32, 3, 3), (10, 20, 5)):
        weights = [torch.zeros(shape, dtype=torch.float64) for _ in range(2)]
        for fill, weight in zip((ours, theirs), weights, strict=True):
            torch.manual_seed(sum(shape))
            fill(weight)
        worst = max(worst, float((weights[0] - weights[1]).abs().max()))
    return worst


def mean_square(weight: Tensor) -> float:
    """Return the variance about 0."""
    return float(weight.square().mean())


def standard_error(count: int) -> float:
    """Return the standard error of a variance of so many normal values, as a part of it."""
    return math.sqrt(2 / count)
