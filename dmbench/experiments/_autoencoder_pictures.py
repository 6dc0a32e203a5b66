"""Figures of the deep autoencoder: components of digits, and what is left of digits in so many of them."""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.experiments._digits_training import read_digits
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.models.autoencoder import principal_components, project, squared_error

COUNTS = (2, 10, 30, 100)
SOME = 10_000
INK = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest"}


def show(folder: Path) -> list[Path]:
    """Draw test digits and what is left of them in principal components.

    Returns: reconstructions.png.

    Raises: OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "reconstructions.png"
    ctx = Drawing("autoencoder", {"mnist": Store.from_environment().files("mnist")})
    reconstructions(ctx).savefig(path, dpi=150)
    return [path]


@picture("mnist")
def reconstructions(ctx: Context) -> Figure:
    """Test digits, the first of each class, and what is left of them in 2, 10, 30 and 100 principal components.

    Beside each row the mean squared error of all test digits; the paper prints 13.87 for 30. Components of the
    first 10,000 training digits.
    """
    train = read_digits(ctx, "train").images[:SOME].flatten(1)
    images, labels = read_digits(ctx, "test")
    test = images.flatten(1)
    shown = torch.stack([test[labels == label][0] for label in range(10)])
    mean, components = principal_components(train, max(COUNTS))
    rows = {"test digit": shown}
    for count in COUNTS:
        error = float(squared_error(project(test, mean, components[:count]), test).mean())
        rows[f"{count} values\nerror {error:.2f}"] = project(shown, mean, components[:count])
    return rows_of_digits(rows)


def rows_of_digits(rows: dict[str, Tensor]) -> Figure:
    """Draw rows of digits, (columns, 784) each, with their names."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(0.9 * columns + 0.8, 0.95 * len(rows)), layout="constrained")
    grid: Any = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (name, digits) in zip(grid, rows.items(), strict=True):
        for one, digit in zip(axes, digits, strict=True):
            one.imshow(digit.view(28, 28).numpy(), **INK)
            one.set(xticks=[], yticks=[])
            one.spines[:].set_color("#bbbbbb")
        axes[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
    return figure
