"""Convolution: sizes, counts and worked examples of the lectures, and how far it is from torch's."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._functions import difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.conv2d import Conv2d, conv2d, im2col, windows

# A case in which stride, padding, dilation and groups all matter, each with unequal sides.
CASE = (
    [(2, 4, 11, 9), (6, 2, 3, 2), (6,)],
    {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 3), "groups": 2},
)
LAYER = subject("conv2d", conv2d, F.conv2d, CASE)

# Side of the input, side of the filter, and what else is not default.
SIZES = {
    "w7_f3_s1": (7, 3, {}),
    "w7_f3_s2": (7, 3, {"stride": 2}),
    "w5_f3_s1_p1": (5, 3, {"padding": 1}),
    "w5_f3_s2_p1": (5, 3, {"stride": 2, "padding": 1}),
    "w11_f5_s2": (11, 5, {"stride": 2}),
    "i4_k3": (4, 3, {}),
    "i5_k4_p2": (5, 4, {"padding": 2}),
    "i5_k3_p2": (5, 3, {"padding": 2}),
    "i5_k3_s2": (5, 3, {"stride": 2}),
    "i6_k3_s2_p1": (6, 3, {"stride": 2, "padding": 1}),
    "i7_k3_d2": (7, 3, {"dilation": 2}),
}
VGG16 = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
PICTURE = ((3, 3, 2, 1, 0), (0, 0, 1, 3, 1), (3, 1, 2, 2, 3), (2, 0, 0, 2, 2), (2, 0, 0, 0, 1))
KERNEL = ((0, 1, 2), (2, 2, 0), (0, 1, 2))
FIGURES = {"1_1": {}, "1_2": {"stride": 2, "padding": 1}}


@experiment("size_{case}", tier="quick", subjects=(LAYER,), over={"case": tuple(SIZES)})
def size(ctx: Context, case: str) -> dict[str, float]:
    """Measure the side of the output."""
    side, window, options = SIZES[case]
    x, weight = (torch.zeros(1, 1, n, n, device=ctx.device) for n in (side, window))
    return {f"size_{case}": ctx.subject("conv2d")(x, weight, **options).shape[-1]}


@experiment("alexnet_volume", "alexnet_neurons", "alexnet_unshared", tier="quick", subjects=(LAYER,))
def alexnet(ctx: Context) -> dict[str, float | list[float]]:
    """Convolve as AlexNet's first layer does, and count its outputs."""
    x = torch.zeros(1, 3, 227, 227, device=ctx.device)
    weight = torch.zeros(96, 3, 11, 11, device=ctx.device)
    y = ctx.subject("conv2d")(x, weight, torch.zeros(96, device=ctx.device), stride=4)
    return {
        "alexnet_volume": [*y.shape[2:], y.shape[1]],
        "alexnet_neurons": y.numel(),
        "alexnet_unshared": y.numel() * (weight[0].numel() + 1),
    }


@experiment("alexnet_weights", "alexnet_parameters", tier="quick")
def alexnet_counts(ctx: Context) -> dict[str, float]:
    """Count the weights of AlexNet's first layer, then its biases too."""
    net = Conv2d(3, 96, 11, stride=4)
    return {"alexnet_weights": net.weight.numel(), "alexnet_parameters": sum(p.numel() for p in net.parameters())}


@experiment("alexnet_im2col", tier="quick")
def alexnet_im2col(ctx: Context) -> dict[str, list[float]]:
    """Stretch out the input of AlexNet's first layer."""
    stretched = im2col(windows(torch.zeros(1, 3, 227, 227, device=ctx.device), 11, stride=4))
    return {"alexnet_im2col": list(stretched.shape[1:])}


@experiment("neuron_5x5x3", "neuron_3x3x20", tier="quick")
def neurons(ctx: Context) -> dict[str, float]:
    """Count the weights of one neuron."""
    return {
        "neuron_5x5x3": Conv2d(3, 1, 5).weight.numel(),
        "neuron_3x3x20": Conv2d(20, 1, 3).weight.numel(),
    }


@experiment("vgg16_weights", tier="quick")
def vgg16(ctx: Context) -> dict[str, list[float]]:
    """Count the weights of VGG-16's thirteen convolutions."""
    layers = [Conv2d(c, k, 3, device="meta") for c, k in pairwise(VGG16)]
    return {"vgg16_weights": [layer.weight.numel() for layer in layers]}


@experiment("figure_{figure}", tier="quick", subjects=(LAYER,), over={"figure": tuple(FIGURES)})
def figures(ctx: Context, figure: str) -> dict[str, list[float]]:
    """Convolve the picture that Dumoulin and Visin convolve; the output row by row."""
    x, weight = (as_tensor(values).to(ctx.device) for values in (PICTURE, KERNEL))
    return {f"figure_{figure}": ctx.subject("conv2d")(x, weight, **FIGURES[figure]).flatten().tolist()}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.conv2d in float32, result and gradients."""
    return {"difference_float32": difference(ctx, "conv2d", F.conv2d, torch.float32, CASE)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.conv2d in float64, result and gradients."""
    return {"difference_float64": difference(ctx, "conv2d", F.conv2d, torch.float64, CASE)}


def as_tensor(values: tuple[tuple[int, ...], ...]) -> Tensor:
    """Return (1, 1, rows, columns), float32."""
    return torch.tensor(values, dtype=torch.float32)[None, None]
