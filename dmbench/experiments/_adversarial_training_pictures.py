"""Figures of adversarial examples: digits, what the fast gradient sign method adds, and what comes of it.

Drawn against linear classifiers, which are trained in a few seconds where they are drawn.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits, Training, error, read_digits
from dmbench.experiments._maxout_training import EPS, attack
from dmbench.experiments.adversarial_training import Logistic, threes_and_sevens
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.regularizers.adversarial_training import fast_gradient_sign

UPDATES = 1000
SHOWN = 6  # digits of a figure
INK = {"cmap": "gray_r", "interpolation": "nearest"}


def show(folder: Path, eps: str = "0.25") -> list[Path]:
    """Draw test digits, the steps of a size that raise softmax regression's loss, and the attacked digits.

    eps: the step, of pixels from 0 to 1; the paper's is 0.25.

    Returns: attack.png.

    Raises: ValueError: eps is no number of at least 0. OSError: the folder cannot be written.
    """
    size = float(eps)
    found = {"mnist": Store.from_environment().files("mnist")}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "attack.png"
    attacked_digits(Drawing("adversarial_training", found), size).savefig(path, dpi=150)
    return [path]


@picture("mnist")
def against_softmax(ctx: Context) -> Figure:
    """Softmax regression on MNIST: test digits, what is added to them at eps = 0.25, and what it takes them for.

    Above digits that it gets right, in the middle the steps (red adds ink, blue takes it), below the attacked digits.
    """
    return attacked_digits(ctx, EPS)


@picture("mnist")
def threes_against_sevens(ctx: Context) -> Figure:
    """Logistic regression of threes against sevens: its weights, their sign, and digits before and after the attack."""
    net = Logistic()
    _train(ctx, net, threes_and_sevens(read_digits(ctx, "train")))
    test = threes_and_sevens(read_digits(ctx, "test"))
    digits = _right(net, test, range(2), 2)
    moved = _attacked(net, digits, EPS)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    grid: Any = figure.subplots(2, 6)
    weights = net.weight.detach().view(28, 28)
    for axes, image, title in ((grid[0, 0], weights, "weights"), (grid[1, 0], weights.sign(), "their sign")):
        _signed(axes, image)
        axes.set_title(title, fontsize=10)
    for column, (before, after) in enumerate(zip(digits.images, moved, strict=True), 1):
        for axes, image in ((grid[0, column], before), (grid[1, column], after)):
            axes.imshow(image[0].numpy(), vmin=-EPS, vmax=1 + EPS, **INK)
            axes.set_title(f"taken for a {_says(net, image[None])}", fontsize=10)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    rates = error(net, test), attack(net, test).error
    for axes, rate, which in zip(grid[:, 5], rates, ("test digits", "attacked"), strict=True):
        axes.axis("off")
        axes.text(0.5, 0.5, f"{rate:.1f} %\nof {which}\nwrong", ha="center", va="center", fontsize=11)
    return figure


def attacked_digits(ctx: Context, eps: float) -> Figure:
    """Draw digits, the steps and the attacked digits, with what softmax regression takes them for."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    _train(ctx, net, read_digits(ctx, "train"))
    test = read_digits(ctx, "test")
    digits = _right(net, test, range(SHOWN), 1)
    moved = _attacked(net, digits, eps)
    figure = Figure(figsize=(1.6 * SHOWN, 5.4), layout="constrained")
    grid: Any = figure.subplots(3, SHOWN)
    for column, (before, after) in enumerate(zip(digits.images, moved, strict=True)):
        _signed(grid[1, column], (after - before)[0])
        for axes, image in ((grid[0, column], before), (grid[2, column], after)):
            axes.imshow(image[0].numpy(), vmin=-EPS, vmax=1 + EPS, **INK)
            with torch.no_grad():
                sure = net(image[None]).softmax(1).max(1)
            axes.set_title(f"{int(sure.indices)}, {100 * float(sure.values):.0f} %", fontsize=10)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for axes, label in zip(grid[:, 0], ("test digit", f"{eps:g} x sign of gradient", "their sum"), strict=True):
        axes.set_ylabel(label, fontsize=10)
    return figure


def _train(ctx: Context, net: nn.Module, digits: Digits) -> None:
    torch.manual_seed(0)
    Training(ctx, digits, UPDATES).phase("linear", net, torch.optim.SGD(net.parameters(), 0.1), UPDATES)
    net.eval()


def _attacked(net: nn.Module, digits: Digits, eps: float) -> Tensor:
    return fast_gradient_sign(lambda x: cross_entropy(net(x), digits.labels), digits.images, eps)


@torch.no_grad()
def _right(net: nn.Module, digits: Digits, labels: Iterable[int], count: int) -> Digits:
    """Return the first digits of each label that a network gets right."""
    right = net(digits.images).argmax(1) == digits.labels
    chosen = torch.cat([torch.nonzero(right & (digits.labels == label))[:count, 0] for label in labels])
    return Digits(digits.images[chosen], digits.labels[chosen])


def _says(net: Logistic, image: Tensor) -> int:
    with torch.no_grad():
        return (3, 7)[int(net(image).argmax())]


def _signed(axes: Any, values: Tensor) -> None:
    reach = float(values.abs().max()) or 1.0
    axes.imshow(values.numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
