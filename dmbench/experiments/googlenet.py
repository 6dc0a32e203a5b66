"""GoogLeNet: its table of layers, and BVLC's weights on ImageNet's validation pictures."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dmbench.experiments import _imagenet
from dmbench.experiments._imagenet import FIRST, LABELS, NEEDS, SUBSET, SYNSETS, check_network, ready
from dmbench.experiments._imagenet_shift import SQUEEZENET, calibrated
from dmbench.experiments._layer_table import Layer, depth, layers
from dmbench.experiments._super_resolution import fill
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.googlenet import MODULES, SIDE, GoogLeNet, normalised, read_weights
from dmbench.models.squeezenet import SIDE as SQUEEZENET_SIDE
from dmbench.models.squeezenet import SqueezeNet, read_compressed_weights

WEIGHTS = "googlenet_bvlc"
CALIBRATING = "squeezenet_10_compressed"
# Rows of Table 1, with the layers that each consists of.
ROWS = {"conv1": ("conv1",), "conv2": ("reduce2", "conv2")}
ROWS |= {name: (f"inception.{name}",) for name in MODULES} | {"linear": ("classifier",)}


def check_googlenet(build: Any) -> None:
    """Raise ContractError unless build() gives a network of 1,000 logits that takes BVLC's weights."""
    if hasattr(build, "pretrained"):
        return
    net = build()
    fill(net, list(GoogLeNet().parameters()))
    check_network(net, SIDE)


GOOGLENET = Subject(
    name="googlenet",
    default=GoogLeNet,
    contract="MyNet() is a torch.nn.Module that in evaluation maps float32 (N, 3, 224, 224), Caffe's blue, green, red "
    "less 104, 117, 123, to logits (N, 1000), and whose parameters are, in order, the filters and biases of BVLC's "
    "layers; or it has MyNet.pretrained(ctx), which returns a network with weights of its own",
    check=check_googlenet,
)


def check_normalisation(normalise: Callable[[Tensor], Tensor]) -> None:
    """Raise ContractError unless it keeps a shape and makes values smaller."""
    x = torch.ones(1, 6, 2, 2)
    y = normalise(x)
    if not isinstance(y, Tensor) or y.shape != x.shape or not bool((y < x).all()):
        raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))} for {tuple(x.shape)} ones, or nothing smaller")


NORMALISATION = Subject(
    name="normalisation",
    default=normalised,
    contract="f(x) maps (N, C, H, W) to x / (1 + 1e-4 / 5 times the sum of squares of five channels around) ** 0.75",
    check=check_normalisation,
)


def table() -> dict[str, Layer]:
    """Return our layers for a picture of 224 x 224."""
    return layers(GoogLeNet, (3, SIDE, SIDE))


@experiment("params_{row}", "ops_{row}", tier="quick", over={"row": tuple(ROWS)})
def one_row(ctx: Context, row: str) -> dict[str, float]:
    """Count the weights, in units of 1,024, and the multiply-adds, in millions, of one row of Table 1."""
    parts = [table()[name] for name in ROWS[row]]
    return {
        f"params_{row}": sum(part.weights for part in parts) / 1024,
        f"ops_{row}": sum(part.multiply_adds for part in parts) / 1e6,
    }


@experiment("parameters", "multiply_adds", "output_sides", "output_channels", "depth", tier="quick")
def whole_table(ctx: Context) -> dict[str, float | list[float]]:
    """Count the parameters, multiply-adds and layers of the whole, and list the sizes of Table 1's maps."""
    found = table()
    maps = [found["conv1"].result, found["reduce2"].given, found["conv2"].result]
    for name in MODULES:
        module = found[f"inception.{name}"]
        maps += [module.given, module.result] if module.given[1:] != maps[-1][1:] else [module.result]
    maps += [(found["classifier"].given[0], 1, 1), (found["classifier"].result[0], 1, 1)]
    return {
        "parameters": found[""].weights + found[""].biases,
        "multiply_adds": found[""].multiply_adds / 1e9,
        "output_sides": [float(size[1]) for size in maps],
        "output_channels": [float(size[0]) for size in maps],
        "depth": depth(GoogLeNet, (3, SIDE, SIDE)),
    }


@experiment("normalisation_difference", tier="quick", subjects=(NORMALISATION,))
def normalisation(ctx: Context) -> dict[str, float]:
    """Compare the local response normalisation with torch's on values of the size that conv2 gives."""
    x = 300 * torch.rand(2, 192, 9, 9, dtype=torch.float64, device=ctx.device)
    exact = functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
    return {"normalisation_difference": float(((ctx.subject("normalisation")(x) - exact) / exact).abs().max())}


@experiment(
    "first_top1", "first_top5", "logits", tier="quick", artifacts=(SUBSET, LABELS, WEIGHTS), subjects=(GOOGLENET,)
)
def first(ctx: Context) -> dict[str, float]:
    """Count right answers on the first 100 pictures of the subset, and compare one picture's logits with those kept."""
    net = under_test(ctx)
    score = _imagenet.on_subset(ctx, net, SIDE, _imagenet.subset(ctx, FIRST))
    ctx.note(closest_logits=score.closest)
    kept = _imagenet.from_tracked(ctx, net, SIDE, "googlenet_logits")
    return {"first_top1": score.top1, "first_top5": score.top5, "logits": kept}


@experiment(
    "subset_top1",
    "subset_top5",
    "calibrated_top1",
    "calibrated_top5",
    tier="slow",
    artifacts=(SUBSET, LABELS, WEIGHTS, CALIBRATING),
    subjects=(GOOGLENET,),
)
def on_subset(ctx: Context) -> dict[str, float]:
    """Count right answers on the 1,300 pictures, and map them back to the 50,000 by SqueezeNet's shift."""
    pictures = _imagenet.subset(ctx)
    other = SqueezeNet("1.0")
    path = next(path for name, path in ctx.files(CALIBRATING).items() if name.endswith(".net"))
    fill(other, read_compressed_weights(path))
    calibrating = _imagenet.on_subset(ctx, ready(other, ctx.device), SQUEEZENET_SIDE, pictures, 0, 2)
    score = _imagenet.on_subset(ctx, under_test(ctx), SIDE, pictures, 1, 2)
    ctx.note(closest_logits=score.closest)
    back = calibrated(ctx, "", score, calibrating, SQUEEZENET)
    return {
        "subset_top1": score.top1,
        "subset_top5": score.top5,
        "calibrated_top1": back["top1"],
        "calibrated_top5": back["top5"],
    }


@experiment(
    "validation_top1",
    "validation_top5",
    tier="full",
    artifacts=(LABELS, SYNSETS, WEIGHTS),
    subjects=(GOOGLENET,),
    needs=NEEDS,
)
def on_all(ctx: Context) -> dict[str, float]:
    """Measure the accuracy on all 50,000 pictures of the folder that DMBENCH_IMAGENET names."""
    score = _imagenet.on_folder(ctx, under_test(ctx), SIDE)
    return {"validation_top1": score.percent(score.top1), "validation_top5": score.percent(score.top5)}


def under_test(ctx: Context) -> torch.nn.Module:
    """Return the network with BVLC's weights, or with its own."""
    return _imagenet.network(ctx, "googlenet", read_weights(ctx.files(WEIGHTS)))
