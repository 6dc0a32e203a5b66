"""PReLU: its slopes' gradient by the paper's sums, parameter counts of its 14-layer model, and torch's."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.prelu import PReLU, prelu

SHAPE = (4, 6, 5, 3)
CHANNELS: Case = ([SHAPE, (6,)], {})
SHARED: Case = ([SHAPE, (1,)], {})
LAYER = subject("prelu", prelu, F.prelu, CHANNELS)
# Filters of the layers that a PReLU follows (Table 1).
MODEL = (64, *[128] * 4, *[256] * 6, 4096, 4096)


@experiment("shared_parameters", "channelwise_parameters", tier="quick")
def parameters(ctx: Context) -> dict[str, float]:
    """Count the slopes of the 14-layer model, shared and channel-wise."""
    layers = {"shared": [PReLU() for _ in MODEL], "channelwise": [PReLU(channels) for channels in MODEL]}
    return {
        f"{kind}_parameters": sum(p.numel() for one in many for p in one.parameters()) for kind, many in layers.items()
    }


@experiment("initial_slope", tier="quick")
def initial(ctx: Context) -> dict[str, float]:
    """Read the slope that learning begins with."""
    return {"initial_slope": float(PReLU(6).weight.detach().mean())}


@experiment("leaky", "rectifier", tier="quick", subjects=(LAYER,))
def special_cases(ctx: Context) -> dict[str, float]:
    """Compare slopes of 0.01 and 0 with leaky ReLU and ReLU."""
    x = torch.randn(SHAPE, dtype=torch.float64).to(ctx.device)
    found = [ctx.subject("prelu")(x, torch.full_like(x[0, :, 0, 0], slope)) for slope in (0.01, 0.0)]
    return {
        "leaky": float((found[0] - F.leaky_relu(x, 0.01)).abs().max()),
        "rectifier": float((found[1] - F.relu(x)).abs().max()),
    }


@experiment("slope_gradient", "shared_slope_gradient", "input_gradient", tier="quick", subjects=(LAYER,))
def paper_gradients(ctx: Context) -> dict[str, float]:
    """Compare the gradients with Eqs. 1 to 3, summed over places, and over channels for a shared slope."""
    x, upstream = (torch.randn(SHAPE, dtype=torch.float64).to(ctx.device) for _ in range(2))
    each = torch.where(x > 0, 0, x) * upstream  # df/da of Eq. 3, times dE/df
    measured = {}
    for key, slopes, exact in (
        ("slope_gradient", 6, each.sum((0, 2, 3))),
        ("shared_slope_gradient", 1, each.sum().reshape(1)),
    ):
        leaf, a = x.clone().requires_grad_(), torch.linspace(0.1, 0.6, slopes).to(x).requires_grad_()
        to_x, to_a = torch.autograd.grad(ctx.subject("prelu")(leaf, a), (leaf, a), upstream)
        measured[key] = relative(to_a, exact)
        slope = a.detach().view(1, -1, 1, 1)
        measured["input_gradient"] = relative(to_x, torch.where(x > 0, 1, slope) * upstream)
    return measured


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.prelu in float32, result and gradients."""
    return {"difference_float32": difference(ctx, "prelu", F.prelu, torch.float32, CHANNELS)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.prelu in float64, result and gradients."""
    return {"difference_float64": difference(ctx, "prelu", F.prelu, torch.float64, CHANNELS)}


@experiment("difference_shared", tier="quick", subjects=(LAYER,))
def shared(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.prelu in float64 with one slope for all channels, result and gradients."""
    return {"difference_shared": difference(ctx, "prelu", F.prelu, torch.float64, SHARED)}


def relative(mine: Tensor, exact: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((mine - exact).abs().max() / exact.abs().max())
