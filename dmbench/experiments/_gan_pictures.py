"""Figures of GANs: digits beside their nearest neighbours, rings over training, and how sigma is chosen."""

from dataclasses import replace
from functools import partial
from math import gcd
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from dmbench.experiments._gan_centroids import centroids
from dmbench.experiments._gan_runs import for_mixtures
from dmbench.experiments._gan_scores import RING, estimate, flat_digits
from dmbench.experiments._gan_training import sample, train
from dmbench.experiments._generated_digits import beside_neighbours, load_generator
from dmbench.experiments.gan import SHORT, SHORT_SIZES, SMALL
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.metrics.parzen import SIGMAS
from dmbench.models.gan import KINDS, Generator

MOMENTS = (0, 50, 100, 200, 400, 800)  # updates after which a ring's samples are drawn
SHOWN = 2500  # samples of a ring
SEED = 0


def show(folder: Path, weights: str = "") -> list[Path]:
    """Draw digits of a generator beside the nearest training digits.

    weights: a file that `dmbench run gan --number short_parzen` left in kept/; else the one that dmbench holds.

    Returns: digits.png.

    Raises: ValueError: the file is of another network. OSError: it cannot be read, or the folder not be written.
    """
    store = Store.from_environment()
    given = {"gan_mnist": {"weights": Path(weights)} if weights else store.files("gan_mnist")}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "digits.png"
    digits(Drawing("gan", {**given, "mnist": store.files("mnist")})).savefig(path, dpi=150)
    return [path]


@picture("gan_mnist", "mnist")
def digits(ctx: Context) -> Figure:
    """Digits of a small GAN, not chosen, and in red frames the training digit that is nearest to each.

    It has seen each digit five times, the paper's network hundreds of times: strokes are ragged, and ones are many.
    """
    (path,) = ctx.files("gan_mnist").values()
    generator = load_generator(Generator(**SHORT_SIZES), path)
    return beside_neighbours(sample(generator, SHORT, 30, SEED, ctx.device), flat_digits(ctx).train, columns=10)


@picture(over={"kind": KINDS})
def rings(ctx: Context, kind: str) -> Figure:
    """A GAN on eight Gaussians on a ring, by the {kind} loss: 2,500 samples after so many updates of each network.

    Red circles mark the modes; samples of high quality are within less than half of that, three standard deviations.
    Trained where it is drawn.
    """
    torch.manual_seed(SEED)
    generator, discriminator = for_mixtures(ctx, hidden=128, depth=2, units=64, pieces=3, layers=2)
    every = gcd(*MOMENTS)
    seen = [sample(generator, SMALL, SHOWN, SEED, ctx.device)]  # at each multiple of `every`

    def look() -> dict[str, float]:
        seen.append(sample(generator, SMALL, SHOWN, SEED, ctx.device))
        return {}

    recipe = replace(SMALL, kind=kind, updates=MOMENTS[-1])
    data = partial(RING.draw, SMALL.batch, ctx.device)
    train(ctx, recipe, generator, discriminator, lambda _: data(), look, evaluate_every=every)
    figure = Figure(figsize=(2.1 * len(MOMENTS), 2.5), layout="constrained")
    panels: Any = figure.subplots(1, len(MOMENTS))
    for axes, moment in zip(panels, MOMENTS, strict=True):
        samples = seen[moment // every]
        found = RING.score(samples)
        axes.scatter(*samples.T.numpy(), s=1, color="#1f77b4", alpha=0.4, linewidths=0)
        axes.scatter(*RING.centres.T.numpy(), s=30, facecolors="none", edgecolors="#d62728", linewidths=0.8)
        axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")
        axes.set_title(f"{moment} updates\n{found.modes} modes, {100 * found.high_quality:.0f} % good", fontsize=9)
    return figure


@picture("mnist")
def windows(ctx: Context) -> Figure:
    """How the width of Parzen windows is chosen: the likelihood of validation digits under samples of three kinds.

    2,000 samples each: training digits, 500 centroids of k-means, and pixels drawn each by itself. The dot is the
    width that is chosen. Centroids, which are blurred, are preferred to digits (Theis et al. 2016).
    """
    flat = flat_digits(ctx)
    torch.manual_seed(SEED)
    pixels = (flat.train.mean(0) + flat.train.std(0) * torch.randn(2000, 784)).clamp(0, 1)
    blurred = centroids(flat.train[:10_000], 500, rounds=2)
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    few = flat._replace(test=flat.test[:500], validation=flat.validation[:500])
    for samples, label in ((flat.train[:2000], "digits"), (blurred, "500 centroids"), (pixels, "pixels by themselves")):
        found = estimate(few, samples)
        (line,) = axes.plot(SIGMAS, found.validation, label=label)
        axes.plot(found.sigma, max(found.validation), "o", color=line.get_color())
    axes.set(xscale="log", ylim=(-600, 300), xlabel="sigma", ylabel="validation digits, nats")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
