"""Figures of variational autoencoders trained on MNIST: what they make up, what lies between digits, the latent plane.

`python -m dmbench.experiments._vae_pictures FILE` trains the network of two latent values that the plane is drawn with.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import Tensor

from dmbench.experiments._autoencoder_pictures import INK, rows_of_digits
from dmbench.experiments._digits_training import read_digits
from dmbench.experiments._vae_training import SHORT, Recipe, trained
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.models.vae import VAE

WEIGHTS, PLANE_WEIGHTS = "vae_mnist", "vae_mnist_plane"
PLANE = replace(SHORT, latent=2, stages=((3, 3e-3), (1, 1e-3)), draws=1)
SHOWN, STEPS, SIDE = 10, 9, 16  # made-up digits, steps between two digits, digits along a side of the plane
PAIRS = ((3, 1), (8, 6), (7, 4), (9, 0))  # classes that are joined


def show(folder: Path) -> list[Path]:
    """Draw made-up digits with their nearest neighbours, reconstructions, ways between digits and the latent plane.

    Returns: the files.

    Raises: OSError: the folder cannot be written.
    """
    store = Store.from_environment()
    ctx = Drawing("vae", {name: store.files(name) for name in ("mnist", WEIGHTS, PLANE_WEIGHTS)})
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for draw in (made_up, reconstructed, between, plane):
        paths.append(folder / f"{draw.__name__}.png")
        draw(ctx).savefig(paths[-1], dpi=150)
    return paths


@picture("mnist", WEIGHTS)
def made_up(ctx: Context) -> Figure:
    """Digits that a variational autoencoder makes up from noise, above the training digits that are nearest to them.

    Burda's network after 10 passes. Probabilities of ink are drawn; nearest by squared error over pixels.
    """
    net = _net(ctx, WEIGHTS, SHORT)
    z = torch.randn(SHOWN, SHORT.latent, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = torch.sigmoid(net.decode(z))
    train = read_digits(ctx, "train").images.flatten(1)
    nearest = torch.cat([train[(train - one).square().sum(1).argmin()][None] for one in made])
    return rows_of_digits({"made up": made, "nearest in\ntraining": nearest})


@picture("mnist", WEIGHTS)
def reconstructed(ctx: Context) -> Figure:
    """Test digits, the first of each class, and what a variational autoencoder makes of them through 50 values."""
    net, digits = _net(ctx, WEIGHTS, SHORT), _of_each_class(ctx)
    with torch.no_grad():
        return rows_of_digits(
            {"test digit": digits, "recon-\nstruction": torch.sigmoid(net.decode(net.encode(digits)[0]))}
        )


@picture("mnist", WEIGHTS)
def between(ctx: Context) -> Figure:
    """On straight lines from one test digit to another in the latent space: what the generator makes of each point."""
    net, digits = _net(ctx, WEIGHTS, SHORT), _of_each_class(ctx)
    rows = {}
    share = torch.linspace(0, 1, STEPS)[:, None]
    with torch.no_grad():
        codes = net.encode(digits)[0]
        for start, end in PAIRS:
            rows[f"{start} to {end}"] = torch.sigmoid(net.decode(codes[start] + share * (codes[end] - codes[start])))
    return rows_of_digits(rows)


@picture("mnist", PLANE_WEIGHTS)
def plane(ctx: Context) -> Figure:
    """The plane of a network with two latent values, as in the paper's Figure 4b; beside it where test digits lie.

    Each coordinate runs over the prior's quantiles from 2 % to 98 %.
    """
    net, test = _net(ctx, PLANE_WEIGHTS, PLANE), read_digits(ctx, "test")
    quantiles = torch.linspace(0.02, 0.98, SIDE)
    places = torch.special.ndtri(quantiles)
    grid = torch.cartesian_prod(places.flip(0), places).flip(1)  # rows from the top, and (x, y)
    with torch.no_grad():
        made = torch.sigmoid(net.decode(grid)).view(SIDE, SIDE, 28, 28)
        codes = net.encode(test.images.flatten(1)[:3000])[0]
    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(made.permute(0, 2, 1, 3).reshape(SIDE * 28, SIDE * 28).numpy(), **INK)
    left.set(xticks=[], yticks=[])
    dots = right.scatter(*codes.T.numpy(), c=test.labels[:3000].numpy(), cmap="tab10", vmin=-0.5, vmax=9.5, s=4)
    right.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal", xlabel="first latent value", ylabel="second")
    figure.colorbar(dots, ax=right, ticks=range(10), shrink=0.8)
    return figure


def _net(ctx: Context, artifact: str, recipe: Recipe) -> VAE:
    (path,) = ctx.files(artifact).values()
    net = VAE(784, recipe.hidden, recipe.latent)
    net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return net.eval()


def _of_each_class(ctx: Context) -> Tensor:
    """Return the first test digit of each class, (10, 784)."""
    images, labels = read_digits(ctx, "test")
    return torch.stack([images[labels == label][0].flatten() for label in range(10)])


def main(path: Path) -> None:
    """Train the network of two latent values as the experiment does with seed 0, and keep it."""

    class Keeping(Drawing):
        def keep(self, name: str, content: bytes) -> Path:
            path.write_bytes(content)
            return path

    torch.manual_seed(0)
    net = VAE(784, PLANE.hidden, PLANE.latent, deviation=0.1)
    trained(Keeping("vae", {"mnist": Store.from_environment().files("mnist")}, seed=0), PLANE, net)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
