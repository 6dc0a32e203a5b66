"""Figures of generated digits, of any generator: beside their nearest training digits, and in rows.

Shapes: N digits, (N, 28, 28) or (N, 784), in [0, 1].
"""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import Tensor, nn

INK = {"cmap": "gray_r", "interpolation": "nearest", "vmin": 0, "vmax": 1}


def load_generator(net: nn.Module, path: Path) -> nn.Module:
    """Put weights that a training kept, in half precision, into a generator, in evaluation mode.

    Raises: ValueError: the file is of another network.
    """
    try:
        net.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in load_file(path).items()})
    except RuntimeError as error:
        raise ValueError(f"{path}: holds weights of another network: {str(error).splitlines()[-1].strip()}") from error
    return net.eval()


def nearest(digits: Tensor, among: Tensor) -> Tensor:
    """Return the place of the training digit (P, 784) that is nearest to each digit (N, 784), by Euclidean distance."""
    return torch.cat([torch.cdist(part, among).argmin(1) for part in torch.split(digits, 100)])


def beside_neighbours(digits: Tensor, training: Tensor, columns: int) -> Figure:
    """Draw generated digits (N, 784) in rows, and below each, in a frame, the nearest of the training digits (P, 784).

    N is a multiple of `columns`.
    """
    found = training[nearest(digits, training)]
    rows = len(digits) // columns
    figure = Figure(figsize=(0.85 * columns, 1.9 * rows), layout="constrained")
    grid: Any = figure.subplots(2 * rows, columns, squeeze=False)
    for n in range(rows * columns):
        row, column = divmod(n, columns)
        for below, image in enumerate((digits[n], found[n])):
            axes = grid[2 * row + below, column]
            axes.imshow(image.view(28, 28).numpy(), **INK)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color="#d62728" if below else "#cccccc", linewidth=1.5 if below else 0.5)
    for row in range(rows):
        grid[2 * row, 0].set_ylabel("generated", fontsize=8)
        grid[2 * row + 1, 0].set_ylabel("nearest", fontsize=8)
    return figure


def in_rows(rows: list[Tensor], labels: list[str] | None = None) -> Figure:
    """Draw rows of digits, (N, 784) each."""
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(0.85 * columns + 0.6, 0.95 * len(rows)), layout="constrained")
    grid: Any = figure.subplots(len(rows), columns, squeeze=False)
    for k, row in enumerate(rows):
        for column in range(columns):
            axes = grid[k, column]
            if column < len(row):
                axes.imshow(row[column].view(28, 28).numpy(), **INK)
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color="#cccccc", linewidth=0.5)
            else:
                axes.axis("off")
        if labels is not None:
            grid[k, 0].set_ylabel(labels[k], fontsize=8)
    return figure
