"""Figures of pruning: what is kept of each layer, weights before and after, and where the first layer still looks.

The files that they read are left by the training: `packed` in _pruning_training.py says what is in them.
"""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import Tensor

from dmbench.experiments._pruning_training import BINS, LENET5, LENET300
from dmbench.harness.experiment import Context, picture

RECIPES = {"lenet300": LENET300, "lenet5": LENET5}
NAMES = {"lenet300": "LeNet-300-100", "lenet5": "LeNet-5"}
BEFORE, AFTER = "#9ecae1", "#d62728"


@picture("pruned_{net}", over={"net": tuple(RECIPES)})
def densities(ctx: Context, net: str) -> Figure:
    """What is kept of each layer of {net} after pruning and retraining, and what the paper prints."""
    layers = read(ctx, net)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    kept = [100 * float((weight != 0).double().mean()) for weight, _ in layers.values()]
    bars = axes.bar(list(layers), kept, color=AFTER, width=0.5, label="kept")
    axes.bar_label(bars, [f"{share:.3g} %" for share in kept], padding=2)
    printed = [100 * RECIPES[net].densities[layer] for layer in layers]
    axes.plot(range(len(printed)), printed, "k_", ms=24, mew=2, label="printed")
    axes.set(ylim=(0, max(kept) * 1.25), ylabel="% of a layer's weights", title=NAMES[net])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@picture("pruned_{net}", over={"net": tuple(RECIPES)})
def histograms(ctx: Context, net: str) -> Figure:
    """How large the weights of {net} are, by layer: trained, and after pruning and retraining; the axis is logarithmic.

    The smallest are cut away, and what is left has moved off zero.
    """
    layers = read(ctx, net)
    figure = Figure(figsize=(3.4 * len(layers), 3.2), layout="constrained")
    for axes, (layer, (weight, before)) in zip(figure.subplots(1, len(layers)), layers.items(), strict=True):
        largest = float(before[-1])
        edges = torch.linspace(-largest, largest, BINS + 1).tolist()
        axes.stairs(before[:-1].tolist(), edges, fill=True, color=BEFORE, label="before")
        left = torch.histc(weight[weight != 0], BINS, -largest, largest)
        axes.stairs(left.tolist(), edges, color=AFTER, label="after", lw=1.5)
        axes.set(yscale="log", ylim=(0.7, None), title=layer, xlabel="weight")
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@picture("pruned_lenet300")
def first_layer(ctx: Context) -> Figure:
    """Where the first layer of LeNet-300-100 still looks after pruning.

    On the left all its weights, a row for each unit and a column for each of the 784 pixels: 28 bands, one for each row
    of a picture, empty where digits have no ink. On the right, for each pixel the units that still read it.
    """
    weight, _ = read(ctx, "lenet300")["fc1"]
    kept = weight != 0
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(5, 2))
    left.imshow(kept.numpy(), cmap="Blues", aspect="auto", interpolation="nearest")
    left.set(xlabel="pixel", ylabel="unit", xticks=range(0, 784, 56))
    image = right.imshow(kept.sum(0).view(28, 28).numpy(), cmap="viridis", interpolation="nearest")
    right.set(xticks=[], yticks=[])
    figure.colorbar(image, ax=right, label="units of 300 that read the pixel")
    return figure


def read(ctx: Context, net: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Return each layer's weights that a training left, and the histogram of those before, as `histogram` gives it.

    Raises: ValueError: the file is damaged, or of another network.
    """
    (path,) = ctx.files(f"pruned_{net}").values()
    return unpacked(path, list(RECIPES[net].densities))


def unpacked(path: Path, layers: list[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """Read a file that `packed` made."""
    content = load_file(path)
    found = {}
    for layer in layers:
        if f"{layer}.places" not in content:
            raise ValueError(f"{path}: holds no layer {layer}: train the network anew")
        weight = torch.zeros(content[f"{layer}.shape"].tolist())
        weight.view(-1)[content[f"{layer}.places"].long()] = content[f"{layer}.values"].float()
        found[layer] = (weight, content[f"{layer}.before"])
    return found
