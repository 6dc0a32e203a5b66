"""Deformable convolution where its result is known in closed form, what it adds to ResNet-101, and scaled MNIST."""

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import conv2d, pad

from dmbench.experiments._resnet101 import RES4, RES5, deformable_layers, features, parameters, pooling_offsets
from dmbench.experiments._scaled_mnist import PLAIN, RESAMPLED, ChannelOffsets
from dmbench.experiments._scaled_mnist_pictures import one_layer, three_layers
from dmbench.experiments._scaled_mnist_training import Recipe, scores, trained
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment, picture
from dmbench.layers.deform_conv2d import DeformConv2d, deform_conv2d

SIZE = 16
FAR = 4  # pixels: farther than any offset here


def check_deform_conv2d(convolve: Callable[..., Tensor]) -> None:
    """Raise ContractError unless convolve keeps the size of a tiny image, with a mask and without."""
    x, offset = torch.ones(1, 2, 4, 5), torch.zeros(1, 18, 4, 5)
    for mask in (None, torch.ones(1, 9, 4, 5)):
        result = convolve(x, offset, torch.ones(3, 2, 3, 3), None, 1, 1, 1, mask)
        if not isinstance(result, Tensor) or tuple(result.shape) != (1, 3, 4, 5):
            found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ContractError(f"returned {found}, not a tensor (1, 3, 4, 5)")


DEFORM_CONV2D = Subject(
    name="deform_conv2d",
    default=deform_conv2d,
    contract="f(input, offset, weight, bias, stride, padding, dilation, mask) does as torchvision.ops.deform_conv2d",
    check=check_deform_conv2d,
)


def check_offset_layer(build: Callable[[int], Callable[[Tensor], Tensor]]) -> None:
    """Raise ContractError unless build(2) gives a module that keeps the size of a tiny map."""
    result = build(2)(torch.ones(1, 2, 4, 5))
    if not isinstance(result, Tensor) or tuple(result.shape) != (1, 2, 4, 5):
        found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise ContractError(f"built a layer that returned {found}, not a tensor (1, 2, 4, 5)")


OFFSET_LAYER = Subject(
    name="offset_layer",
    default=ChannelOffsets,
    contract="MyLayer(channels) is a torch module from (N, channels, H, W) to the same, put before a convolution",
    check=check_offset_layer,
)


@experiment("zero_offsets", "dilated_offsets", "v2_unit_mask", tier="quick", subjects=(DEFORM_CONV2D,))
def special_cases(ctx: Context) -> dict[str, float]:
    """Compare with the plain and the atrous convolution, and version 2 with version 1."""
    convolve = ctx.subject("deform_conv2d")
    x, weight, offset = noise(ctx)
    mask = torch.ones_like(offset[:, :9])
    grid = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2)).to(offset)  # pn, (9, 2): y, x
    own = grid.view(1, 18, 1, 1).expand_as(offset).contiguous()
    zero = torch.zeros_like(offset)
    return {
        "zero_offsets": difference(convolve(x, zero, weight, None, 1, 1, 1, None), conv2d(x, weight, padding=1)),
        "dilated_offsets": difference(
            convolve(x, own, weight, None, 1, 1, 1, None), conv2d(x, weight, padding=2, dilation=2)
        ),
        "v2_unit_mask": difference(
            convolve(x, offset, weight, None, 1, 1, 1, mask), convolve(x, offset, weight, None, 1, 1, 1, None)
        ),
    }


@experiment("integer_offsets", "fractional_offsets", tier="quick", subjects=(DEFORM_CONV2D,))
def shifts(ctx: Context) -> dict[str, float]:
    """Move all taps alike, by whole pixels and between them."""
    convolve = ctx.subject("deform_conv2d")
    x, weight, offset = noise(ctx)
    measured = {}
    for key, dy, dx in (("integer_offsets", 2.0, -3.0), ("fractional_offsets", -0.75, 1.375)):
        both = torch.tensor([dy, dx]).to(offset).repeat(9).view(1, 18, 1, 1).expand_as(offset).contiguous()
        measured[key] = difference(convolve(x, both, weight, None, 1, 1, 1, None), shifted(x, weight, dy, dx))
    return measured


@experiment("v2_initial_mask", "offset_channels", "v2_branch_channels", tier="quick")
def as_built(ctx: Context) -> dict[str, float]:
    """Build our layer and look at its offset branch."""
    x = noise(ctx)[0]
    first = DeformConv2d(8, 8, 3, padding=1, bias=False).to(x)
    second = DeformConv2d(8, 8, 3, padding=1, bias=False, modulated=True).to(x)
    with torch.no_grad():
        plain, ours = conv2d(x, second.weight, padding=1), second(x)
    return {
        "v2_initial_mask": float((plain * ours).sum() / plain.square().sum()),
        "offset_channels": first.branch.out_channels,
        "v2_branch_channels": second.branch.out_channels,
    }


@experiment("res5_layers", "res5_res4_layers", "deeplab_added_parameters", "rfcn_added_parameters", tier="quick")
def on_resnet101(ctx: Context) -> dict[str, float]:
    """Count deformable layers, and the parameters that they add, on ResNet-101 as the paper changes it."""
    with torch.device("meta"):
        plain, three, six = features(), features(RES5), features(RES5 + RES4)
        extra = parameters(three) - parameters(plain)
        return {
            "res5_layers": deformable_layers(three),
            "res5_res4_layers": deformable_layers(six),
            "deeplab_added_parameters": extra / 1e6,
            "rfcn_added_parameters": (extra + parameters(pooling_offsets())) / 1e6,
        }


MINUTES = Recipe(plain_updates=1_200, tuned_updates=300, decays=True, evaluate_every=60)
DEMONSTRATION = Recipe(plain_updates=18_750, tuned_updates=37_500, decays=False, evaluate_every=1_875)
SCALED_MNIST = ("plain_regular", "plain_scaled", "deformable_regular", "deformable_scaled")


@experiment(
    *(f"scaled_mnist_{key}" for key in SCALED_MNIST),
    tier="slow",
    artifacts=("mnist",),
    subjects=(OFFSET_LAYER,),
    seeds=3,
)
def scaled_mnist(ctx: Context) -> dict[str, float]:
    """Train on plain digits, then only the new layers on scaled ones, for some six CPU minutes.

    Differs from the demonstration: 1. 1,200 updates on plain digits instead of 18,750, and 300 on scaled ones instead
    of 37,500. 2. Learning rates fall linearly to zero instead of staying. 3. The branch starts from N(0, 0.01 ** 2), as
    in its later versions; in the copy that was read it starts from zero, where its gradient is zero too. 4. The scaled
    test digits are drawn once a seed, and not anew for each network.
    """
    return measured_on_digits(ctx, MINUTES, "")


@experiment(
    *(f"scaled_mnist_{key}_full" for key in SCALED_MNIST),
    tier="full",
    artifacts=("mnist",),
    subjects=(OFFSET_LAYER,),
    seeds=3,
    gpu=True,
)
def scaled_mnist_full(ctx: Context) -> dict[str, float]:
    """Train as scaled_mnist, for as long and at the rates that the demonstration does."""
    return measured_on_digits(ctx, DEMONSTRATION, "_full")


def measured_on_digits(ctx: Context, recipe: Recipe, ending: str) -> dict[str, float]:
    """Return the accuracies of the plain network and of the demonstration's; note those of the two others."""
    found = scores(ctx, trained(ctx, recipe, ctx.subject("offset_layer")))
    # The same fine-tuning with Dai's layer, and with batch normalisation alone: nobody printed these.
    ctx.note(beside={key: value for key, value in found.items() if not key.startswith((PLAIN, RESAMPLED))})
    return {f"scaled_mnist_{key}{ending}": found[key.replace("deformable", RESAMPLED)] for key in SCALED_MNIST}


@picture("mnist", "scaled_mnist_dai")
def sampled_by_one_layer(ctx: Context) -> Figure:
    """Where the nine taps of a trained deformable layer read a digit at three scales."""
    return one_layer(ctx)


@picture("mnist", "scaled_mnist_dai")
def sampled_by_three_layers(ctx: Context) -> Figure:
    """What three trained deformable layers read of a digit at three scales: 729 places, and those of plain layers."""
    return three_layers(ctx)


def noise(ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Return an image, 3 x 3 filters and offsets, the same each time."""
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 8, SIZE, SIZE), (8, 8, 3, 3), (2, 18, SIZE, SIZE)
    x, weight, offset = (torch.randn(s, generator=generator, dtype=torch.float64).to(ctx.device) for s in shapes)
    return x, weight, offset


def shifted(x: Tensor, weight: Tensor, dy: float, dx: float) -> Tensor:
    """Convolve x as seen from (dy, dx) away: four views of it between zeros, weighted bilinearly."""
    top, left = int(dy // 1), int(dx // 1)
    wide, total = pad(x, [FAR + 1] * 4), torch.zeros((), dtype=x.dtype, device=x.device)
    for y, along in ((top, 1 - (dy - top)), (top + 1, dy - top)):
        for z, across in ((left, 1 - (dx - left)), (left + 1, dx - left)):
            view = wide[:, :, FAR + y : FAR + y + SIZE + 2, FAR + z : FAR + z + SIZE + 2]
            if along * across:
                total = total + along * across * conv2d(view, weight)
    return total


def difference(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((ours - expected).abs().max() / expected.abs().max())
