"""SRCNN: the authors' weights on Set5 and Set14, parameter counts, and training from scratch."""

from typing import Any

import torch

from dmbench.experiments._super_resolution import (
    BICUBIC,
    SCALES,
    YCBCR,
    Enhance,
    evaluate,
    fill,
    keyed,
    network,
    same_shape,
)
from dmbench.experiments._super_resolution_training import Recipe, inference, train
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.srcnn import SRCNN, init_as_paper, read_authors_weights

METRICS = ("psnr", "ssim", "ifc", "msssim")


def check_network(build: Any) -> None:
    """Raise ContractError unless build(f2) gives a network that keeps a picture's size."""
    if not hasattr(build, "pretrained"):
        fill(net := build(5), list(SRCNN(5).parameters()))
        same_shape(net(torch.rand(1, 1, 20, 17)), (1, 1, 20, 17))


NETWORK = Subject(
    name="srcnn",
    default=SRCNN,
    contract="MyNet(f2) is a torch.nn.Module that maps float32 (N, 1, H, W) in [0, 1] to the same shape, and whose "
    "parameters are, in order, the filters and biases of the 9 x 9, f2 x f2 and 5 x 5 layers, which receive the "
    "authors' weights; or it has MyNet.pretrained(ctx), which returns a network with weights of its own",
    check=check_network,
)


@experiment(
    *(f"set5_x{{scale}}_{metric}" for metric in METRICS),
    tier="quick",
    artifacts=("set5", "srcnn_955"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set5(ctx: Context, scale: int) -> dict[str, float]:
    """Measure 9-5-5, the authors' ImageNet weights, on Set5."""
    return keyed("set5", scale, with_authors_weights(ctx, "set5", scale, 5, METRICS))


@experiment(
    *(f"set14_x{{scale}}_{metric}" for metric in METRICS),
    tier="slow",
    artifacts=("set14", "srcnn_955"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set14(ctx: Context, scale: int) -> dict[str, float]:
    """Measure 9-5-5, the authors' ImageNet weights, on Set14."""
    return keyed("set14", scale, with_authors_weights(ctx, "set14", scale, 5, METRICS))


@experiment(
    "set5_x{scale}_psnr_915",
    tier="quick",
    artifacts=("set5", "srcnn_915"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set5_915(ctx: Context, scale: int) -> dict[str, float]:
    """Measure 9-1-5, the authors' weights from 91 images, on Set5."""
    return keyed("set5", scale, with_authors_weights(ctx, "set5", scale, 1, ("psnr",)), "_915")


@experiment(
    "set14_x{scale}_psnr_915",
    tier="slow",
    artifacts=("set14", "srcnn_915"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set14_915(ctx: Context, scale: int) -> dict[str, float]:
    """Measure 9-1-5, the authors' weights from 91 images, on Set14."""
    return keyed("set14", scale, with_authors_weights(ctx, "set14", scale, 1, ("psnr",)), "_915")


def with_authors_weights(
    ctx: Context, pictures: str, scale: int, f2: int, metrics: tuple[str, ...]
) -> dict[str, float]:
    """Average metrics over a set of pictures with the weights of the network 9-f2-5."""
    path = next(path for name, path in ctx.files(f"srcnn_9{f2}5").items() if name.endswith(f"x{scale}.mat"))
    enhance = network(ctx, "srcnn", read_authors_weights(path), f2)
    return evaluate(ctx, pictures, scale, enhance, metrics)


@experiment("parameters_9{f2}5", tier="quick", over={"f2": (1, 3, 5)})
def parameters(ctx: Context, f2: int) -> dict[str, float]:
    """Count the weights of the filters."""
    return {f"parameters_9{f2}5": SRCNN(f2).filter_weights}


MINUTES = Recipe(
    updates=40_000, batch=16, learning_rate=5e-4, drop_every=30_000, evaluate_every=2_000, optimiser="adam"
)

# Sections 3.3 and 4.1: 8 x 10^8 backpropagations, read as sub-images; the ECCV version says the same.
PAPER = Recipe(updates=6_250_000, batch=128, learning_rate=1e-4, last_layer_rate=1e-5, evaluate_every=50_000)


@experiment("set5_x3_gain_915", tier="slow", artifacts=("t91", "set5"), subjects=(BICUBIC, YCBCR), seeds=3)
def trained_for_minutes(ctx: Context) -> dict[str, float]:
    """Train 9-1-5 on the 91 images for some ten CPU minutes; PSNR above bicubic on Set5 x3.

    Differs from the paper: 1. Adam instead of SGD. 2. torch's initialisation: from the paper's, of standard deviation
    0.001, the first minutes go into leaving zero. 3. The learning rate drops.
    """
    measured = trained(ctx, MINUTES, SRCNN(1, same_size=False))
    return {"set5_x3_gain_915": measured["psnr_x3"] - measured["bicubic_x3"]}


@experiment(
    "set5_x3_psnr_915_trained",
    tier="full",
    artifacts=("t91", "set5"),
    subjects=(BICUBIC, YCBCR),
    seeds=1,
    gpu=True,
)
def trained_as_paper(ctx: Context) -> dict[str, float]:
    """Train 9-1-5 on the 91 images by the paper's recipe."""
    net = init_as_paper(SRCNN(1, same_size=False))
    return {"set5_x3_psnr_915_trained": trained(ctx, PAPER, net)["psnr_x3"]}


def trained(ctx: Context, recipe: Recipe, net: SRCNN) -> dict[str, float]:
    """Train 9-1-5 at x3 on the valid region, as the paper does, and test it with replicated borders."""
    tester = SRCNN(1).to(ctx.device)

    def test() -> Enhance:
        tester.load_state_dict(net.state_dict())
        return inference(tester, ctx.device)

    return train(ctx, net, test, recipe, pictures=("t91",), scales=(3,))
