"""Pooling: sizes and worked examples of the lectures, and how far it is from torch's."""

import torch
from torch.nn import functional as F

from dmbench.experiments._functions import difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.pooling import avg_pool2d, max_pool2d

CASE = ([(2, 3, 11, 9)], {"kernel_size": (3, 4), "stride": (2, 3), "padding": (1, 2)})
LAYERS = {
    "max": subject("max_pool2d", max_pool2d, F.max_pool2d, CASE),
    "avg": subject("avg_pool2d", avg_pool2d, F.avg_pool2d, CASE),
}

# Side of the input, side of the window, stride.
SIZES = {
    "alexnet_pool1": (55, 3, 2),
    "alexnet_pool2": (27, 3, 2),
    "alexnet_pool5": (13, 3, 2),
    "224_2": (224, 2, 2),
}
PICTURE = ((3, 3, 2, 1, 0), (0, 0, 1, 3, 1), (3, 1, 2, 2, 3), (2, 0, 0, 2, 2), (2, 0, 0, 0, 1))
SLICE = ((1, 1, 2, 4), (5, 6, 7, 8), (3, 2, 1, 0), (1, 2, 3, 4))


@experiment("size_{case}", tier="quick", subjects=(LAYERS["max"],), over={"case": tuple(SIZES)})
def size(ctx: Context, case: str) -> dict[str, float]:
    """Measure the side of the output."""
    side, window, stride = SIZES[case]
    x = torch.zeros(1, 1, side, side, device=ctx.device)
    return {f"size_{case}": ctx.subject("max_pool2d")(x, window, stride).shape[-1]}


@experiment("discarded", tier="quick", subjects=(LAYERS["max"],))
def discarded(ctx: Context) -> dict[str, float]:
    """Measure the share of values that 2 x 2 windows at stride 2 discard."""
    x = torch.zeros(1, 64, 224, 224, device=ctx.device)
    return {"discarded": 1 - ctx.subject("max_pool2d")(x, 2, 2).numel() / x.numel()}


@experiment("slice", tier="quick", subjects=(LAYERS["max"],))
def depth_slice(ctx: Context) -> dict[str, list[float]]:
    """Pool the 4 x 4 slice of the notes by 2 x 2 windows; the output row by row."""
    x = torch.tensor(SLICE, dtype=torch.float32, device=ctx.device)[None, None]
    return {"slice": ctx.subject("max_pool2d")(x, 2, 2).flatten().tolist()}


@experiment("figure_max", tier="quick", subjects=(LAYERS["max"],))
def figure_max(ctx: Context) -> dict[str, list[float]]:
    """Pool the picture of Dumoulin and Visin by its 3 x 3 maxima at stride 1; the output row by row."""
    x = torch.tensor(PICTURE, dtype=torch.float32, device=ctx.device)[None, None]
    return {"figure_max": ctx.subject("max_pool2d")(x, 3, 1).flatten().tolist()}


@experiment("figure_avg", tier="quick", subjects=(LAYERS["avg"],))
def figure_avg(ctx: Context) -> dict[str, list[float]]:
    """Pool the picture of Dumoulin and Visin by its 3 x 3 averages at stride 1; the output row by row."""
    x = torch.tensor(PICTURE, dtype=torch.float32, device=ctx.device)[None, None]
    return {"figure_avg": ctx.subject("avg_pool2d")(x, 3, 1).flatten().tolist()}


@experiment("difference_max", tier="quick", subjects=(LAYERS["max"],))
def difference_max(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.max_pool2d in float64, result and gradient."""
    return {"difference_max": difference(ctx, "max_pool2d", F.max_pool2d, torch.float64, CASE)}


@experiment("difference_avg", tier="quick", subjects=(LAYERS["avg"],))
def difference_avg(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.avg_pool2d in float64, result and gradient."""
    return {"difference_avg": difference(ctx, "avg_pool2d", F.avg_pool2d, torch.float64, CASE)}
