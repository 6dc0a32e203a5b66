"""Pictures with SqueezeNet's predictions, and how much of each layer pruning has left."""

from pathlib import Path

from matplotlib.figure import Figure

from dmbench.experiments import _imagenet_pictures as draw
from dmbench.experiments._imagenet import LABELS, SUBSET, SYNSETS
from dmbench.experiments.squeezenet import WEIGHTS, compressed_file, under_test
from dmbench.harness.experiment import Context, picture
from dmbench.models.squeezenet import CAFFE_LAYERS, SIDE, read_compressed_weights

KEPT, PRUNED = "#1f77b4", "#dcddd6"


@picture(SUBSET, LABELS, SYNSETS, WEIGHTS["10"])
def predictions(ctx: Context) -> Figure:
    """Eight of the 1,300 pictures with the five classes that SqueezeNet 1.0, deep-compressed, finds likeliest.

    Two each of the first 48: right and surest, right and least sure, right among the five, wrong.
    """
    return draw.predictions(ctx, under_test(ctx, "10"), SIDE)


@picture(WEIGHTS["10"])
def densities(ctx: Context) -> Figure:
    """Share of each layer's weights that pruning has left in SqueezeNet 1.0, deep-compressed: 415,921 of 1,244,448."""
    weights = read_compressed_weights(compressed_file(ctx))[::2]
    shares = [100 * int(w.count_nonzero()) / w.numel() for w in weights]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(shares)), 100, color=PRUNED, width=0.8)
    axes.bar(range(len(shares)), shares, color=KEPT, width=0.8)
    axes.set_xticks(range(len(shares)), CAFFE_LAYERS, rotation=90, fontsize=8)
    axes.set_ylabel("weights left, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    return figure


def show(folder: Path, image: str = "", version: str = "1.1") -> list[Path]:
    """Draw a picture file with the five classes that SqueezeNet finds likeliest, as squeezenet_<name>.png.

    version: "1.0", deep-compressed, or "1.1".

    Raises: ValueError, OSError: another version, no file is given, or it cannot be read.
    """
    names = {"1.0": "10", "1.1": "11"}
    if version not in names:
        raise ValueError(f"version must be one of {', '.join(names)}: {version}")
    ctx = draw.context("squeezenet", SYNSETS, WEIGHTS[names[version]])
    return draw.shown(under_test(ctx, names[version]), SIDE, image, draw.words(ctx), folder, "squeezenet")
