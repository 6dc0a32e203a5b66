"""Figures of the small search by DARTS: what each edge's mixture is made of as the search goes on, and the cells found.

`python -m dmbench.experiments._darts_pictures KEPT FILE` joins what searches left in the folder KEPT into one file, the
artifact that these figures read: alpha at each point of the curve, (T, E, K), by search and seed.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor

from dmbench.datasets.nas_bench_201 import read_nas_bench_201
from dmbench.experiments._random_search_pictures import COLOURS, draw
from dmbench.experiments.darts import RECIPES
from dmbench.harness.experiment import Context, picture
from dmbench.nas.darts import strongest
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS

ALPHAS = "darts_alphas"
TITLES = {
    "first": "15 cells,\nfirst order",
    "second": "15 cells,\nsecond order",
    "shallow": "3 cells,\nfirst order",
}
DRAWN = {"none": "#dddddd", **COLOURS, "skip_connect": "black"}


@picture(ALPHAS)
def weights(ctx: Context) -> Figure:
    """What the mixture on each edge of the cell is made of as the search goes on: the softmax of alpha.

    Lines are means over seeds, bands go from the least to the most. With 15 cells skip connections come to lead on most
    edges, with 3 cells on few.
    """
    found = read(ctx)
    figure = Figure(figsize=(13, 2.2 * len(found) + 0.6), layout="constrained")
    grid = figure.subplots(len(found), len(EDGES), sharex="row", sharey=True, squeeze=False)
    for row, (search, alphas) in zip(grid, found.items(), strict=True):
        shares = torch.stack(alphas).softmax(-1)  # (seeds, T, E, K)
        updates = [recipe_points(search, point) for point in range(1, shares.shape[1] + 1)]
        for edge, axes in enumerate(row):
            for place, name in enumerate(OPERATIONS):
                here = shares[:, :, edge, place]
                axes.fill_between(updates, here.amin(0), here.amax(0), color=DRAWN[name], alpha=0.2, lw=0)
                axes.plot(updates, here.mean(0), color=DRAWN[name], lw=1.5, label=name)
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(TITLES[search])
    for axes, (to, source) in zip(grid[0], EDGES, strict=True):
        axes.set_title(f"from {source} to {to}", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("updates of alpha")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


@picture(ALPHAS, "nas_bench_201")
def cells(ctx: Context) -> Figure:
    """The cell that each search ends with, and the test accuracy that NAS-Bench-201 has for it on CIFAR-10.

    Searched on Fashion-MNIST; the cell of six skip connections, where NAS-Bench-201's own search by DARTS ended on
    CIFAR-10, has 54.30 %. An arrow is an operation on the node where it begins; a node adds what arrives.
    """
    found, test = read(ctx), read_nas_bench_201(ctx.files("nas_bench_201")).test("cifar10")
    columns = max(map(len, found.values()))
    figure = Figure(figsize=(2.6 * columns, 2 * len(found) + 0.4), layout="constrained")
    grid = figure.subplots(len(found), columns, squeeze=False)
    for row, (search, seeds) in zip(grid, found.items(), strict=True):
        for axes in row[len(seeds) :]:
            axes.set_axis_off()
        for seed, (axes, alphas) in enumerate(zip(row, seeds, strict=False)):
            point = tuple(OPERATIONS.index(name) for name in strongest(alphas[-1]))
            draw(axes, point)
            words = TITLES[search].replace("\n", " ")
            axes.set_title(f"{words}, seed {seed}:\n{test.of(point).percent:.2f} %", fontsize=9)
    handles = [grid[0, 0].plot([], [], color=colour, lw=2, label=name)[0] for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def recipe_points(search: str, point: int) -> int:
    """Return the update of a point of the curve, counted from 1."""
    return min(point * RECIPES[search].evaluate_every, RECIPES[search].updates)


def read(ctx: Context) -> dict[str, list[Tensor]]:
    """Return by search, of those that the file has, the alphas of its seeds in their order, (T, E, K).

    Raises: ValueError: it has none.
    """
    (path,) = ctx.files(ALPHAS).values()
    content = load_file(path)
    found = {
        search: [content[name] for name in sorted(content) if name.startswith(f"{search}_seed")] for search in TITLES
    }
    if not any(found.values()):
        raise ValueError(f"{path}: holds no search by DARTS: join what dmbench run darts --tier slow left")
    return {search: alphas for search, alphas in found.items() if alphas}


def join(folder: Path, target: Path) -> None:
    """Write the alphas that searches left in a folder into one file, by search and seed.

    Raises: FileNotFoundError: there are none.
    """
    found = {
        path.stem.rpartition("alphas_")[2]: load_file(path)["alphas"] for path in folder.glob("*alphas_*.safetensors")
    }
    if not found:
        raise FileNotFoundError(f"{folder} holds no alphas: dmbench run darts --tier slow leaves them in kept/")
    save_file(dict(sorted(found.items())), target)


if __name__ == "__main__":
    join(Path(sys.argv[1]), Path(sys.argv[2]))
