"""Glorot's initialisation: its variances and bounds, what it does to signals and gradients, and torch's."""

import math
from typing import Any

import torch
from torch.nn.functional import linear

from dmbench.experiments import _initialisations as shared
from dmbench.experiments._digits_training import read_digits
from dmbench.harness.experiment import Context, experiment
from dmbench.init.glorot import glorot_normal_, glorot_uniform_, standard_uniform_

UNIFORM = shared.subject("glorot_uniform", glorot_uniform_, "", math.sqrt(2 / 500))
NORMAL = shared.subject("glorot_normal", glorot_normal_, "", math.sqrt(2 / 500))
SHAPES = {"linear": (300, 784), "conv": (64, 32, 3, 3)}
FANS = {"linear": 784 + 300, "conv": 9 * (32 + 64)}  # fan in + fan out


@experiment(
    "bound_{layer}", "variance_{layer}", tier="quick", subjects=(UNIFORM, NORMAL), over={"layer": tuple(SHAPES)}
)
def drawn(ctx: Context, layer: str) -> dict[str, float]:
    """Draw a layer by both distributions: the largest weight over Eq. 16's bound, the variance over Eq. 12's."""
    uniform, normal = (torch.empty(SHAPES[layer], device=ctx.device) for _ in range(2))
    ctx.subject("glorot_uniform")(uniform)
    ctx.subject("glorot_normal")(normal)
    return {
        f"bound_{layer}": float(uniform.abs().max()) / math.sqrt(6 / FANS[layer]),
        f"variance_{layer}": shared.mean_square(normal) * FANS[layer] / 2,
    }


@experiment("standard_variance", tier="quick")
def standard(ctx: Context) -> dict[str, float]:
    """Draw a square layer by Eq. 1, what people did before, and take n Var(W)."""
    weight = torch.empty(1000, 1000, device=ctx.device)
    standard_uniform_(weight)
    return {"standard_variance": 1000 * shared.mean_square(weight)}


@experiment("forward", "backward", "widening_forward", "widening_backward", tier="quick", subjects=(UNIFORM,), seeds=10)
def linear_regime(ctx: Context) -> dict[str, float]:
    """Follow signals and gradients through linear layers, of one width and where the width doubles."""
    fill = ctx.subject("glorot_uniform")
    wide = shared.ratios(ctx, fill, shared.identity, [300, 300, 600])
    forward, backward = shared.ratios(ctx, fill, shared.identity, [500] * 12)
    return {
        "forward": forward,
        "backward": backward,
        "widening_forward": wide[0],
        "widening_backward": wide[1],
    }


@experiment("standard_forward", "standard_backward", tier="quick", seeds=10)
def before(ctx: Context) -> dict[str, float]:
    """Follow signals and gradients through linear layers of one width drawn by Eq. 1."""
    forward, backward = shared.ratios(ctx, standard_uniform_, shared.identity, [500] * 12)
    return {"standard_forward": forward, "standard_backward": backward}


@experiment("lecture_std_1", "lecture_std_5", "lecture_std_10", tier="quick", subjects=(NORMAL,), seeds=shared.SEEDS)
def lecture(ctx: Context) -> dict[str, float]:
    """Send 1,000 normal inputs through ten tanh layers of 500 units."""
    found = shared.lecture_deviations(ctx, ctx.subject("glorot_normal"), torch.tanh)
    return {"lecture_std_1": found[0], "lecture_std_5": found[4], "lecture_std_10": found[9]}


@experiment("rectified", tier="quick", subjects=(NORMAL,), seeds=shared.SEEDS)
def rectified(ctx: Context) -> dict[str, float]:
    """Follow signals through twenty layers of rectifiers, which Glorot's variance does not allow for."""
    forward, _ = shared.ratios(ctx, ctx.subject("glorot_normal"), torch.relu, [400] * 22)
    return {"rectified": forward}


@experiment("jacobian", "standard_jacobian", tier="quick", artifacts=("mnist",), subjects=(UNIFORM,))
def jacobians(ctx: Context) -> dict[str, float]:
    """Take the mean singular value of the Jacobian between layers of 1,000 tanh units, for a digit of MNIST."""
    x = read_digits(ctx, "train").images[:1].flatten(1)
    return {
        "jacobian": mean_singular_value(ctx.subject("glorot_uniform"), x),
        "standard_jacobian": mean_singular_value(standard_uniform_, x),
    }


def mean_singular_value(fill: Any, x: torch.Tensor) -> float:
    """Return the mean over units, and over the second and the last of four steps between five hidden layers."""
    units, means = 1000, []
    (z,) = shared.activations(fill, torch.tanh, x, [units])
    for step in range(1, 5):
        weight = x.new_empty(units, units)
        fill(weight)
        z = torch.tanh(linear(z, weight))
        if step in (2, 4):
            means.append(float(torch.linalg.svdvals((1 - z[0] ** 2)[:, None] * weight).mean()))
    return sum(means) / len(means)


@experiment("difference_torch", tier="quick", subjects=(UNIFORM, NORMAL))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.init.xavier_uniform_ and xavier_normal_ from the same random state."""
    pairs = (("glorot_uniform", torch.nn.init.xavier_uniform_), ("glorot_normal", torch.nn.init.xavier_normal_))
    return {"difference_torch": max(shared.difference(ctx.subject(name), peer) for name, peer in pairs)}
