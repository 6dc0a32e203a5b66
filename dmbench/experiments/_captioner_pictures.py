"""Figures of the captioner: scenes with true captions and with those that the kept network writes."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from dmbench.datasets.scene_captions import is_true, true_captions
from dmbench.experiments._scene_training import TEST_SEED, Eyes, Pictured, restore
from dmbench.experiments.captioner import BEAMS, WIDTH, Captions, ours
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.models.parts.scene_cnn import FEATURES, scene_cnn

ARTIFACT = "scene_captioner"
SHOWN = 8
TRUE, FALSE = "#1b7837", "#b2182b"


def show(folder: Path, seed: str = "") -> list[Path]:
    """Caption drawn scenes by the kept network.

    seed: of the scenes, a whole number; without it those of the test set.

    Returns: captions.png.

    Raises: ValueError: the seed is no whole number. OSError: the folder cannot be written.
    """
    scenes = int(seed) if seed else TEST_SEED
    found = {ARTIFACT: Store.from_environment().files(ARTIFACT)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "captions.png"
    captioned(Drawing("captioner", found), scenes).savefig(path, dpi=150)
    return [path]


@picture(ARTIFACT)
def captions_of_scenes(ctx: Context) -> Figure:
    """Scenes of the test set: below each a true caption, then those written by greedy search and by 20 beams.

    Green is true of the scene, red is not; every scene has several true captions.
    """
    return captioned(ctx, TEST_SEED)


def captioned(ctx: Context, seed: int) -> Figure:
    """Draw the first scenes of a seed with captions."""
    eyes, net, captions = trained(ctx)
    data = Pictured(SHOWN, seed)
    given = eyes(data, ctx.device)
    written = [captions.say(net, given, beams) for beams in (1, BEAMS)]
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    grid: Any = figure.subplots(4, SHOWN // 2, height_ratios=(3, 1.4, 3, 1.4))
    places = zip(grid[::2].flat, grid[1::2].flat, strict=True)  # a scene, and its text below
    for (axes, text), pixels, objects, *found in zip(places, data.pixels, data.objects, *written, strict=True):
        draw_scene(axes, pixels)
        text.axis("off")
        lines = {"true": true_captions(objects)[-1]} | dict(zip(("greedy", f"{BEAMS} beams"), found, strict=True))
        for row, (how, caption) in enumerate(lines.items()):
            colour = "black" if how == "true" else TRUE if is_true(caption, objects) else FALSE
            said = f"{how}: {caption}".replace(" and ", "\n    and ")
            text.text(0, 1 - 0.38 * row, said, va="top", fontsize=9, color=colour)
    return figure


def trained(ctx: Context) -> tuple[Eyes, Any, Captions]:
    """Return the kept networks and the captions that they know."""
    captions = Captions()
    eyes, net = Eyes(scene_cnn()), ours(FEATURES, len(captions.vocabulary), WIDTH)
    (path,) = ctx.files(ARTIFACT).values()
    restore(path, eyes=eyes, net=net)
    return eyes, net, captions


def draw_scene(axes: Any, pixels: Tensor) -> None:
    """Draw one picture, (3, S, S), uint8."""
    axes.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#bbbbbb")
