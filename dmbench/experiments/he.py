"""He's initialisation: the paper's deviations and factors, signals through rectifiers, very deep nets, torch's."""

import itertools
import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu

from dmbench.experiments import _initialisations as shared
from dmbench.experiments._he_training import DEPTHS, trained
from dmbench.harness.experiment import Context, experiment
from dmbench.init.glorot import glorot_normal_
from dmbench.init.he import he_normal_

HE = shared.subject("he_normal", he_normal_, ", a=0.0, mode='fan_in'", math.sqrt(2 / 100))
FILTERS = (64, 128, 256, 512)
MODEL_B = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)  # VGG's, its ten convolutions
SLOPE = 0.25  # PReLU's at first


@experiment("vgg_std", tier="quick", subjects=(HE,))
def deviations(ctx: Context) -> dict[str, list[float]]:
    """Draw 3 x 3 filters by the backward rule, and take their standard deviations."""
    found = []
    for filters in FILTERS:
        weight = torch.empty(filters, max(filters, 256), 3, 3, device=ctx.device)
        ctx.subject("he_normal")(weight, 0.0, "fan_out")
        found.append(math.sqrt(shared.mean_square(weight)))
    return {"vgg_std": found}


@experiment("diminishing_gradient", tier="quick", subjects=(HE,))
def diminishing(ctx: Context) -> dict[str, float]:
    """Send a gradient from conv10 to conv2 of VGG's model B, drawn by He's rule and from N(0, 0.01^2).

    The small weights are multiples of He's, so that in both the same rectifiers are open.
    """
    x = torch.randn(1, MODEL_B[0], 4, 4, device=ctx.device)
    weights = []
    for inputs, outputs in itertools.pairwise(MODEL_B):
        weight = torch.empty(outputs, inputs, 3, 3, device=ctx.device)
        ctx.subject("he_normal")(weight, 0.0, "fan_out")
        weights.append(weight)
    small = [0.01 * weight / math.sqrt(shared.mean_square(weight)) for weight in weights]
    he, plain = (float(arriving_gradient(x, stack).std()) for stack in (weights, small))
    return {"diminishing_gradient": he / plain}


def arriving_gradient(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Return the gradient for x of a fixed projection of what convolutions with rectifiers make of it."""
    x = x.clone().requires_grad_()
    y = x
    for weight in weights:
        y = torch.relu(conv2d(y, weight, padding=1))
    upstream = torch.linspace(-1, 1, y.numel(), device=y.device).view_as(y)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    return gradient


@experiment(
    "forward_relu", "backward_relu", "forward_prelu", "backward_prelu", "forgotten_slope", "forward_linear",
    tier="quick", subjects=(HE,), seeds=shared.SEEDS,
)  # fmt: skip
def through_rectifiers(ctx: Context) -> dict[str, float]:
    """Follow signals and gradients through twenty layers of rectifiers, of PReLUs, and of linear units (a = 1)."""
    widths, he = [400] * 22, ctx.subject("he_normal")
    prelu = partial(leaky_relu, negative_slope=SLOPE)

    def drawn(a: float, mode: str) -> Any:
        return lambda weight: he(weight, a, mode)

    return {
        "forward_relu": shared.ratios(ctx, drawn(0.0, "fan_in"), torch.relu, widths)[0],
        "backward_relu": shared.ratios(ctx, drawn(0.0, "fan_out"), torch.relu, widths)[1],
        "forward_prelu": shared.ratios(ctx, drawn(SLOPE, "fan_in"), prelu, widths)[0],
        "backward_prelu": shared.ratios(ctx, drawn(SLOPE, "fan_out"), prelu, widths)[1],
        "forgotten_slope": shared.ratios(ctx, drawn(0.0, "fan_in"), prelu, widths)[0],
        "forward_linear": shared.ratios(ctx, drawn(1.0, "fan_in"), shared.identity, widths)[0],
    }


@experiment("narrowing_forward", tier="quick", subjects=(HE,), seeds=shared.SEEDS)
def narrowing(ctx: Context) -> dict[str, float]:
    """Follow signals through a layer that halves the width, drawn by the backward rule."""

    def fill(weight: Tensor) -> None:
        ctx.subject("he_normal")(weight, 0.0, "fan_out")

    return {"narrowing_forward": shared.ratios(ctx, fill, torch.relu, [600, 600, 300])[0]}


@experiment("lecture_std_1", "lecture_std_10", tier="quick", subjects=(HE,), seeds=30)
def lecture(ctx: Context) -> dict[str, float]:
    """Send 1,000 normal inputs through ten layers of 500 rectifiers."""
    found = shared.lecture_deviations(ctx, ctx.subject("he_normal"), torch.relu)
    return {"lecture_std_1": found[0], "lecture_std_10": found[9]}


@experiment(
    "layers{depth}_he", "layers{depth}_glorot", "layers{depth}_earlier",
    tier="slow", artifacts=("mnist",), subjects=(HE,), seeds=5, over={"depth": tuple(DEPTHS)},
)  # fmt: skip
def depth(ctx: Context, depth: int) -> dict[str, float]:
    """Train very deep nets of rectifiers on MNIST from He's and from Glorot's weights, on the same batches."""
    errors, earlier = trained(ctx, depth, {"he": ctx.subject("he_normal"), "glorot": glorot_normal_})
    return {
        f"layers{depth}_he": errors["he"],
        f"layers{depth}_glorot": errors["glorot"],
        f"layers{depth}_earlier": earlier,
    }


@experiment("difference_torch", tier="quick", subjects=(HE,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.init.kaiming_normal_ from the same random state, by mode and slope."""
    he, worst = ctx.subject("he_normal"), 0.0
    for a in (0.0, SLOPE, 1.0):
        for mode in ("fan_in", "fan_out"):
            pair = [partial(fill, a=a, mode=mode) for fill in (he, torch.nn.init.kaiming_normal_)]
            worst = max(worst, shared.difference(*pair))
    return {"difference_torch": worst}
