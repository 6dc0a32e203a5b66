"""Figures of self-normalisation: mean, variance and histograms of activations by depth, SELU beside three others."""

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._activations import LAYERS, Activation, activations_by_depth, moments_by_depth
from dmbench.harness.experiment import Context, picture
from dmbench.layers.selu import selu

UNITS: dict[str, Activation] = {"SELU": selu, "ELU": F.elu, "tanh": torch.tanh, "ReLU": torch.relu}
COLOURS = {"SELU": "#d62728", "ELU": "#2ca02c", "tanh": "#9467bd", "ReLU": "#1f77b4"}
SHOWN = (1, 8, 16, 32)
REACH = 3.0  # of a histogram, to each side


@picture("mnist")
def moments_through_depth(ctx: Context) -> Figure:
    """Mean and variance of the activations after each of 32 layers: SELU holds both, the others lose the signal.

    Standardised MNIST digits, layers of 512 units, normal weights of variance 1/n, one seed. Grey: Theorem 1's domain.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in UNITS:
        means, variances = moments_by_depth(sent(ctx, name))
        for axes, values in ((left, means), (right, variances)):
            axes.plot(range(1, LAYERS + 1), values[1:], color=COLOURS[name], label=name, lw=1.8)
    left.axhspan(-0.1, 0.1, color="#dddddd", zorder=0)
    right.axhspan(0.8, 1.5, color="#dddddd", zorder=0)
    left.set(xlabel="layer", ylabel="mean")
    right.set(xlabel="layer", ylabel="variance", yscale="log")
    right.legend(frameon=False)
    return figure


@picture("mnist")
def histograms_through_depth(ctx: Context) -> Figure:
    """Histograms of the activations after 1, 8, 16 and 32 layers: only SELU's keep their width.

    As in the figure of mean and variance. Of ReLU's, the bar at 0 is cut: half of its activations are 0.
    """
    figure = Figure(figsize=(9, 7), layout="constrained")
    grid = figure.subplots(len(UNITS), len(SHOWN), sharex=True, sharey="row")
    for row, name in zip(grid, UNITS, strict=True):
        found = sent(ctx, name)
        for axes, layer in zip(row, SHOWN, strict=True):
            heights, edges = torch.histogram(found[layer].flatten(), 60, range=(-REACH, REACH), density=True)
            axes.stairs(heights.tolist(), edges.tolist(), fill=True, color=COLOURS[name])
            axes.set(ylim=(0, 1.5), yticks=[])
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.text(1, 1, f"deviation {found[layer].std():.2g}", transform=axes.transAxes, ha="right", fontsize=9)
            if name == "SELU":
                axes.set_title("1 layer" if layer == 1 else f"{layer} layers", fontsize=11, loc="left")
        row[0].set_ylabel(name, fontsize=11)
    return figure


def sent(ctx: Context, name: str) -> list[Tensor]:
    """Return the activations by depth, of the same weights for each unit."""
    torch.manual_seed(0)
    return activations_by_depth(ctx, UNITS[name], "mnist")
