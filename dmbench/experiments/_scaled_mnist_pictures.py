"""Figures of scaled MNIST: where the deformable layers of a trained network read a digit, at three scales.

Places are (y, x) in units of a map, pixels for the image. Maps of 28, 14 and 7 units a side lie over the image so that
a unit stands where the middle of its nine plain taps does: p of 14 at pixel 2 p + 1, p of 7 at pixel 4 p + 3.

`python -m dmbench.experiments._scaled_mnist_pictures FILE` trains the network that they show, and keeps its weights.
"""

import sys
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dmbench.experiments._scaled_mnist import DAI, STRIDES, ChannelOffsets, DigitNet, scale
from dmbench.experiments._scaled_mnist_training import read_digits, trained
from dmbench.harness.experiment import Context
from dmbench.layers.deform_conv2d import DeformConv2d

WEIGHTS = "scaled_mnist_dai"
EXAMPLES = (32, 84)  # test digits that it gets right at each scale
ZOOMS = (1.0, 1.6, 2.3)
LEARNED, PLAIN = "#d62728", "#1f77b4"


def trained_net(ctx: Context) -> DigitNet:
    """Return the network with Dai's layers that is kept with dmbench."""
    net = DigitNet(DAI)
    (path,) = ctx.files(WEIGHTS).values()
    net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return net.eval()


def one_layer(ctx: Context) -> Figure:
    """Draw the nine taps of the last convolution at the middle of each digit, and where they were without offsets."""
    figure, panels = _panels(ctx)
    for axes, image, offsets in panels:
        place = _middle(image)
        plain, learned = (2 * taps(3, place[None], given) + 1 for given in (None, offsets[3]))
        for start, end in zip(plain[0], learned[0], strict=True):
            axes.plot([start[1], end[1]], [start[0], end[0]], color=LEARNED, lw=1.2, alpha=0.8)
        _dots(axes, plain[0], PLAIN, 6.5, 1.0, hollow=True)
        _dots(axes, learned[0], LEARNED, 7, 1.0)
    _legend(figure, "a plain convolution's tap", "the same tap, moved by its learned offset", 7)
    return figure


def three_layers(ctx: Context) -> Figure:
    """Draw all that the last convolution reads of the image around the middle, by way of the two before it."""
    figure, panels = _panels(ctx)
    for axes, image, offsets in panels:
        place = _middle(image)
        _dots(axes, torch.unique(reached(place, None), dim=0), PLAIN, 4.5, 0.6, hollow=True)
        _dots(axes, reached(place, offsets), LEARNED, 3, 0.5)
    _legend(figure, "read by three plain convolutions", "read by three deformable ones", 5)
    return figure


def keep(net: nn.Module, path: Path) -> None:
    """Write a network's weights, real ones in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def offsets_of(net: DigitNet, image: Tensor) -> tuple[list[Tensor | None], Tensor]:
    """Return each convolution's offsets (18, H, W), None for the first, and the scores (10) of an image (28, 28)."""
    found: list[Tensor | None] = [None] * len(STRIDES)
    hooks = []
    for i, conv in enumerate(net.convs):
        if isinstance(conv, DeformConv2d):
            hooks.append(conv.branch.register_forward_hook(lambda _, __, output, i=i: found.__setitem__(i, output[0])))
    with torch.no_grad():
        scores = net(image[None, None])[0]
    for hook in hooks:
        hook.remove()
    return found, scores


def taps(layer: int, places: Tensor, offsets: Tensor | None) -> Tensor:
    """Return where the taps of units of a convolution read its input map, (P, 9, 2).

    places: (P, 2), whole, units of its output. offsets: (18, H, W), dy and dx of each tap, or None for a plain one.
    """
    steps = torch.arange(3)
    grid = torch.cartesian_prod(steps, steps)
    padding = 2 - STRIDES[layer]
    read = places[:, None] * STRIDES[layer] - padding + grid
    if offsets is None:
        return read.float()
    return read + offsets.view(9, 2, *offsets.shape[1:])[:, :, places[:, 0], places[:, 1]].permute(2, 0, 1)


def reached(place: Tensor, offsets: list[Tensor | None] | None) -> Tensor:
    """Return the 729 pixels, (729, 2), that a unit of the last map reads through three convolutions.

    A tap that reads between units goes on from the nearest of them, and one outside the map from its border.
    """
    places = place[None]
    for layer in (3, 2):
        read = taps(layer, places, None if offsets is None else offsets[layer]).reshape(-1, 2)
        places = read.round().long().clamp(0, 13)
    return taps(1, places, None if offsets is None else offsets[1]).reshape(-1, 2)


def _middle(image: Tensor) -> Tensor:
    """Return the unit of the last map, (2), that is nearest to the ink's centre of mass."""
    pixels = torch.arange(28.0)
    centre = torch.stack([(image.sum(1 - axis) * pixels).sum() / image.sum() for axis in (0, 1)])
    return ((centre - 3) / 4).round().long().clamp(0, 6)


def _panels(ctx: Context) -> tuple[Figure, list[tuple[Axes, Tensor, list[Tensor | None]]]]:
    """Draw the digits at each scale; return the axes with each image and its offsets."""
    net = trained_net(ctx)
    images, _ = read_digits(ctx, "test")
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    grid = figure.subplots(len(EXAMPLES), len(ZOOMS))
    panels = []
    for row, example in zip(grid, EXAMPLES, strict=True):
        for axes, zoom in zip(row, ZOOMS, strict=True):
            image = scale(images[example : example + 1], torch.full((2, 1), zoom).double(), torch.zeros(2, 1).double())[
                0
            ]
            offsets, scores = offsets_of(net, image)
            axes.imshow(image.numpy(), cmap="gray_r", vmin=0, vmax=2.2, interpolation="nearest")
            axes.set(xticks=[], yticks=[], xlim=(1.5, 26.5), ylim=(26.5, 1.5))
            axes.spines[:].set_color("#bbbbbb")
            size = "full size" if zoom == 1 else f"{zoom:g} times smaller"
            axes.set_xlabel(f"{size}, taken for a {int(scores.argmax())}", fontsize=11)
            panels.append((axes, image, offsets))
    return figure, panels


def _dots(axes: Axes, places: Tensor, colour: str, size: float, alpha: float, hollow: bool = False) -> None:
    face = "none" if hollow else colour
    axes.plot(places[:, 1], places[:, 0], "o", ms=size, mec=colour, mfc=face, mew=1.2 if hollow else 0, alpha=alpha)


def _legend(figure: Figure, plain: str, learned: str, size: float) -> None:
    marks = [
        Line2D([], [], marker="o", ls="", ms=size, mec=colour, mfc=face, label=label)
        for colour, face, label in ((PLAIN, "none", plain), (LEARNED, LEARNED, learned))
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False, fontsize=11)


def main(path: Path) -> None:
    """Train as the experiment scaled_mnist does with seed 0, and keep the network with Dai's layers."""
    from dmbench.experiments.deform_conv2d import MINUTES
    from dmbench.harness.artifacts import Store
    from dmbench.harness.report_pictures import Drawing

    found = {"mnist": Store.from_environment().files("mnist")}
    torch.manual_seed(0)
    keep(trained(Drawing("deform_conv2d", found, seed=0), MINUTES, ChannelOffsets)[DAI], path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
