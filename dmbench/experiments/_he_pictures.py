"""Activations by depth at the start, for the report: how three initialisations carry digits of MNIST through ReLUs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.datasets.mnist import MEAN, STD
from dmbench.experiments._digits_training import read_digits
from dmbench.experiments._initialisations import activations
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.init.glorot import glorot_normal_, standard_uniform_
from dmbench.init.he import he_normal_
from dmbench.init.small_random import small_random_

DIGITS, UNITS, LAYERS = 500, 500, 10
SHOWN = (1, 2, 4, 6, 8, 10)  # layers of the histograms
INK = "#4477aa"
Fills = Mapping[str, Callable[[Tensor], object]]


@picture("mnist")
def rectifiers_by_depth(ctx: Context) -> Figure:
    """Activations of ten layers of 500 ReLUs before training, given 500 digits of MNIST; below, their scale by depth.

    N(0, 0.01^2) loses the signal within a few layers, Glorot's variance half of its square in each, He's keeps it. The
    histograms are of the units that are open; beside the layer stands the standard deviation of all.
    """
    fills: Fills = {"N(0, 0.01²)": small_random_, "Glorot": glorot_normal_, "He": he_normal_}
    return by_depth(ctx, fills, torch.relu, (0.0, 3.0))


@picture("mnist")
def hyperbolic_tangents_by_depth(ctx: Context) -> Figure:
    """Activations of ten layers of 500 tanh units before training, given 500 digits of MNIST; below, scale by depth.

    N(0, 0.01^2) loses the signal, N(0, 1) saturates every unit, U(-1/√n, 1/√n), what people did before, loses two
    thirds of the variance a layer, Glorot's rule keeps most of it.
    """
    fills: Fills = {
        "N(0, 0.01²)": small_random_,
        "N(0, 1)": lambda w: small_random_(w, 1.0),
        "U(±1/√n)": standard_uniform_,
        "Glorot": glorot_normal_,
    }
    return by_depth(ctx, fills, torch.tanh, (-1.0, 1.0))


def by_depth(ctx: Context, fills: Fills, activation: Callable[[Tensor], Tensor], span: tuple[float, float]) -> Figure:
    """Draw a row of histograms an initialisation, and the root mean square of each layer's activations under them."""
    x = (read_digits(ctx, "train").images[:DIGITS].flatten(1) - MEAN) / STD
    figure = Figure(figsize=(10, 1.25 * len(fills) + 2.2), layout="constrained")
    parts: Any = figure.subfigures(2, height_ratios=(1.25 * len(fills), 2.2))
    upper, lower = parts
    grid: Any = upper.subplots(len(fills), len(SHOWN), sharex=True, squeeze=False)
    scale: Any = lower.subplots()
    for row, (name, fill) in zip(grid, fills.items(), strict=True):
        torch.manual_seed(0)
        layers = activations(fill, activation, x, [UNITS] * LAYERS)
        for axes, layer in zip(row, SHOWN, strict=True):
            values = layers[layer - 1]
            inside = values[values != 0] if span[0] == 0 else values
            counts = torch.histc(inside.clamp(*span), 40, *span)
            edges = torch.linspace(*span, 41)
            axes.stairs(counts / counts.max(), edges, fill=True, color=INK)
            axes.set(yticks=[], ylim=(0, 1.1))
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.set_title(f"layer {layer}: {float(values.std()):.2g}", fontsize=8)
        row[0].set_ylabel(name, fontsize=9)
        scale.semilogy(range(1, LAYERS + 1), [math.sqrt(float(v.square().mean())) for v in layers], ".-", label=name)
    scale.set(xlabel="layer", ylabel="root mean square", xlim=(1, LAYERS))
    scale.legend(fontsize=8, ncols=len(fills))
    return figure
