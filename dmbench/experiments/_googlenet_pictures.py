"""Pictures with GoogLeNet's predictions."""

from pathlib import Path

from matplotlib.figure import Figure

from dmbench.experiments import _imagenet_pictures as draw
from dmbench.experiments._imagenet import LABELS, SUBSET, SYNSETS
from dmbench.experiments.googlenet import WEIGHTS, under_test
from dmbench.harness.experiment import Context, picture
from dmbench.models.googlenet import SIDE


@picture(SUBSET, LABELS, SYNSETS, WEIGHTS)
def predictions(ctx: Context) -> Figure:
    """Eight of the 1,300 pictures with the five classes that GoogLeNet finds likeliest.

    Two each of the first 48: right and surest, right and least sure, right among the five, wrong.
    """
    return draw.predictions(ctx, under_test(ctx), SIDE)


def show(folder: Path, image: str = "") -> list[Path]:
    """Draw a picture file with the five classes that GoogLeNet finds likeliest, as googlenet_<name>.png.

    Raises: ValueError, OSError: no file is given, or it cannot be read.
    """
    ctx = draw.context("googlenet", SYNSETS, WEIGHTS)
    return draw.shown(under_test(ctx), SIDE, image, draw.words(ctx), folder, "googlenet")
