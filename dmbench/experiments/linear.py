"""The fully connected layer: counts, its conversion to a convolution, and how far it is from torch's."""

import torch
from torch.nn import functional as F

from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.experiment import Context, experiment
from dmbench.layers.conv2d import conv2d
from dmbench.layers.linear import Linear, linear

CASE: Case = ([(5, 4, 7), (6, 7), (6,)], {})
LAYER = subject("linear", linear, F.linear, CASE)
VGG16 = ((7 * 7 * 512, 4096), (4096, 4096), (4096, 1000))
ALEXNET = ((6 * 6 * 256, 4096), (4096, 4096), (4096, 1000))


@experiment("neuron_32x32x3", "neuron_200x200x3", tier="quick")
def neurons(ctx: Context) -> dict[str, float]:
    """Count the weights of one neuron that sees a whole picture."""
    return {f"neuron_{side}x{side}x3": Linear(side * side * 3, 1).weight.numel() for side in (32, 200)}


@experiment("vgg16_weights", tier="quick")
def vgg16(ctx: Context) -> dict[str, list[float]]:
    """Count the weights of VGG-16's three fully connected layers."""
    return {"vgg16_weights": [Linear(*sizes, device="meta").weight.numel() for sizes in VGG16]}


@experiment("alexnet_fc6_weights", "alexnet_parameters", tier="quick")
def alexnet(ctx: Context) -> dict[str, float | list[float]]:
    """Count the weights of AlexNet's first fully connected layer, and the parameters of all three."""
    layers = [Linear(*sizes, device="meta") for sizes in ALEXNET]
    return {
        "alexnet_fc6_weights": layers[0].weight.numel(),
        "alexnet_parameters": [sum(p.numel() for p in layer.parameters()) for layer in layers],
    }


@experiment("converted_size", "converted_difference", tier="quick", subjects=(LAYER,))
def converted(ctx: Context) -> dict[str, float]:
    """Slide a fully connected layer over a 12 x 12 map as a 7 x 7 convolution; compare with it at each place.

    Differs from the notes: 8 channels and 10 outputs instead of 512 and 4,096.
    """
    x = torch.randn(1, 8, 12, 12, dtype=torch.float64).to(ctx.device)
    net = Linear(8 * 7 * 7, 10, dtype=torch.float64).to(ctx.device)
    with torch.no_grad():
        slid = conv2d(x, net.weight.reshape(10, 8, 7, 7), net.bias)
        placed = torch.empty_like(slid)
        for i in range(slid.shape[2]):
            for j in range(slid.shape[3]):
                seen = x[:, :, i : i + 7, j : j + 7].flatten(1)
                placed[:, :, i, j] = ctx.subject("linear")(seen, net.weight, net.bias)
    return {
        "converted_size": slid.shape[-1],
        "converted_difference": float((slid - placed).abs().max() / placed.abs().max()),
    }


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.linear in float32, result and gradients."""
    return {"difference_float32": difference(ctx, "linear", F.linear, torch.float32, CASE)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.linear in float64, result and gradients."""
    return {"difference_float64": difference(ctx, "linear", F.linear, torch.float64, CASE)}
