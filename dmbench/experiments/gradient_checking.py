"""Gradient checking: closed forms of differences, the notes' kink and thresholds, and gradients wrong on purpose."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers.gradient_checking import STEP, check_gradient, numerical_gradient, relative_error

Function = Callable[[Tensor], Tensor]
HIDDEN = 6


def right(function: Function, x: Tensor) -> bool:
    """Say whether autograd's gradient is right: no relative error above 1e-4."""
    return check_gradient(function, x).worst <= 1e-4


def check_differences(differences: Any) -> None:
    """Raise ContractError unless it returns a gradient of the input's shape."""
    found = differences(lambda x: x.square().sum(), torch.ones(2, 3, dtype=torch.float64), 1e-3, "central")
    if not isinstance(found, Tensor) or found.shape != (2, 3):
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape (2, 3)")


def check_right(judge: Any) -> None:
    """Raise ContractError unless it returns True or False."""
    found = judge(lambda x: x.square().sum(), torch.ones(2, dtype=torch.float64))
    if not isinstance(found, bool):
        raise ContractError(f"returned {found!r}, not True or False")


DIFFERENCES = Subject(
    name="numerical_gradient",
    default=numerical_gradient,
    contract='f(function, x, step, kind) differences a scalar function, by kind "central" or "forward": its gradient',
    check=check_differences,
)
RIGHT = Subject(
    name="right",
    default=right,
    contract="f(function, x) says, True or False, whether autograd's gradient of a scalar function at x is right",
    check=check_right,
)


@experiment("cube_{kind}", tier="quick", subjects=(DIFFERENCES,), over={"kind": ("central", "forward")})
def cube(ctx: Context, kind: str) -> dict[str, float]:
    """Difference x cubed at 1 with a step of 1/2."""
    x = torch.ones(1, dtype=torch.float64, device=ctx.device)
    return {f"cube_{kind}": float(ctx.subject("numerical_gradient")(lambda x: x.pow(3).sum(), x, 0.5, kind))}


@experiment("order_{kind}", tier="quick", subjects=(DIFFERENCES,), over={"kind": ("central", "forward")})
def order(ctx: Context, kind: str) -> dict[str, float]:
    """Difference exp at 0 with steps of 1e-2 and 1e-3; by which power of the step the error falls."""
    x = torch.zeros(1, dtype=torch.float64, device=ctx.device)
    errors = [
        abs(float(ctx.subject("numerical_gradient")(lambda x: x.exp().sum(), x, step, kind)) - 1)
        for step in (1e-2, 1e-3)
    ]
    return {f"order_{kind}": math.log10(errors[0] / errors[1])}


@experiment("kink", tier="quick", subjects=(DIFFERENCES,))
def kink(ctx: Context) -> dict[str, float]:
    """Difference a ReLU at -1e-6, where it is flat, with a step of 1e-5, which crosses its kink."""
    x = torch.full((1,), -1e-6, dtype=torch.float64, device=ctx.device)
    return {"kink": float(ctx.subject("numerical_gradient")(lambda x: x.relu().sum(), x, STEP, "central"))}


@experiment("kink_seen", tier="quick")
def kink_seen(ctx: Context) -> dict[str, float]:
    """Check ReLUs at places some of which lie within a step of the kink; count those that are marked."""
    x = torch.tensor([-1.0, -2e-5, -1e-6, 0.0, 5e-6, 2e-5, 1.0], dtype=torch.float64)
    return {"kink_seen": int(check_gradient(lambda x: x.relu().sum(), x).kinks.sum())}


@experiment("relative", "relative_zero", tier="quick")
def relative(ctx: Context) -> dict[str, float]:
    """Compare a gradient of 1e-5 with one of 2e-5, and 0 with 0."""
    a, n = torch.tensor([1e-5, 0.0], dtype=torch.float64), torch.tensor([2e-5, 0.0], dtype=torch.float64)
    errors = relative_error(a, n)
    return {"relative": float(errors[0]), "relative_zero": float(errors[1])}


@experiment("happy", tier="quick")
def happy(ctx: Context) -> dict[str, float]:
    """Check a network of two tanh layers and a softmax, whose gradient is right; the worst relative error."""
    return {"happy": check_gradient(network(2), weights(2)).worst}


@experiment("ten_layers", tier="quick")
def ten_layers(ctx: Context) -> dict[str, float]:
    """Check a network of ten tanh layers and a softmax; the worst relative error."""
    return {"ten_layers": check_gradient(network(10), weights(10)).worst}


@experiment("accepted", "caught", tier="quick", subjects=(RIGHT,))
def judged(ctx: Context) -> dict[str, float]:
    """Judge five gradients that are right, and five that are wrong by construction."""
    judge = ctx.subject("right")
    x = torch.linspace(-1.3, 1.7, 6, dtype=torch.float64).to(ctx.device)
    return {
        "accepted": sum(judge(function, x) for function in RIGHT_ONES),
        "caught": sum(not judge(lambda x, f=f: f.apply(x).sum(), x) for f in WRONG_ONES),
    }


def weights(layers: int) -> Tensor:
    """Draw the weights of all layers, (layers, 6, 6), float64."""
    return made(2, layers, HIDDEN, HIDDEN) / math.sqrt(HIDDEN)


def network(layers: int) -> Function:
    """Return the loss of a network of tanh layers on 8 made examples as a function of its weights."""
    x, labels = made(1, 8, HIDDEN), torch.arange(8) % HIDDEN

    def loss(w: Tensor) -> Tensor:
        y = x
        for layer in range(layers):
            y = torch.tanh(y @ w[layer])
        return cross_entropy(y, labels)

    return loss


def made(seed: int, *shape: int) -> Tensor:
    """Draw normal values that are the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


RIGHT_ONES: tuple[Function, ...] = (
    lambda x: x.square().sum(),
    lambda x: x.sin().prod(),
    lambda x: torch.logsumexp(x, 0),
    lambda x: x.relu().sum(),
    lambda x: (x.outer(x).tanh() * torch.arange(36.0, device=x.device).view(6, 6)).sum(),
)


class _Square(torch.autograd.Function):
    """The square, whose backward pass subclasses get wrong by `slope`."""

    slope: Callable[[Tensor], Tensor]

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @classmethod
    def backward(cls, ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return cls.slope(x) * dy


def _wrong(slope: Callable[[Tensor], Tensor]) -> type[_Square]:
    return type("_Wrong", (_Square,), {"slope": staticmethod(slope)})


WRONG_ONES = (
    _wrong(lambda x: -2 * x),
    _wrong(lambda x: x),
    _wrong(lambda x: 2 * x.flip(0)),
    _wrong(lambda x: 2 * x * (torch.arange(len(x), device=x.device) != 3)),
    _wrong(lambda x: 2.01 * x),
)
