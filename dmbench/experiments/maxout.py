"""Maxout: the functions of the paper's figure 1 in closed form, counts, and how far it is from torch's pooling."""

from collections.abc import Callable

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.maxout import MaxoutConv2d, MaxoutLinear, maxout
from dmbench.peers.maxout import torch_nn

PIECES = 5  # of the quadratic function, as figure 1 and the MNIST network have


def check_maxout(take: Callable[[Tensor, int], Tensor]) -> None:
    """Raise ContractError unless it takes the maximum of neighbours."""
    z = torch.arange(12.0).view(2, 6)
    found = take(z, 3)
    if not isinstance(found, Tensor) or found.shape != (2, 2):
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape (2, 2)")
    if found.tolist() != [[2, 5], [8, 11]]:
        raise ContractError(f"returned {found.tolist()} of the pieces 0 to 11, not [[2, 5], [8, 11]]")


MAXOUT = Subject(
    name="maxout",
    default=maxout,
    contract="f(z, pieces) takes the maximum of each `pieces` neighbours of the last dimension; differentiable",
    check=check_maxout,
)


@experiment("relu", "absolute", "hat", tier="quick", subjects=(MAXOUT,))
def functions(ctx: Context) -> dict[str, float]:
    """Compare maxout units of two pieces with ReLU and |x|, and the difference of two units with a hat."""
    x = torch.linspace(-3, 3, 1001, dtype=torch.float64, device=ctx.device)

    def unit(*lines: tuple[float, float]) -> Tensor:
        found: Tensor = ctx.subject("maxout")(
            torch.stack([slope * x + offset for slope, offset in lines], -1), len(lines)
        )
        return found[:, 0]

    hat = unit((1, 0), (-1, 0), (0, 1)) - unit((1, 0), (-1, 0))
    return {
        "relu": worst(unit((1, 0), (0, 0)), x.relu()),
        "absolute": worst(unit((1, 0), (-1, 0)), x.abs()),
        "hat": worst(hat, (1 - x.abs()).relu()),
    }


@experiment("quadratic", tier="quick", subjects=(MAXOUT,))
def quadratic(ctx: Context) -> dict[str, float]:
    """Measure how far five tangents are from x^2 at most, on [-1, 1]: each serves a fifth, from its middle."""
    x = torch.linspace(-1, 1, 10_001, dtype=torch.float64, device=ctx.device)
    at = (2 * torch.arange(PIECES, dtype=torch.float64, device=ctx.device) + 1) / PIECES - 1
    tangents = 2 * at * x[:, None] - at.square()
    return {"quadratic": worst(ctx.subject("maxout")(tangents, PIECES)[:, 0], x.square())}


@experiment("layer_parameters", "convolution_parameters", tier="quick")
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of the MNIST network's first layer, and of a convolution with 48 units of 2 pieces."""
    layers = MaxoutLinear(784, 240, 5, device="meta"), MaxoutConv2d(1, 48, 2, 8, device="meta")
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    return dict(zip(("layer_parameters", "convolution_parameters"), counts, strict=True))


@experiment("difference_torch", tier="quick", subjects=(MAXOUT,))
def difference_torch(ctx: Context) -> dict[str, float]:
    """Compare with torch's pooling over neighbouring features in float64: result and gradient."""
    z = torch.randn(20, 60, dtype=torch.float64).to(ctx.device).requires_grad_()
    upstream = torch.randn(20, 12, dtype=torch.float64).to(ctx.device)
    found = []
    for take in (ctx.subject("maxout"), torch_nn):
        y = take(z, 5)
        found.append((y.detach(), *torch.autograd.grad(y, z, upstream)))
    return {"difference_torch": max(worst(mine, his) for mine, his in zip(*found, strict=True))}


def worst(mine: Tensor, exact: Tensor) -> float:
    """Return the largest difference."""
    return float((mine - exact).abs().max())
