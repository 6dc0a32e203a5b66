"""Figures of DCGAN on MNIST: digits beside their nearest neighbours, lines through the latent space, and arithmetic."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dmbench.experiments._digits_training import read_digits
from dmbench.experiments._gan_scores import flat_digits
from dmbench.experiments._gan_training import sample
from dmbench.experiments._generated_digits import beside_neighbours, in_rows, load_generator, nearest
from dmbench.experiments._scaled_mnist_training import generator as seeded
from dmbench.experiments.dcgan import SMALL, SMALL_SIZES, to_unit
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.models.dcgan import DCGenerator, analogy, around, interpolate

SEED = 0
STEPS = 10
LOOKED_AT = 2000  # samples among which concepts are looked for
EXEMPLARS = 3  # of each concept, as in section 6.3.2
CONCEPTS = ((0, 7), (3, 1), (8, 4))  # bold a - thin a + thin b


def show(folder: Path, weights: str = "") -> list[Path]:
    """Draw digits of a generator beside the nearest training digits, interpolations and latent arithmetic.

    weights: a file that `dmbench run dcgan --number mnist_parzen` left in kept/; else the one that dmbench holds.

    Returns: digits.png, lines.png, arithmetic.png.

    Raises: ValueError: the file is of another network. OSError: it cannot be read, or the folder not be written.
    """
    store = Store.from_environment()
    given = {"dcgan_mnist": {"weights": Path(weights)} if weights else store.files("dcgan_mnist")}
    drawing = Drawing("dcgan", {**given, "mnist": store.files("mnist")})
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for draw in (digits, lines, arithmetic):
        paths.append(folder / f"{draw.__name__}.png")
        draw(drawing).savefig(paths[-1], dpi=150)
    return paths


@picture("dcgan_mnist", "mnist")
def digits(ctx: Context) -> Figure:
    """Digits of a small DCGAN, not chosen, and in red frames the training digit that is nearest to each.

    None is a copy of its neighbour. The network has seen each digit only twice: some strokes are none yet.
    """
    found = to_unit(sample(_generator(ctx), SMALL, 30, SEED, ctx.device)).flatten(1)
    return beside_neighbours(found, flat_digits(ctx).train, columns=10)


@picture("dcgan_mnist")
def lines(ctx: Context) -> Figure:
    """Straight lines through the latent space: the first and the last digit of each row are drawn by chance.

    One changes into the other by small steps. The network has seen each digit only twice.
    """
    net = _generator(ctx)
    noise = SMALL.draw(12, ctx.device, seeded(SEED, "lines"))
    return in_rows([_digits(net, interpolate(a, b, STEPS)) for a, b in zip(noise[::2], noise[1::2], strict=True)])


@picture("dcgan_mnist", "mnist")
def arithmetic(ctx: Context) -> Figure:
    """Latent arithmetic: bold a - thin a + thin b; then what comes of it, and of noise around it within 0.25.

    A concept is the mean of the noise of three samples, of 2,000, that a training digit says are an a, with the most or
    the least ink; the first three digits of a row are drawn from those means. The ink is
    carried over; of the shape of b, by a network that has seen each digit only twice, some.
    """
    net, flat = _generator(ctx), flat_digits(ctx)
    noise = SMALL.draw(LOOKED_AT, ctx.device, seeded(SEED, "concepts"))
    found = _digits(net, noise)
    labels = read_digits(ctx, "train").labels[nearest(found, flat.train[:5000])]
    rows = []
    for a, b in CONCEPTS:
        bold, thin = _extremes(noise, found, labels == a)
        _, other = _extremes(noise, found, labels == b)
        means = torch.stack([concept.mean(0) for concept in (bold, thin, other)])
        results = around(analogy(bold, thin, other), 7, generator=seeded(SEED, "around"))
        rows.append(_digits(net, torch.cat([means, results])))
    figure = in_rows(rows)
    for axes, title in zip(figure.axes, ("bold a", "- thin a", "+ thin b", "="), strict=False):
        axes.set_title(title, fontsize=9)
    return figure


def _extremes(noise: Tensor, digits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the noise of the chosen digits with the most and with the least ink, (EXEMPLARS, Z) each."""
    order = digits[chosen].sum(1).argsort(descending=True)
    return noise[chosen][order[:EXEMPLARS]], noise[chosen][order[-EXEMPLARS:]]


def _generator(ctx: Context) -> nn.Module:
    (path,) = ctx.files("dcgan_mnist").values()
    return load_generator(DCGenerator(noise=SMALL.noise, **SMALL_SIZES), path)


@torch.no_grad()
def _digits(net: nn.Module, noise: Tensor) -> Tensor:
    return to_unit(torch.cat([net(part) for part in torch.split(noise, 500)])).flatten(1)
