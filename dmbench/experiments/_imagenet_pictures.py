"""Pictures of ImageNet's validation set with what a network takes them for, and the same for a picture of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from dmbench.datasets.caffe_pictures import caffe_input, read_image, squashed
from dmbench.datasets.imagenet import Listed, read_synsets
from dmbench.experiments._imagenet import SYNSETS, logits_of, subset
from dmbench.harness.artifacts import Store
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing

AMONG = 48  # pictures of the subset, the first by name, of which those that are drawn are chosen
OF_EACH = 2
RIGHT, SECOND, WRONG = "#1b7a47", "#8a5f00", "#b8281c"
BAR, RIGHT_BAR = "#ccd2d8", "#9fd3b5"
LONGEST = 26  # letters of a class's name


@dataclass(frozen=True)
class Seen:
    """A picture, (H, W, 3) uint8, its label (None: not known), and the probability of each class, (K)."""

    pixels: np.ndarray
    label: int | None
    chances: Tensor

    @property
    def rank(self) -> int:
        """How many classes are taken for likelier than the label's."""
        return 0 if self.label is None else int((self.chances > self.chances[self.label]).sum())


def predictions(ctx: Context, net: nn.Module, side: int) -> Figure:
    """Draw eight pictures: two each that are right and sure, right and unsure, among the five, and wrong."""
    seen = [look(net, listed, side) for listed in subset(ctx, AMONG)]
    right = sorted((s for s in seen if s.rank == 0), key=lambda s: -float(s.chances.max()))
    among = [s for s in seen if 0 < s.rank < 5]
    wrong = [s for s in seen if s.rank >= 5]
    chosen = right[:OF_EACH] + right[-OF_EACH:] + among[:OF_EACH] + wrong[:OF_EACH]
    return drawn(chosen, words(ctx))


def look(net: nn.Module, listed: Listed, side: int) -> Seen:
    """Show a network a picture of the subset."""
    picture = read_image(listed.path)
    return Seen(_pixels(picture), listed.label, chances_of(net, caffe_input(picture, side)))


def chances_of(net: nn.Module, x: Tensor) -> Tensor:
    """Return the probability of each class, (K), for one picture (3, side, side)."""
    device = next(net.parameters()).device
    return logits_of(net, x[None].to(device))[0].softmax(0).cpu()


def words(ctx: Context) -> list[str]:
    """Return the name of each class: the first of its words."""
    (path,) = ctx.files(SYNSETS).values()
    return [name.partition(",")[0] for _, name in read_synsets(path)]


def drawn(seen: Sequence[Seen], names: Sequence[str]) -> Figure:
    """Draw pictures, four in a row, each above its five likeliest classes with their probabilities."""
    columns = min(4, len(seen))
    rows = -(-len(seen) // columns)
    figure = Figure(figsize=(2.9 * columns, 4.1 * rows), layout="constrained")
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2.4, 1] * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, one in enumerate(seen):
        row, column = divmod(i, columns)
        _picture(grid[2 * row, column], one, names)
        _bars(grid[2 * row + 1, column], one, names)
    return figure


def _picture(axes: Axes, one: Seen, names: Sequence[str]) -> None:
    axes.imshow(one.pixels, interpolation="antialiased")
    if one.label is not None:
        verdict, colour = (
            ("right", RIGHT) if one.rank == 0 else (f"place {one.rank + 1}", SECOND if one.rank < 5 else WRONG)
        )
        axes.set_title(f"{_short(names[one.label])}: {verdict}", fontsize=10, color=colour)


def _bars(axes: Axes, one: Seen, names: Sequence[str]) -> None:
    chances, classes = one.chances.topk(5)
    colours = [RIGHT_BAR if int(c) == one.label else BAR for c in classes]
    axes.barh(range(5), chances.numpy(), color=colours, height=0.8)
    for place, (chance, number) in enumerate(zip(chances.tolist(), classes.tolist(), strict=True)):
        axes.text(0.01, place, f"{_short(names[number])}  {100 * chance:.0f} %", va="center", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(4.6, -0.6))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _pixels(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()


def context(stem: str, *artifacts: str) -> Context:
    """Return what reads the artifacts, fetching small ones that are missing.

    Raises:
        ArtifactError: one is missing, and cannot be fetched or is large.
    """
    store = Store.from_environment()
    return Drawing(stem, {name: store.files(name) for name in artifacts})


def shown(net: nn.Module, side: int, image: str, names: Sequence[str], folder: Path, stem: str) -> list[Path]:
    """Draw a picture file with the five likeliest classes; it is squashed to 256 x 256, then cut out in the middle.

    Raises:
        ValueError: no file is given, or it cannot be read.
    """
    if not image:
        raise ValueError("needs a picture: --image FILE")
    picture = read_image(Path(image))
    with torch.no_grad():
        seen = Seen(_pixels(picture), None, chances_of(net, caffe_input(squashed(picture), side)))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}_{Path(image).stem}.png"
    drawn([seen], names).savefig(path, dpi=150)
    return [path]
