"""The real search by morphisms, from the records of its runs: accuracy as the cost grows, and what was found."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import stats

from dmbench.experiments._nas_real_space import SIDE, macs, read_layers
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.paths import results_folder
from dmbench.harness.records import Record, read

NAMES = {
    "start": "the first network",
    "hill_climbing": "hill climbing by morphisms",
    "random_search": "random search",
    "eas": "EAS",
}
COLOURS = {"start": "#888888", "hill_climbing": "#2ca02c", "random_search": "#1f77b4", "eas": "#d62728"}
NUMBERS = ("real_difference", "real_search")  # one of each stem's real search: their records have all that is drawn
GUESS = 10.0  # % right, where a search has no network yet
STEMS = ("network_morphism", "eas")


@picture()
def real_searches(ctx: Context) -> Figure:
    """Small chains searched on Fashion-MNIST: the best validation accuracy so far, means and 95 % intervals over seeds.

    The cost is counted in multiply-accumulates, of training and of judging. Climbing and EAS train what grew out of
    trained networks for 40 updates, random search each network for 150 from scratch; winners are then trained alike.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, runs in by_strategy().items():
        table = np.array([[point[name] for point in run.curve] for run in runs])
        known = (table > GUESS).all(0)  # every seed has trained a network
        table, shares = table[:, known], np.array([point["budget"] for point in runs[0].curve])[known]
        mean = table.mean(0)
        label = f"{NAMES[name]}, {len(runs)} seed{'s' if len(runs) > 1 else ''}"
        axes.plot(shares, mean, color=COLOURS[name], lw=1.6, label=label)
        if len(runs) > 1:
            reach = stats.sem(table, axis=0) * stats.t.ppf(0.975, len(runs) - 1)
            axes.fill_between(shares, mean - reach, mean + reach, color=COLOURS[name], alpha=0.15, lw=0)
    budget = latest("network_morphism")[0].settings["budget"]
    axes.set(xlabel=f"% of {budget / 1e9:g} billion multiply-accumulates", ylabel="validation accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


@picture()
def winners(ctx: Context) -> Figure:
    """What each search chose, of the first seed: a box is a layer, as high as it has filters, a gap a pool.

    Above a box: its filters and window. In a title: multiply-accumulates of a picture of 14 x 14.
    """
    found = {"start": latest("network_morphism")} | by_strategy()
    figure = Figure(figsize=(8, 1.25 * len(found)), layout="constrained")
    for axes, (name, runs) in zip(np.ravel(figure.subplots(len(found), 1)), found.items(), strict=True):
        layers = runs[0].settings["winners"][name]
        draw(axes, layers, COLOURS[name])
        cost = macs(read_layers(layers), SIDE)
        axes.set_title(f"{NAMES[name]}: {cost / 1000:,.0f} thousand multiply-accumulates", fontsize=9, loc="left")
    return figure


def draw(axes: Axes, text: str, colour: str) -> None:
    """Draw layers as `spelled` writes them, from the left."""
    x = 0.0
    for layer in read_layers(text):
        axes.add_patch(Rectangle((x, 0), 1, layer.filters, facecolor=colour, alpha=0.35, edgecolor="black", lw=0.8))
        axes.text(
            x + 0.5,
            layer.filters + 2,
            f"{layer.filters}, {layer.window}x{layer.window}",
            ha="center",
            va="center",
            fontsize=8,
        )
        x += 1.7 if layer.pooled else 1.1
    axes.set(xlim=(-0.2, 9.5), ylim=(0, 20))
    axes.set_axis_off()


def by_strategy() -> dict[str, list[Record]]:
    """Return by strategy the records whose curve has it."""
    records = [record for stem in STEMS for record in latest(stem)]
    found = {name: [record for record in records if name in record.curve[0]] for name in NAMES}
    return {name: runs for name, runs in found.items() if runs}


def latest(stem: str) -> list[Record]:
    """Return our newest record of each seed of a stem's real search, of the newest protocol; of EAS perhaps none.

    Raises: ValueError: there is none of the climb.
    """
    records, _ = read(results_folder(), [stem])
    mine = [r for r in records if r.number in NUMBERS and r.whose == "dmbench" and r.curve]
    mine.sort(key=lambda record: record.time)
    if not mine and stem == STEMS[0]:
        raise ValueError("no real search is recorded: dmbench run network_morphism --number 'real_*'")
    last = {record.seed: record for record in mine if record.protocol == mine[-1].protocol}
    return [last[seed] for seed in sorted(last, key=lambda seed: math.inf if seed is None else seed)]
