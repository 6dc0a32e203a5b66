"""Receptive fields: theoretical ones of known networks, effective ones in closed form and of random networks."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dmbench.experiments._receptive_fields import NETS, SIZES, VARIANTS
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment, picture
from dmbench.layers.effective_receptive_field import (
    Window,
    deviation,
    effective_dilation,
    effective_receptive_field,
    input_gradient,
    receptive_field,
    size,
)

DEPTHS = (5, 10, 20, 40)
CHANNELS = 8
RUNS = 20


def check_receptive_field(function: Callable[..., Any]) -> None:
    """Raise ContractError unless it returns three whole numbers."""
    found = tuple(function([Window(3, stride=2, padding=1)]))
    if len(found) != 3 or not all(isinstance(one, int) for one in found):
        raise ContractError(f"returned {found}, not three whole numbers")


def check_input_gradient(gradient: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it returns a tensor of the input's shape."""
    x = torch.ones(2, 1, 5, 5)
    found = gradient(nn.Conv2d(1, 3, 3), x)
    if not isinstance(found, Tensor) or found.shape != x.shape:
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape {tuple(x.shape)}")


RECEPTIVE_FIELD = Subject(
    name="receptive_field",
    default=receptive_field,
    contract="f(layers), each with kernel, stride, padding and dilation, returns (size, stride, padding) in pixels",
    check=check_receptive_field,
)
INPUT_GRADIENT = Subject(
    name="input_gradient",
    default=input_gradient,
    contract="f(net, x) returns the gradient by x of the output at H' // 2, W' // 2, summed over batch and channels",
    check=check_input_gradient,
)


@experiment("theory_{net}", tier="quick", subjects=(RECEPTIVE_FIELD,), over={"net": tuple(NETS)})
def theory(ctx: Context, net: str) -> dict[str, list[float]]:
    """Compute size, stride and padding of a known network's last receptive field."""
    return {f"theory_{net}": [float(one) for one in ctx.subject("receptive_field")(NETS[net])]}


@experiment("size_{net}", tier="quick", subjects=(RECEPTIVE_FIELD,), over={"net": tuple(SIZES)})
def theoretical_size(ctx: Context, net: str) -> dict[str, float]:
    """Compute the size of a known network's last receptive field."""
    return {f"size_{net}": ctx.subject("receptive_field")(SIZES[net])[0]}


@experiment("self_convolution", "gaussian", tier="quick", subjects=(INPUT_GRADIENT,))
def closed_form(ctx: Context) -> dict[str, float]:
    """Compare the field of 40 layers of ones with the binomial one, and with the Gaussian that it tends to."""
    field = uniform(ctx, [Window(3)] * 40)
    coefficients = [1]
    for _ in range(40):
        wide = [0, 0, *coefficients, 0, 0]
        coefficients = [sum(wide[i : i + 3]) for i in range(len(coefficients) + 2)]
    line = torch.tensor([c / 3**40 for c in coefficients], dtype=torch.float64, device=ctx.device)
    place = torch.arange(-40, 41, dtype=torch.float64, device=ctx.device) / deviation(field)
    bell = torch.exp(-place.square() / 2)
    bell = torch.outer(bell, bell)
    return {
        "self_convolution": difference(field, torch.outer(line, line)),
        "gaussian": difference(field, bell / bell.sum()),
    }


@experiment("deviation_{variant}", tier="quick", subjects=(INPUT_GRADIENT,), over={"variant": tuple(VARIANTS)})
def uniform_deviation(ctx: Context, variant: str) -> dict[str, float]:
    """Measure the standard deviation of the field of a net of ones, in pixels."""
    return {f"deviation_{variant}": deviation(uniform(ctx, VARIANTS[variant]))}


@experiment("slope_deviation", tier="quick", subjects=(INPUT_GRADIENT,))
def deviation_growth(ctx: Context) -> dict[str, float]:
    """Fit how the deviation of nets of ones grows with depth, on logarithmic axes."""
    return {"slope_deviation": slope([deviation(uniform(ctx, [Window(3)] * depth)) for depth in DEPTHS])}


@experiment("extent_{variant}", tier="quick", subjects=(INPUT_GRADIENT,), over={"variant": ("subsampled", "dilated")})
def extent(ctx: Context, variant: str) -> dict[str, float]:
    """Measure how many rows have a gradient at all, over the theoretical size, inputs twice that large."""
    layers = VARIANTS[variant]
    seen = uniform(ctx, layers, side=2 * receptive_field(layers).size).any(1)
    first, last = seen.nonzero()[0], seen.nonzero()[-1]
    return {f"extent_{variant}": (float(last - first) + 1) / receptive_field(layers).size}


@experiment(
    "slope_size_{kind}",
    "slope_ratio_{kind}",
    tier="quick",
    subjects=(INPUT_GRADIENT,),
    seeds=5,
    over={"kind": ("random", "relu")},
)
def growth(ctx: Context, kind: str) -> dict[str, float]:
    """Fit how the effective size, and its ratio to the theoretical one, change with depth, on logarithmic axes."""
    ctx.note(depths=list(DEPTHS), channels=CHANNELS, runs=RUNS)
    sizes = [size(measured(ctx, kind, depth)) for depth in DEPTHS]
    ratios = [found / (2 * depth + 1) for found, depth in zip(sizes, DEPTHS, strict=True)]
    return {f"slope_size_{kind}": slope(sizes), f"slope_ratio_{kind}": slope(ratios)}


@experiment(
    "enlargement_{variant}",
    tier="quick",
    subjects=(INPUT_GRADIENT,),
    seeds=5,
    over={"variant": ("subsampled", "dilated")},
)
def enlargement(ctx: Context, variant: str) -> dict[str, float]:
    """Measure how much larger the field of 15 layers becomes where 3 of them have a stride or a dilation."""
    ctx.note(layers=15, channels=CHANNELS, runs=RUNS)
    found = {}
    for name in ("plain", variant):
        build = partial(network, ctx, VARIANTS[name], "relu")
        found[name] = size(field_of(ctx, build, receptive_field(VARIANTS[name]).size))
    return {f"enlargement_{variant}": found[variant] / found["plain"]}


@experiment("effective_dilation_undeformed", tier="quick")
def undeformed(ctx: Context) -> dict[str, float]:
    """Measure the effective dilation of a 3 x 3 filter of dilation 2 whose offsets are 0."""
    return {"effective_dilation_undeformed": float(effective_dilation(torch.zeros(1, 18, 2, 2), dilation=2).mean())}


@picture()
def fields(ctx: Context) -> Figure:
    """Effective receptive fields of 5, 10, 20 and 40 layers.

    Each frame is the theoretical field: nets of ones above, below random weights with ReLU, 20 of them averaged.
    Brightness is the share of the maximum.
    """
    figure = Figure(figsize=(8, 4.2), layout="compressed")
    axes = figure.subplots(2, len(DEPTHS))
    for column, depth in enumerate(DEPTHS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            both = {"ones": uniform(ctx, [Window(3)] * depth), "random, ReLU": measured(ctx, "relu", depth)}
        for axis, (name, field) in zip(axes[:, column], both.items(), strict=True):
            axis.imshow((field / field.max()).cpu().numpy(), cmap="gray", interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            side = 2 * depth + 1
            axis.set_xlabel(f"{name}: {depth} layers\neffective {size(field):.1f} of {side}", fontsize=8)
    return figure


def uniform(ctx: Context, layers: list[Window], side: int | None = None) -> Tensor:
    """Return the field, of sum 1, of a net of layers whose weights are all alike, float64."""
    net = network(ctx, layers, "ones").double()
    side = receptive_field(layers).size if side is None else side
    x = torch.zeros(1, 1, side, side, dtype=torch.float64, device=ctx.device)
    return effective_receptive_field(lambda: net, lambda: x, 1, ctx.subject("input_gradient"))


def measured(ctx: Context, kind: str, depth: int) -> Tensor:
    """Return the field of random 3 x 3 layers, averaged over RUNS nets and inputs."""
    return field_of(ctx, partial(network, ctx, [Window(3)] * depth, kind), 2 * depth + 1)


def field_of(ctx: Context, build: Callable[[], nn.Module], side: int) -> Tensor:
    """Return the field, averaged over RUNS random nets, of normal inputs that the one output unit just sees whole."""
    draw = partial(torch.randn, 1, 1, side, side)
    return effective_receptive_field(build, lambda: draw().to(ctx.device), RUNS, ctx.subject("input_gradient"))


def network(ctx: Context, layers: list[Window], kind: str) -> nn.Sequential:
    """Build unpadded layers: "ones", of one channel and equal weights; "random" and "relu", of CHANNELS and normal.

    Weights are scaled so that signals and gradients stay: equal ones to a mean, normal ones by He et al.'s rule.
    """
    built: list[nn.Module] = []
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        channels = (1, 1) if kind == "ones" else (1 if index == 0 else CHANNELS, 1 if last else CHANNELS)
        conv = nn.Conv2d(*channels, layer.kernel, layer.stride, dilation=layer.dilation, bias=False)
        with torch.no_grad():
            if kind == "ones":
                conv.weight.fill_(1 / layer.kernel**2)
            else:
                conv.weight.normal_(std=math.sqrt((2 if kind == "relu" else 1) / conv.weight[0].numel()))
        built += [conv] if last or kind != "relu" else [conv, nn.ReLU()]
    return nn.Sequential(*built).to(ctx.device)


def slope(values: list[float]) -> float:
    """Fit log value against log depth by a line, and return its slope."""
    x, y = (torch.tensor(list(one), dtype=torch.float64).log() for one in (DEPTHS, values))
    return float(((x - x.mean()) * y).sum() / (x - x.mean()).square().sum())


def difference(field: Tensor, exact: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((field - exact).abs().max() / exact.max())
