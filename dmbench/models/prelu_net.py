"""The PReLU paper's networks: a small one of 14 layers, one of 30, the large A, B and C, and VGG-19 beside them.

Source: He, Zhang, Ren and Sun (2015), Delving Deep into Rectifiers, arXiv:1502.01852, Table 1 (the small network),
section 2.2 (30 layers), Table 3 (A, B, C, VGG-19) and section 3 (training). The spatial pyramid: He et al. (2014),
arXiv:1406.4729.

Differs from the paper: 1. Padding is not printed. The small network's first convolution has none, and its 2 x 2 ones
have none and one pixel in turn, which gives the maps of 36 and 18 pixels that He and Sun (2015), arXiv:1412.1710, Table
1, print for networks of this kind; the large ones keep the sizes of Table 3. 2. A bin of the pyramid is that of torch's
adaptive maximum; the source's windows differ by a pixel where bins do not divide a map.

Shapes: N pictures, (N, 3, 224, 224) to scores (N, 1000).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

SLOPE = 0.25  # of all PReLUs at first
ACTIVATIONS = ("relu", "shared", "channel")


@dataclass(frozen=True)
class Layout:
    """First convolution (side, filters, stride, padding); the pool after it, if above 1; stages of convolutions.

    stages: each (side, filters, count), with a 2 x 2 maximum between two. bins: a side of each level of the pyramid.
    """

    first: tuple[int, int, int, int]
    first_pool: int
    stages: tuple[tuple[int, int, int], ...]
    bins: tuple[int, ...]


LARGE = (7, 96, 2, 3)
LAYOUTS = {
    "small": Layout((7, 64, 2, 0), 3, ((2, 128, 4), (2, 256, 6)), (6, 3, 2, 1)),
    "small_30": Layout((7, 64, 2, 0), 3, ((2, 128, 4), (2, 256, 22)), (6, 3, 2, 1)),
    "a": Layout(LARGE, 2, ((3, 256, 5), (3, 512, 5), (3, 512, 5)), (7, 3, 2, 1)),
    "b": Layout(LARGE, 2, ((3, 256, 6), (3, 512, 6), (3, 512, 6)), (7, 3, 2, 1)),
    "c": Layout(LARGE, 2, ((3, 384, 6), (3, 768, 6), (3, 896, 6)), (7, 3, 2, 1)),
    # The last 2 x 2 maximum, of 14 x 14, is a pyramid of one level of 7 x 7.
    "vgg_19": Layout((3, 64, 1, 1), 1, ((3, 64, 1), (3, 128, 2), (3, 256, 4), (3, 512, 4), (3, 512, 4)), (7,)),
}


class PReLUNet(nn.Module):
    """Convolutions, a spatial pyramid of maxima, and three linear layers, with dropout of 50 % after the first two.

    Args:
        layout: "small", "small_30", "a", "b", "c" or "vgg_19".
        activation: "relu", or PReLU with one slope a layer, "shared", or one a channel, "channel".
        classes: number of scores. hidden: units of the first two linear layers.

    Raises:
        ValueError: an unknown layout or activation.
    """

    def __init__(
        self, layout: str = "small", activation: str = "channel", classes: int = 1000, hidden: int = 4096
    ) -> None:
        super().__init__()
        if layout not in LAYOUTS or activation not in ACTIVATIONS:
            known = f"a layout of {', '.join(LAYOUTS)} and an activation of {', '.join(ACTIVATIONS)}"
            raise ValueError(f"need {known}: {layout}, {activation}")
        plan = LAYOUTS[layout]
        self.features = nn.Sequential(*_features(plan, activation))
        self.pyramid = Pyramid(plan.bins)
        bins = sum(side**2 for side in plan.bins)
        self.classifier = nn.Sequential(
            nn.Linear(bins * plan.stages[-1][1], hidden),
            _activation(activation, hidden),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            _activation(activation, hidden),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pyramid(self.features(x)))  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """Maxima over n x n bins of a map, for each n, one after another: (N, C, H, W) to (N, C sum n^2)."""

    def __init__(self, bins: tuple[int, ...]) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < max(self.bins):
            raise ValueError(f"need a map of at least {max(self.bins)} pixels for the pyramid: {tuple(x.shape[2:])}")
        return torch.cat([adaptive_max_pool2d(x, side).flatten(1) for side in self.bins], 1)


def init_as_paper(net: PReLUNet, generator: torch.Generator | None = None) -> PReLUNet:
    """Draw filters by Eq. 14, with the slopes as they are; linear layers with deviations of 0.01, 0.01 and 0.001."""
    slopes = [module for module in net.modules() if isinstance(module, nn.PReLU)]
    slope = SLOPE if slopes else 0.0
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, slope, "fan_out", "leaky_relu", generator=generator)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.001 if module is linear[-1] else 0.01, generator=generator)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for prelu in slopes:
        nn.init.constant_(prelu.weight, SLOPE)
    return net


def _features(plan: Layout, activation: str) -> Iterator[nn.Module]:
    side, channels, stride, padding = plan.first
    yield from (nn.Conv2d(3, channels, side, stride, padding), _activation(activation, channels))
    if plan.first_pool > 1:
        yield nn.MaxPool2d(plan.first_pool)
    for number, (side, filters, count) in enumerate(plan.stages):
        if number:
            yield nn.MaxPool2d(2)
        for i in range(count):
            padding = side // 2 if side % 2 else i % 2
            yield from (nn.Conv2d(channels, filters, side, 1, padding), _activation(activation, filters))
            channels = filters


def _activation(kind: str, channels: int) -> nn.Module:
    if kind == "relu":
        return nn.ReLU()
    return nn.PReLU(channels if kind == "channel" else 1, SLOPE)
