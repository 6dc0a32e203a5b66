"""The MNIST experiment of batch normalisation as the paper's Figure 1 draws it, from the records of its training."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.paths import results_folder
from dmbench.harness.records import Record, read

NAMES = {"plain": "without", "normalised": "with"}
COLOURS = {"plain": "#cc6677", "normalised": "#4477aa"}
PERCENTILES = ("p15", "p50", "p85")


@picture()
def mnist_accuracy_and_drift(ctx: Context) -> Figure:
    """Two networks of sigmoids on MNIST, with and without batch normalisation, as Figure 1 of Ioffe and Szegedy (2015).

    Left: test accuracy, all seeds. Then the 15th, 50th and 85th percentiles of the input of the last hidden layer's
    first sigmoid, of the first seed; the number mnist_drift is over all of the layer's.
    """
    records, _ = read(results_folder(), ["batch_norm"])
    return drawn(latest(records))


def latest(records: list[Record]) -> list[Record]:
    """Return our newest record of each seed, of the newest protocol.

    Raises: ValueError: there is none.
    """
    mine = sorted(
        (r for r in records if r.number == "mnist_gain" and r.whose == "dmbench" and r.curve), key=lambda r: r.time
    )
    if not mine:
        raise ValueError("no training is recorded: dmbench run batch_norm --number 'mnist_*'")
    found = {r.seed: r for r in mine if r.protocol == mine[-1].protocol}
    return [found[seed] for seed in sorted(found, key=lambda seed: seed or 0)]


def drawn(runs: list[Record]) -> Figure:
    """Draw accuracies of all runs, and the percentiles of the first."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    accuracy, *inputs = np.ravel(figure.subplots(1, 3))
    for name, words in NAMES.items():
        for i, run in enumerate(runs):
            label = f"{words} normalisation" if i == 0 else None
            accuracy.plot(_of(run, "update"), _of(run, f"{name}_accuracy"), color=COLOURS[name], lw=1, label=label)
    accuracy.set(xlabel="updates", ylabel="test accuracy, %", ylim=(85, 99))
    accuracy.legend(fontsize=8)
    for axes, name in zip(inputs, NAMES, strict=True):
        low, middle, high = (_of(runs[0], f"{name}_{key}") for key in PERCENTILES)
        axes.fill_between(_of(runs[0], "update"), low, high, color=COLOURS[name], alpha=0.25)
        axes.plot(_of(runs[0], "update"), middle, color=COLOURS[name])
        axes.set(xlabel="updates", title=f"a sigmoid's input, {NAMES[name]}")
        axes.title.set_fontsize(9)
    limits = [bound for axes in inputs for bound in axes.get_ylim()]
    for axes in inputs:
        axes.set_ylim(min(limits), max(limits))
    return figure


def _of(record: Record, key: str) -> list[Any]:
    return [point[key] for point in record.curve]
