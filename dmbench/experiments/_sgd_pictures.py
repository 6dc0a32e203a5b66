"""The ways of all optimisers down a valley, off a saddle and at a cliff, for the report."""

from collections.abc import Callable
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.experiments import _surfaces as surfaces
from dmbench.experiments._optimisers import walk
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.optim.adagrad import Adagrad
from dmbench.optim.adam import Adam
from dmbench.optim.gradient_clipping import clip_by_norm_
from dmbench.optim.lbfgs import LBFGS
from dmbench.optim.rmsprop import RMSprop
from dmbench.optim.sgd import SGD

Way = tuple[Any, dict[str, Any], int]  # optimiser, options, steps
VALLEY: dict[str, Way] = {
    "gradient descent": (SGD, {"lr": 0.0195}, 60),
    "momentum": (SGD, {"lr": 0.004, "momentum": 0.8}, 60),
    "Nesterov": (SGD, {"lr": 0.004, "momentum": 0.8, "nesterov": True}, 60),
    "AdaGrad": (Adagrad, {"lr": 0.4}, 60),
    "RMSProp": (RMSprop, {"lr": 0.03, "alpha": 0.9}, 60),
    "Adam": (Adam, {"lr": 0.1}, 60),
    "L-BFGS": (LBFGS, {"max_iter": 1, "line_search_fn": "strong_wolfe"}, 8),
}
SADDLE: dict[str, Way] = {
    "gradient descent": (SGD, {"lr": 0.1}, 60),
    "momentum": (SGD, {"lr": 0.1, "momentum": 0.6}, 60),
    "Nesterov": (SGD, {"lr": 0.1, "momentum": 0.6, "nesterov": True}, 60),
    "AdaGrad": (Adagrad, {"lr": 0.2}, 60),
    "RMSProp": (RMSprop, {"lr": 0.04, "alpha": 0.9}, 60),
    "Adam": (Adam, {"lr": 0.1}, 60),
}
CLIFF: dict[str, Way] = {
    "gradient descent": (SGD, {"lr": 0.3}, 60),
    "gradient descent, clipped": (SGD, {"lr": 0.3}, 60),
    "momentum": (SGD, {"lr": 0.1, "momentum": 0.8}, 60),
    "Nesterov": (SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True}, 60),
    "AdaGrad": (Adagrad, {"lr": 0.05}, 60),
    "RMSProp": (RMSprop, {"lr": 0.01, "alpha": 0.9}, 60),
    "Adam": (Adam, {"lr": 0.03}, 60),
}
THETA = 0.2  # the clipped one's bound on the gradient's norm
Surface = Callable[[Tensor], Tensor]


@picture()
def down_a_valley(ctx: Context) -> Figure:
    """Optimisers down a valley whose curvatures are 1 and 100, from (-1, 0.5), 60 steps (L-BFGS: 8 iterations).

    Gradient descent swings across and creeps along; momentum carries it on; methods that divide a gradient by its own
    size walk as if there were no valley. Right: the value over steps. Rates differ, and stand in the legend.
    """
    return drawn(surfaces.valley, VALLEY, (-1.0, 0.5), ((-1.2, 0.4), (-0.6, 0.6)))


@picture()
def off_a_saddle(ctx: Context) -> Figure:
    """Optimisers from (1, 0.00001), beside the ridge of a saddle, 60 steps.

    Gradient descent comes to the middle and stays for long, for the slope is as small as the distance from the ridge;
    methods that divide by its size leave at once. Right: the value over steps.
    """
    return drawn(surfaces.saddle, SADDLE, (1.0, 1e-5), ((-1.1, 1.1), (-1.5, 1.5)), low=-1.0)


@picture()
def at_a_cliff(ctx: Context) -> Figure:
    """Optimisers at the cliff of Pascanu et al. (2013), Figure 6, 60 steps, and gradient descent with clipping.

    The error of a recurrent net of one unit over its weight and bias; at the wall the gradient is a thousand times that
    of the ground beside it. Clipped by norm, a step there stays as short as beside it. Right: the error over steps.
    """
    return drawn(surfaces.cliff, CLIFF, (4.6, -2.36), ((4.2, 5.2), (-2.75, -1.95)))


def drawn(
    surface: Surface,
    ways: dict[str, Way],
    begin: tuple[float, float],
    box: tuple[tuple[float, float], tuple[float, float]],
    low: float | None = None,
) -> Figure:
    """Draw the surface's contours in a box with the walks on it, and beside them their values down to `low`."""
    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    plan, height = figure.subplots(1, 2, width_ratios=(1.4, 1))
    x, y = torch.meshgrid(*(torch.linspace(*side, 160, dtype=torch.float64) for side in box), indexing="xy")
    plan.contourf(x, y, surface(torch.stack([x, y])), 24, cmap="Greys", alpha=0.6)
    for name, way in ways.items():
        path = torch.cat([torch.tensor([begin], dtype=torch.float64), walked(surface, way, begin, name)])
        values = [float(surface(place)) for place in path]
        label = f"{name}, {way[1]['lr']:g}" if "lr" in way[1] else name
        (line,) = plan.plot(path[:, 0], path[:, 1], ".-", ms=3, lw=1, label=label)
        height.plot(values, color=line.get_color(), lw=1)
    plan.set(xlim=box[0], ylim=box[1])
    plan.legend(fontsize=7, loc="upper right")
    height.set(xlabel="step", ylabel="value")
    if low is None:
        height.set_yscale("log")
    else:
        height.set_ylim(bottom=low)
    return figure


def walked(surface: Surface, way: Way, begin: tuple[float, float], name: str) -> Tensor:
    """Return the places after each step, (steps, 2)."""
    build, options, steps = way
    if name.endswith("clipped"):
        build = clipping(build)
    return walk(build, surface, torch.tensor(begin, dtype=torch.float64), steps, options)


def clipping(build: Any) -> Any:
    """Return the optimiser with its gradients clipped by norm before each step."""

    class Clipping(build):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            loss = closure() if closure is not None else None
            clip_by_norm_([w for group in self.param_groups for w in group["params"]], THETA)
            super().step()
            return loss

    return Clipping
