"""Figures of data augmentation: what training sees of one picture, and the ten views of the test."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.datasets.cifar10 import read_first_100
from dmbench.harness.experiment import Context, picture
from dmbench.regularizers.data_augmentation import alter_colour, colour_axes, flip, jitter, random_crop, ten_views

SHOWN = (0, 1)  # test pictures: a cat, a ship
DRAWS = 9
STRONG = 0.5  # deviation of the colours' draws, five times the paper's, so that they show


@picture("cifar10_test_first100")
def draws(ctx: Context) -> Figure:
    """Two pictures of CIFAR-10 as training sees them; the first column is the picture itself.

    Padded crops and reflections; colours along their axes, five times stronger than in AlexNet's paper; and brightness,
    contrast and saturation.
    """
    x = pictures(ctx)
    generator = torch.Generator().manual_seed(0)
    variances, axes = colour_axes(x)
    rows = []
    for i in SHOWN:
        many = x[i].expand(DRAWS, -1, -1, -1)
        changed = (
            flip(random_crop(many, 32, 4, generator), generator=generator),
            alter_colour(many, variances, axes, STRONG, generator),
            jitter(many, 0.5, generator),
        )
        rows += [torch.cat([x[i][None], one]) for one in changed]
    return grid(torch.stack(rows), ("crop, reflect", "colour axes", "jitter") * len(SHOWN))


@picture("cifar10_test_first100")
def views(ctx: Context) -> Figure:
    """The ten views of 24 x 24 pixels over which a test averages: four corners, the centre, and their reflections."""
    return grid(ten_views(pictures(ctx)[list(SHOWN)], 24), ("", ""))


def pictures(ctx: Context) -> Tensor:
    """Return the first hundred test pictures, in [0, 1]."""
    return read_first_100(ctx.files("cifar10_test_first100"))[0].float() / 255


def grid(rows: Tensor, labels: tuple[str, ...]) -> Figure:
    """Draw pictures (R, K, 3, H, W) in rows."""
    figure = Figure(figsize=(rows.shape[1], len(rows) * 1.05), layout="constrained")
    axes = figure.subplots(*rows.shape[:2], squeeze=False)
    for row, (line, label) in enumerate(zip(rows, labels, strict=True)):
        axes[row, 0].set_ylabel(label, fontsize=8)
        for column, one in enumerate(line):
            place = axes[row, column]
            place.imshow(one.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
    return figure
