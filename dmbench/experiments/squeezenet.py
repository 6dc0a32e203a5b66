"""SqueezeNet: its table of layers, what pruning leaves, and the authors' weights on ImageNet's validation pictures."""

from typing import Any

import torch

from dmbench.experiments import _imagenet
from dmbench.experiments._imagenet import FIRST, LABELS, NEEDS, SUBSET, SYNSETS, check_network, ready
from dmbench.experiments._imagenet_shift import GOOGLENET, calibrated
from dmbench.experiments._layer_table import Layer, layers
from dmbench.experiments._super_resolution import fill
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.googlenet import SIDE as GOOGLENET_SIDE
from dmbench.models.googlenet import GoogLeNet
from dmbench.models.googlenet import read_weights as read_googlenet
from dmbench.models.squeezenet import FIRES, SIDE, VERSIONS, SqueezeNet, read_compressed_weights, read_weights

WEIGHTS = {"10": "squeezenet_10_compressed", "11": "squeezenet_11"}
CALIBRATING = "googlenet_bvlc"


def check_squeezenet(build: Any) -> None:
    """Raise ContractError unless build(version) gives networks of 1,000 logits that take the authors' weights."""
    if hasattr(build, "pretrained"):
        return
    for version in VERSIONS:
        net = build(version)
        fill(net, list(SqueezeNet(version).parameters()))
        check_network(net, SIDE)


SQUEEZENET = Subject(
    name="squeezenet",
    default=SqueezeNet,
    contract="MyNet(version), '1.0' or '1.1', is a torch.nn.Module that in evaluation maps float32 (N, 3, 227, 227), "
    "Caffe's blue, green, red less 104, 117, 123, to logits (N, 1000), and whose parameters are, in order, the filters "
    "and biases of the authors' layers; or it has MyNet.pretrained(ctx), which returns a network of its own weights",
    check=check_squeezenet,
)


def table(version: str = "1.0", padding: int | None = None) -> dict[str, Layer]:
    """Return our layers for a picture of 227 x 227."""
    return layers(lambda: SqueezeNet(version, padding=padding), (3, SIDE, SIDE))


def rows(found: dict[str, Layer]) -> list[Layer]:
    """Return the rows of Table 1 that have parameters."""
    return [found["conv1"], *(found[f"fires.{i}"] for i in FIRES), found["conv10"]]


@experiment("parameters", "parameters_by_layer", "output_sides", "output_channels", tier="quick")
def whole_table(ctx: Context) -> dict[str, float | list[float]]:
    """Count the parameters of version 1.0 row by row, and list the sizes of Table 1's maps, conv10 unpadded."""
    found = table(padding=0)
    maps: list[tuple[int, ...]] = []
    for row in rows(found):
        between = [row.given] if maps and row.given[1:] != maps[-1][1:] else []
        maps += [*between, row.result]
    maps.append((found[""].result[0], 1, 1))
    return {
        "parameters": found[""].weights + found[""].biases,
        "parameters_by_layer": [row.weights + row.biases for row in rows(found)],
        "output_sides": [float(size[1]) for size in maps],
        "output_channels": [float(size[0]) for size in maps],
    }


@experiment("parameters_11", "gflops_10", "gflops_11", "megabytes", tier="quick")
def versions(ctx: Context) -> dict[str, float]:
    """Compare the two versions: parameters, and operations, two a multiply-add."""
    whole = {version: table(version)[""] for version in VERSIONS}
    return {
        "parameters_11": whole["1.1"].weights + whole["1.1"].biases,
        "gflops_10": 2e-9 * whole["1.0"].multiply_adds,
        "gflops_11": 2e-9 * whole["1.1"].multiply_adds,
        "megabytes": 4 * (whole["1.0"].weights + whole["1.0"].biases) / 2**20,
    }


@experiment("kept", "kept_by_layer", "compressed_size", tier="quick", artifacts=(WEIGHTS["10"],))
def compressed(ctx: Context) -> dict[str, float | list[float]]:
    """Decompress version 1.0; count what is not zero, biases included, row by row, and the file's bytes."""
    path = compressed_file(ctx)
    tensors = read_compressed_weights(path)
    nonzero = [int(w.count_nonzero()) + b.numel() for w, b in zip(tensors[::2], tensors[1::2], strict=True)]
    by_row = [nonzero[0], *(sum(nonzero[1 + 3 * i : 4 + 3 * i]) for i in range(len(FIRES))), nonzero[-1]]
    return {"kept": sum(nonzero), "kept_by_layer": by_row, "compressed_size": path.stat().st_size / 1024}


@experiment(
    "first_top1_{version}",
    "first_top5_{version}",
    "logits_{version}",
    tier="quick",
    artifacts=(SUBSET, LABELS, *WEIGHTS.values()),
    subjects=(SQUEEZENET,),
    over={"version": tuple(WEIGHTS)},
)
def first(ctx: Context, version: str) -> dict[str, float]:
    """Count right answers on the first 100 pictures of the subset, and compare one picture's logits with those kept."""
    net = under_test(ctx, version)
    score = _imagenet.on_subset(ctx, net, SIDE, _imagenet.subset(ctx, FIRST))
    ctx.note(closest_logits=score.closest)
    kept = _imagenet.from_tracked(ctx, net, SIDE, f"squeezenet_{version}_logits")
    return {f"first_top1_{version}": score.top1, f"first_top5_{version}": score.top5, f"logits_{version}": kept}


@experiment(
    *(f"{kind}_{top}_10" for kind in ("subset", "calibrated") for top in ("top1", "top5")),
    *("subset_top1_11", "subset_top5_11", "calibrated_top5_11"),
    tier="slow",
    artifacts=(SUBSET, LABELS, *WEIGHTS.values(), CALIBRATING),
    subjects=(SQUEEZENET,),
)
def on_subset(ctx: Context) -> dict[str, float]:
    """Count right answers on the 1,300 pictures, and map them back to the 50,000 by GoogLeNet's shift."""
    pictures = _imagenet.subset(ctx)
    found: dict[str, float] = {}
    fill(other := GoogLeNet(), read_googlenet(ctx.files(CALIBRATING)))
    calibrating = _imagenet.on_subset(ctx, ready(other, ctx.device), GOOGLENET_SIDE, pictures, 0, 3)
    for turn, version in enumerate(WEIGHTS, 1):
        score = _imagenet.on_subset(ctx, under_test(ctx, version), SIDE, pictures, turn, 3)
        ctx.note(**{f"{version}_closest_logits": score.closest})
        back = calibrated(ctx, f"{version}_", score, calibrating, GOOGLENET)
        found |= {f"subset_top1_{version}": score.top1, f"subset_top5_{version}": score.top5}
        found |= {f"calibrated_{top}_{version}": value for top, value in back.items()}
    del found["calibrated_top1_11"]  # nothing is printed to compare it with
    return found


@experiment(
    "validation_top1_10",
    "validation_top5_10",
    tier="full",
    artifacts=(LABELS, SYNSETS, WEIGHTS["10"]),
    subjects=(SQUEEZENET,),
    needs=NEEDS,
)
def on_all_10(ctx: Context) -> dict[str, float]:
    """Measure version 1.0's accuracy on all 50,000 pictures of the folder that DMBENCH_IMAGENET names."""
    score = _imagenet.on_folder(ctx, under_test(ctx, "10"), SIDE)
    return {"validation_top1_10": score.percent(score.top1), "validation_top5_10": score.percent(score.top5)}


@experiment(
    "validation_top5_11",
    tier="full",
    artifacts=(LABELS, SYNSETS, WEIGHTS["11"]),
    subjects=(SQUEEZENET,),
    needs=NEEDS,
)
def on_all_11(ctx: Context) -> dict[str, float]:
    """Measure version 1.1's accuracy on all 50,000 pictures of the folder that DMBENCH_IMAGENET names."""
    score = _imagenet.on_folder(ctx, under_test(ctx, "11"), SIDE)
    ctx.note(top1=score.percent(score.top1))
    return {"validation_top5_11": score.percent(score.top5)}


def under_test(ctx: Context, version: str) -> torch.nn.Module:
    """Return the network with the authors' weights, or with its own."""
    if version == "10":
        return _imagenet.network(ctx, "squeezenet", read_compressed_weights(compressed_file(ctx)), "1.0")
    return _imagenet.network(ctx, "squeezenet", read_weights(ctx.files(WEIGHTS[version])), "1.1")


def compressed_file(ctx: Context) -> Any:
    """Return the place of the deep-compressed weights."""
    return next(path for name, path in ctx.files(WEIGHTS["10"]).items() if name.endswith(".net"))
