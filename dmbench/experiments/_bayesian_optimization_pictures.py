"""Figure of Bayesian optimisation: what a process knows of a curve after some evaluations, and where it looks next."""

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmbench.experiments.bayesian_optimization import regression
from dmbench.harness.experiment import Context, picture
from dmbench.nas.bayesian_optimization import expected_improvement

TRUTH, MEAN, GAIN = "#888888", "#1f77b4", "#2ca02c"
PLACES = torch.linspace(0, 1, 201, dtype=torch.float64)
FIRST = (20, 110, 180)  # places that are evaluated before
SHOWN = (3, 4, 6, 9)  # evaluations


def curve(x: Tensor) -> Tensor:
    """A curve with two hills, the higher one on the right."""
    return torch.exp(-((x - 0.28) ** 2) / 0.01) + 1.3 * torch.exp(-((x - 0.75) ** 2) / 0.006) - 0.5


@picture()
def posterior(ctx: Context) -> Figure:
    """A Gaussian process of a curve (grey) after so many evaluations: mean, two deviations, and expected improvement.

    The next evaluation (triangle) is where expected improvement, below, is highest: where the mean is high, or where
    little is known.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.subplots(2, len(SHOWN), sharex=True, sharey="row", height_ratios=(3, 1))
    told = list(FIRST)
    while len(told) <= max(SHOWN):
        mean, deviation, gain = known(told)
        following = int(gain.argmax())
        if len(told) in SHOWN:
            above, below = axes[:, SHOWN.index(len(told))]
            x, middle, spread = PLACES.numpy(), mean.numpy(), 2 * deviation.numpy()
            above.plot(x, curve(PLACES), color=TRUTH, lw=1)
            above.plot(x, middle, color=MEAN, lw=1.5)
            above.fill_between(x, middle - spread, middle + spread, color=MEAN, alpha=0.2, lw=0)
            above.plot(x[told], curve(PLACES[told]), "o", color="black", ms=5)
            above.set_title(f"{len(told)} evaluations", fontsize=10)
            below.fill_between(x, np.zeros_like(x), gain.numpy() / float(gain.max()), color=GAIN, alpha=0.6, lw=0)
            below.plot(x[following], 1.0, "v", color=GAIN, ms=7)
            for one in (above, below):
                one.spines[["top", "right"]].set_visible(False)
        told.append(following)
    axes[0, 0].set_ylabel("value")
    axes[1, 0].set_ylabel("EI, of its\nhighest")
    return figure


def known(told: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, deviation and expected improvement everywhere, after the values at some places."""
    x, y = PLACES[told, None], curve(PLACES[told])
    mean, deviation, _ = regression(x, y, PLACES[:, None], length=0.15, variance=0.5, noise=1e-6)
    return mean, deviation, expected_improvement(mean, deviation, float(y.max()))
