"""Figures of the neural Turing machine that learnt to copy: what it writes and where it looks, and how far it carries.

Its weights are those that `dmbench run ntm --number copy_bits --seeds 1` leaves in kept/ of the results.
"""

from pathlib import Path
from typing import Any, cast

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from safetensors.torch import load_file
from torch import Tensor

from dmbench.datasets.algorithmic import Batch
from dmbench.experiments._ntm_recipes import COPY
from dmbench.experiments._ntm_training import cost, errors
from dmbench.experiments.ntm import LENGTHS, longer
from dmbench.harness.artifacts import Store
from dmbench.harness.experiment import Context, picture
from dmbench.models.ntm import NTM, State

WEIGHTS = "ntm_copy"
BITS: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": 1, "interpolation": "nearest", "aspect": "auto"}
WEIGHT: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest", "aspect": "auto"}


@picture(WEIGHTS)
def attention(ctx: Context) -> Figure:
    """What a machine does while it copies 20 vectors: above its input and output, below where its two heads look.

    A column is a time step, black a weight of 1. It writes one vector after another into neighbouring locations; at the
    delimiter the read head jumps to where writing began, and follows.
    """
    return draw_attention(_net(ctx.files(WEIGHTS)), 20)


@picture(WEIGHTS)
def memory(ctx: Context) -> Figure:
    """The memory while a machine copies 20 vectors: at the start, after half of the input, after all of it, at the end.

    A row is a location, a column one of its 20 values.
    """
    net = _net(ctx.files(WEIGHTS))
    states, _ = run(net, longer(20, 1))
    shown = {
        "before": net.first(1),
        "after 10 vectors": states[9],
        "after 20": states[19],
        "after the copy": states[-1],
    }
    figure = Figure(figsize=(11, 5), layout="constrained")
    grid: Any = figure.subplots(1, len(shown), sharey=True)
    reach = max(float(state.memory.detach().abs().max()) for state in shown.values())
    for axes, (title, state) in zip(grid, shown.items(), strict=True):
        values = state.memory[0].detach().numpy()
        image = axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest", aspect="auto")
        axes.set(title=title, xticks=[])
    grid[0].set_ylabel("location")
    figure.colorbar(image, ax=grid, label="value")
    return figure


@picture(WEIGHTS)
def generalisation(ctx: Context) -> Figure:
    """Copies of 10, 20, 30, 50 and 120 vectors by a machine that was trained on 1 to 20, above what they should be.

    A column is a vector of 8 bits, and the colour how likely the machine takes each for a one: yellow is certain of a
    one, blue of a zero. Below, what is wrong.
    """
    net = _net(ctx.files(WEIGHTS))
    figure = Figure(figsize=(13, 7), layout="constrained")
    above, below = cast(Any, figure.subfigures(2, 1))
    widths = LENGTHS[:-1]
    grids: list[Any] = [
        above.subplots(3, len(widths), width_ratios=widths, squeeze=False),
        below.subplots(3, 1, squeeze=False),
    ]
    for grid, lengths in zip(grids, (widths, LENGTHS[-1:]), strict=True):
        for column, length in enumerate(lengths):
            batch = longer(length, 1)
            outputs, targets = run(net, batch)[1][-length:], batch.targets[-length:, 0]
            wrong = ((outputs > 0.5) != (targets > 0.5)).float()
            for axes, values, kind in zip(
                grid[:, column], (targets, outputs, wrong), (BITS, BITS, WEIGHT), strict=True
            ):
                axes.imshow(values.T.numpy(), **kind)
                axes.set(xticks=[], yticks=[])
            grid[0, column].set_title(f"{length} vectors", fontsize=10)
            grid[2, column].set_xlabel(f"{int(wrong.sum())} of {8 * length} bits wrong", fontsize=10)
        for axes, label in zip(grid[:, 0], ("target", "output", "wrong"), strict=True):
            axes.set_ylabel(label, fontsize=10)
    return figure


@picture(WEIGHTS)
def by_length(ctx: Context) -> Figure:
    """How many bits of a copy are wrong, and what it costs, by the number of vectors; trained on 1 to 20, in grey."""
    net = _net(ctx.files(WEIGHTS))
    lengths = [5, 10, 15, 20, *range(30, 130, 10)]
    batches = [longer(length, 8) for length in lengths]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(lengths, [100 * errors(net, [b]) / (8 * n) for n, b in zip(lengths, batches, strict=True)], "o-")
    right.semilogy(lengths, [cost(net, [batch]) for batch in batches], "o-")
    for axes, label in ((left, "% of bits wrong"), (right, "bits per sequence")):
        axes.axvspan(1, 20, color="0.92")
        axes.set(xlabel="vectors", ylabel=label)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylim(-0.5, None)
    return figure


def show(folder: Path, length: str = "40") -> list[Path]:
    """Draw what the committed machine does while it copies.

    length: how many vectors, from 1 to 128, the memory's locations.

    Returns: attention.png.

    Raises: ValueError: length is no such number. OSError: the folder cannot be written.
    """
    net = _net(Store.from_environment().files(WEIGHTS))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "attention.png"
    draw_attention(net, int(length)).savefig(path, dpi=150)
    return [path]


def draw_attention(net: NTM, length: int) -> Figure:
    """Draw one copy: input, output and what was read, and the weightings of the write and the read head."""
    batch = longer(length, 1)
    states, outputs = run(net, batch)
    w = torch.stack([state.w[0].detach() for state in states])  # (T, H, N)
    reads = torch.stack([state.reads[0].detach() for state in states])
    answers = outputs.masked_fill(batch.counted[:, :1] == 0, float("nan"))  # where nothing is asked, nothing is drawn
    figure = Figure(figsize=(9, 10), layout="constrained")
    rows: Any = figure.subplots(5, 1, sharex=True, height_ratios=(2, 2, 2.5, 5, 5))
    rows[0].imshow(batch.x[:, 0].T.numpy(), **BITS)
    rows[1].imshow(answers.T.numpy(), **BITS)
    reach = float(reads.abs().max()) or 1.0
    rows[2].imshow(reads.T.numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest", aspect="auto")
    lowest, highest = _used(w)
    for axes, head in ((rows[3], 1), (rows[4], 0)):
        axes.imshow(w[:, head, lowest:highest].T.numpy(), extent=(-0.5, len(w) - 0.5, highest, lowest), **WEIGHT)
    labels = ("input", "output", "read", "write weighting\nlocation", "read weighting\nlocation")
    for axes, label in zip(rows, labels, strict=True):
        axes.set_ylabel(label)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    rows[4].set_xlabel("time step")
    return figure


@torch.no_grad()
def run(net: NTM, batch: Batch) -> tuple[list[State], Tensor]:
    """Return the states after all time steps, and how likely each output of the one sequence is a one, (T, O)."""
    states: list[State] = []
    scores, _ = net(batch.x, watch=states.append)
    return states, torch.sigmoid(scores[:, 0])


def _used(w: Tensor) -> tuple[int, int]:
    """Return the first location and the one after the last that any head looks at with a tenth of its weight."""
    most = w.amax((0, 1))
    seen = torch.nonzero(most >= min(0.1, float(most.max())))[:, 0]
    return int(seen.min()), int(seen.max()) + 1


def _net(files: dict[str, Path]) -> NTM:
    (path,) = files.values()
    net = NTM(*COPY.sizes)
    net.load_state_dict(load_file(path))
    return net.eval()
