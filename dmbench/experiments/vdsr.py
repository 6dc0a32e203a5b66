"""VDSR: the authors' weights on four sets, depth and receptive field, and training from scratch."""

from typing import Any

import torch
from matplotlib.figure import Figure

from dmbench.experiments._super_resolution import (
    BICUBIC,
    SCALES,
    YCBCR,
    Enhance,
    clamp_to_luma,
    evaluate,
    fill,
    keyed,
    network,
    same_shape,
)
from dmbench.experiments._super_resolution_pictures import crops
from dmbench.experiments._super_resolution_training import Recipe, inference, train
from dmbench.harness.experiment import Context, Subject, experiment, picture
from dmbench.models.vdsr import VDSR, init_as_paper, read_authors_weights


def check_network(build: Any) -> None:
    """Raise ContractError unless build() gives a network that keeps a picture's size."""
    if not hasattr(build, "pretrained"):
        fill(net := build(), list(VDSR().parameters()))
        same_shape(net(torch.rand(1, 1, 20, 17)), (1, 1, 20, 17))


NETWORK = Subject(
    name="vdsr",
    default=VDSR,
    contract="MyNet() is a torch.nn.Module that maps float32 (N, 1, H, W) in [0, 1] to the same shape, and whose "
    "parameters are, in order, the filters and biases of twenty 3 x 3 layers of 64 filters, which receive the "
    "authors' weights; or it has MyNet.pretrained(ctx), which returns a network with weights of its own",
    check=check_network,
)


@experiment(
    "set5_x{scale}_psnr",
    "set5_x{scale}_ssim",
    tier="quick",
    artifacts=("set5", "vdsr"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"scale": SCALES},
)
def set5(ctx: Context, scale: int) -> dict[str, float]:
    """Measure the authors' weights on Set5."""
    return keyed("set5", scale, evaluate(ctx, "set5", scale, with_authors_weights(ctx), ("psnr", "ssim")))


@experiment(
    "{pictures}_x{scale}_psnr",
    "{pictures}_x{scale}_ssim",
    tier="slow",
    artifacts=("{pictures}", "vdsr"),
    subjects=(NETWORK, BICUBIC, YCBCR),
    over={"pictures": ("set14", "b100", "urban100"), "scale": SCALES},
)
def larger_sets(ctx: Context, pictures: str, scale: int) -> dict[str, float]:
    """Measure the authors' weights on Set14, B100 and Urban100."""
    return keyed(pictures, scale, evaluate(ctx, pictures, scale, with_authors_weights(ctx), ("psnr", "ssim")))


def with_authors_weights(ctx: Context) -> Enhance:
    """Return the network with the authors' weights; as in their test code, its input is clamped to luma's range."""
    (path,) = ctx.files("vdsr").values()
    enhance = network(ctx, "vdsr", read_authors_weights(path))
    ctx.note(input="clamped to [16, 235] / 255")
    return lambda y: enhance(clamp_to_luma(y))


@picture("set5", "srcnn_955", "vdsr")
def butterfly(ctx: Context) -> Figure:
    """The butterfly of Set5 at x3: truth, bicubic, SRCNN 9-5-5 and VDSR, with each PSNR and map of error."""
    return crops(ctx, "butterfly_GT.bmp", (120, 24, 72, 72), 3, with_authors_weights(ctx))


@picture("set5", "srcnn_955", "vdsr")
def bird(ctx: Context) -> Figure:
    """The bird of Set5 at x3: truth, bicubic, SRCNN 9-5-5 and VDSR, with each PSNR and map of error."""
    return crops(ctx, "bird_GT.bmp", (132, 28, 72, 72), 3, with_authors_weights(ctx))


@experiment("depth", tier="quick")
def depth(ctx: Context) -> dict[str, float]:
    """Count the convolutions."""
    return {"depth": sum(isinstance(module, torch.nn.Conv2d) for module in VDSR().modules())}


@experiment("receptive_field", tier="quick")
def receptive_field(ctx: Context) -> dict[str, float]:
    """Measure how wide the input is that the middle of the output depends on, by its gradient."""
    side = 61
    net = VDSR(width=4).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()  # nothing cancels, and no ReLU is off: what can reach the output does
    y = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    net.residual(y)[0, 0, side // 2, side // 2].backward()  # type: ignore[no-untyped-call]
    reached = y.grad[0, 0].abs().sum(0) > 0  # type: ignore[index]
    return {"receptive_field": int(reached.sum())}


# Section 5.2: batches of 64, momentum 0.9, weight decay 1e-4, 80 epochs, rate 0.1, a tenth of it every 20 epochs, x2,
# x3 and x4 together. The count of patches, and so of updates an epoch, follows from the stride, which is not
# printed; nor is theta.
PAPER = Recipe(
    updates=960_000,
    batch=64,
    learning_rate=0.1,
    drop_every=240_000,
    evaluate_every=12_000,
    side=41,
    stride=41,
    flips=True,
    weight_decay=1e-4,
    theta=0.01,
)


@experiment(
    *(f"set5_x{scale}_psnr_trained" for scale in SCALES),
    tier="full",
    artifacts=("t91", "bsd200", "set5"),
    subjects=(BICUBIC, YCBCR),
    seeds=1,
    gpu=True,
)
def trained_as_paper(ctx: Context) -> dict[str, float]:
    """Train one network for all scales on 291 pictures by the paper's recipe."""
    net = init_as_paper(VDSR())

    def test() -> Enhance:
        return lambda y: inference(net, ctx.device)(clamp_to_luma(y))

    measured = train(ctx, net, test, PAPER, pictures=("t91", "bsd200"), scales=SCALES)
    return {f"set5_x{scale}_psnr_trained": measured[f"psnr_x{scale}"] for scale in SCALES}
