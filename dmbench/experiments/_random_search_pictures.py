"""Figures of the strategies on NAS-Bench-201: regret as evaluations go on, and the cells that they found."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from dmbench.datasets.nas_bench_201 import NasBench201
from dmbench.experiments._nas import ARTIFACTS, DATA, SPACE, read_bench, runs
from dmbench.experiments._nas_statistics import mean_and_error, regrets
from dmbench.experiments._nas_strategies import STRATEGIES
from dmbench.harness.experiment import Context, picture
from dmbench.nas.parts.cell_201 import EDGES
from dmbench.nas.parts.search import History
from dmbench.nas.space import Point

RUNS, EVALUATIONS = 20, 150
FEWER = {"bayesian_optimization": 10}  # runs of what takes 0.3 s each
NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16_120": "ImageNet-16-120"}
# Strategies that are drawn, with colours of their own.
DRAWN = {
    "random_search": "#888888",
    "regularized_evolution": "#1f77b4",
    "hill_climbing": "#2ca02c",
    "reinforce": "#d62728",
    "ppo": "#ff7f0e",
    "q_learning": "#9467bd",
    "mcts": "#17becf",
    "ucb": "#bcbd22",
    "bayesian_optimization": "#e377c2",
}
COLOURS = {
    "skip_connect": "#888888",
    "nor_conv_1x1": "#ff7f0e",
    "nor_conv_3x3": "#d62728",
    "avg_pool_3x3": "#1f77b4",
}
PLACES = ((0.0, 0.5), (1.0, 1.0), (1.0, 0.0), (2.0, 0.5))  # of the four nodes


@picture(*ARTIFACTS)
def regret(ctx: Context) -> Figure:
    """How far the cell that each strategy would choose lies below the best one, after so many evaluations.

    Means over 20 runs of each strategy, 10 of Bayesian optimisation, with standard errors. A search sees validation
    accuracies after 12 epochs; what is drawn is the test accuracy after 200.
    """
    bench = read_bench(ctx)
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(DATA)), DATA, strict=True):
        for name, colour in DRAWN.items():
            mean, error = mean_and_error(regrets(_searched(bench, name, data), bench.test(data)))
            steps = np.arange(1, EVALUATIONS + 1)
            axes.plot(steps, mean, color=colour, lw=1.4, label=name.replace("_", " "))
            axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
        axes.set(xscale="log", yscale="log", title=NAMES[data], xlabel="evaluations")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("regret, points of test accuracy")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


@picture(*ARTIFACTS)
def cells(ctx: Context) -> Figure:
    """The best cells that any of these searches found by validation accuracy, beside the best of all by test accuracy.

    An arrow is an operation on the node where it begins; a node adds what arrives. No arrow: no connection.
    """
    bench = read_bench(ctx)
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    for column, data in enumerate(DATA):
        signal, test = bench.signal(data), bench.test(data)
        tried = {point for name in DRAWN for history in _searched(bench, name, data) for point in history.points}
        best = max(SPACE.points(), key=lambda point, test=test: test.of(point).percent)  # type: ignore[misc]
        for row, (point, what) in enumerate(((max(tried, key=signal), "found"), (best, "best of all"))):
            axes = figure.add_subplot(2, len(DATA), 1 + column + row * len(DATA))
            draw(axes, point)
            axes.set_title(f"{NAMES[data]}, {what}: {test.of(point).percent:.2f} %", fontsize=10)
    handles = [figure.axes[0].plot([], [], color=colour, lw=2, label=name)[0] for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw(axes: Axes, point: Point) -> None:
    """Draw a cell of NAS-Bench-201: node 0 on the left, its output on the right."""
    for name, (to, source) in zip(SPACE.values(point), EDGES, strict=True):
        if name == "none":
            continue
        axes.add_patch(
            FancyArrowPatch(
                PLACES[source],
                PLACES[to],
                arrowstyle="-|>",
                mutation_scale=14,
                shrinkA=13,
                shrinkB=13,
                color=COLOURS[name],
                lw=2,
            )
        )
    for index, (x, y) in enumerate(PLACES):
        axes.plot(x, y, "o", ms=22, mfc="white", mec="black")
        axes.text(x, y, str(index), ha="center", va="center")
    axes.set(xlim=(-0.25, 2.25), ylim=(-0.25, 1.25))
    axes.set_axis_off()


@cache
def _searched(bench: NasBench201, name: str, data: str) -> list[History]:
    return runs(
        STRATEGIES[name], SPACE, bench.signal(data), count=min(RUNS, FEWER.get(name, RUNS)), budget=EVALUATIONS, seed=0
    )
