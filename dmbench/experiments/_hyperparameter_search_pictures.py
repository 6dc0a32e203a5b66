"""Figure of hyper-parameter search: nine trials on a grid and at random, where one of two parameters matters."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmbench.experiments.hyperparameter_search import PLANE
from dmbench.harness.experiment import Context, picture
from dmbench.regularizers.hyperparameter_search import Trial, distinct, grid, random_layout

POINT, CURVE, SLIGHT = "#d62728", "#2ca02c", "#e6ab02"


@picture()
def layouts(ctx: Context) -> Figure:
    """Nine trials on a grid and nine random ones: along what matters, three values are tested and nine.

    Above each square is the important parameter's share of what is searched for, beside it the unimportant one's; lines
    go from each trial to what it tells of the first.
    """
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    panels = {
        "grid": grid(PLANE, dict.fromkeys(PLANE, 3)),
        "random": random_layout(PLANE, 9, torch.Generator().manual_seed(1)),
    }
    for part, (name, trials) in zip(figure.subfigures(1, 2, squeeze=False)[0], panels.items(), strict=True):
        axes = part.subplots(2, 2, width_ratios=(4, 1), height_ratios=(1, 3), sharex="col", sharey="row")
        axes[0, 1].remove()
        _draw(axes[0, 0], axes[1, 0], axes[1, 1], trials)
        axes[0, 0].set_title(f"{name}: {distinct(trials, 'important')} values of the important parameter", fontsize=10)
    return figure


def important(x: float) -> float:
    """A narrow peak."""
    return math.exp(-(((x - 0.67) / 0.12) ** 2))


def unimportant(y: float) -> float:
    """A slight slope."""
    return 0.1 + 0.1 * y


def _draw(above: Axes, square: Axes, beside: Axes, trials: list[Trial]) -> None:
    places = [i / 200 for i in range(201)]
    xs, ys = ([trial[key] for trial in trials] for key in ("important", "unimportant"))
    above.plot(places, [important(x) for x in places], color=CURVE)
    above.plot(xs, [important(x) for x in xs], "o", color=POINT, ms=5)
    beside.plot([unimportant(y) for y in places], places, color=SLIGHT)
    square.plot(xs, ys, "o", color=POINT, ms=7)
    for x, y in zip(xs, ys, strict=True):
        square.plot([x, x], [y, 1], color="#bbbbbb", lw=0.8, zorder=0)
        above.plot([x, x], [0, important(x)], color="#bbbbbb", lw=0.8, zorder=0)
    square.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], xlabel="important", ylabel="unimportant")
    above.set(ylim=(0, 1.1), yticks=[])
    beside.set(xlim=(0, 1.1), xticks=[])
