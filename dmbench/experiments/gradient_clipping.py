"""Gradient clipping: its rules in closed form, a step at the cliff, and how far it is from torch's."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from dmbench.experiments._surfaces import cliff
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.optim.gradient_clipping import clip_adjustable_, clip_by_norm_, clip_by_value_

THETA = 0.5
VDSR_RATES = (0.1, 0.01, 0.001, 0.0001)  # section 3.2 and 5.2: a tenth every 20 of 80 epochs
WEIGHT = 4.5  # of the recurrent unit: where the cliff is looked at


def check_clipping(clip: Any) -> None:
    """Raise ContractError unless a single gradient of 3 becomes 1 at a bound of 1."""
    parameter = torch.zeros(1)
    parameter.grad = torch.full((1,), 3.0)
    clip([parameter], 1.0)
    if abs(float(parameter.grad) - 1) > 1e-3:
        raise ContractError(f"left a gradient of 3 at {float(parameter.grad):g}, not at the bound of 1")


def part(name: str, default: Any, peer: str) -> Subject:
    """Return the part that `--impl` replaces."""
    contract = f"f(parameters, bound) clips their gradients in place, as torch.nn.utils.{peer} does"
    return Subject(name=name, default=default, contract=contract, check=check_clipping)


BY_NORM = part("by_norm", clip_by_norm_, "clip_grad_norm_")
BY_VALUE = part("by_value", clip_by_value_, "clip_grad_value_")


@experiment("norm_above", "direction", "norm_below", tier="quick", subjects=(BY_NORM,))
def norms(ctx: Context) -> dict[str, float]:
    """Clip the gradients of three weights together, above the bound and below it."""
    given = gradients(ctx)
    whole = flat(given)
    found, below = (flat(clipped(ctx.subject("by_norm"), given, theta)) for theta in (THETA, 2 * float(whole.norm())))
    return {
        "norm_above": float(found.norm()) / THETA,
        "direction": float(torch.dot(found, whole) / (found.norm() * whole.norm())),
        "norm_below": float((below - whole).abs().max()),
    }


@experiment("value_bounded", tier="quick", subjects=(BY_VALUE,))
def values(ctx: Context) -> dict[str, float]:
    """Clip the same gradients by value, and compare with the smaller of value and bound, sign kept."""
    given = gradients(ctx)
    exact = flat(given).sign() * torch.minimum(flat(given).abs(), torch.tensor(THETA))
    return {"value_bounded": float((flat(clipped(ctx.subject("by_value"), given, THETA)) - exact).abs().max())}


@experiment("vdsr_steps", tier="quick")
def adjustable(ctx: Context) -> dict[str, list[float]]:
    """Clip large gradients as VDSR does at each of its rates, and take the largest step in units of theta."""
    found = []
    for rate in VDSR_RATES:
        kept = clipped(
            lambda p, theta, rate=rate: clip_adjustable_(p, theta, rate), [1e9 * g for g in gradients(ctx)], 0.01
        )
        found.append(rate * float(flat(kept).abs().max()) / 0.01)
    return {"vdsr_steps": found}


@experiment("cliff_wall", "cliff_step", tier="quick", subjects=(BY_NORM,))
def at_the_cliff(ctx: Context) -> dict[str, float]:
    """Find the wall of the recurrent unit's error, how much steeper it is than the ground, and the clipped step."""
    wall = edge()
    steep, ground = (slope(b) for b in (wall, wall + 0.1))
    return {
        "cliff_wall": float(steep.norm() / ground.norm()),
        "cliff_step": float(
            flat(clipped(ctx.subject("by_norm"), [steep], float(ground.norm()))).norm() / ground.norm()
        ),
    }


@experiment("difference_torch", tier="quick", subjects=(BY_NORM, BY_VALUE))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.utils, above and below the bound; the largest difference over the largest value."""
    worst = 0.0
    for theta in (0.1, THETA, 100.0):
        for name, peer in (("by_norm", clip_grad_norm_), ("by_value", clip_grad_value_)):
            mine, theirs = (flat(clipped(clip, gradients(ctx), theta)) for clip in (ctx.subject(name), peer))
            worst = max(worst, float((mine - theirs).abs().max() / theirs.abs().max()))
    return {"difference_torch": worst}


def gradients(ctx: Context) -> list[Tensor]:
    """Return normal gradients of three weights, float64, the same each time."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((20, 10), (10,), (3, 2, 3, 3))
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(ctx.device) for shape in shapes]


def clipped(clip: Any, given: list[Tensor], theta: float) -> list[Tensor]:
    """Return what a clipping leaves of gradients."""
    parameters = [torch.zeros_like(g) for g in given]
    for parameter, g in zip(parameters, given, strict=True):
        parameter.grad = g.clone()
    clip(parameters, theta)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def flat(tensors: list[Tensor]) -> Tensor:
    """Lay all values in one row."""
    return torch.cat([t.flatten() for t in tensors]).cpu()


def edge() -> float:
    """Return the bias at the cliff, between the side of the error above 0.12 and the side below, to 1e-9."""
    low, high = -2.6, -2.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        above = float(cliff(torch.tensor([WEIGHT, middle], dtype=torch.float64))) > 0.12
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


def slope(bias: float) -> Tensor:
    """Return the gradient of the cliff's error at a bias, (2)."""
    place = torch.tensor([WEIGHT, bias], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(cliff(place), place)[0]
