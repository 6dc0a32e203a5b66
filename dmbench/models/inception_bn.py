"""Inception with batch normalisation: GoogLeNet with two 3 x 3 layers for each 5 x 5, normalised before each ReLU.

Source: Ioffe and Szegedy (2015), Batch Normalization, arXiv:1502.03167, the appendix with Figure 5, and section 3.2: a
convolution has no bias, since the shift of its normalisation takes that place.

Differs from the paper: 1. Figure 5 gives 4c and 4d a pool projection of 128 and an output of 576, which is 160 + 160 +
160 + 96 and 96 + 192 + 192 + 96; also the 1024 of 4e, which passes its input through, needs 576. `pool_4cd` is 96 here,
and may be 128. 2. The averages at the border are over what lies
inside the map; the paper does not say.

Shapes: N pictures, (N, 3, 224, 224) to scores (N, 1000); other sizes from 33 pixels on work, the last average being
over all of the map.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

from dmbench.layers.batch_norm import BatchNorm2d


@dataclass(frozen=True)
class Widths:
    """Filters of a module's paths; 0 leaves a path, or a projection, out."""

    single: int
    reduce: int
    three: int
    reduce_double: int
    double: int
    pool: int
    kind: str = "avg"
    stride: int = 1

    def out(self, channels: int) -> int:
        """Return the module's output channels."""
        return self.single + self.three + self.double + (self.pool or channels)


MODULES = {
    "3a": Widths(64, 64, 64, 64, 96, 32),
    "3b": Widths(64, 64, 96, 64, 96, 64),
    "3c": Widths(0, 128, 160, 64, 96, 0, "max", 2),
    "4a": Widths(224, 64, 96, 96, 128, 128),
    "4b": Widths(192, 96, 128, 96, 128, 128),
    "4c": Widths(160, 128, 160, 128, 160, 96),
    "4d": Widths(96, 128, 192, 160, 192, 96),
    "4e": Widths(0, 128, 192, 192, 256, 0, "max", 2),
    "5a": Widths(352, 192, 320, 160, 224, 128),
    "5b": Widths(352, 192, 320, 192, 224, 128, "max"),
}


class InceptionBN(nn.Module):
    """The network of Figure 5.

    Args:
        classes: number of scores. separable: the first convolution as one of 7 x 7 on each colour, with 8 filters each,
            and one of 1 x 1; False makes it a plain one. pool_4cd: the pool projection of 4c and 4d.

    Raises:
        ValueError: on call, pictures that are not (N, 3, H, W), or smaller than 33 pixels.
    """

    def __init__(self, classes: int = 1000, separable: bool = True, pool_4cd: int = 96) -> None:
        super().__init__()
        first = Conv(3, 64, 7, 2)
        if separable:
            first.conv = nn.Sequential(  # type: ignore[assignment]
                nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False), nn.Conv2d(24, 64, 1, bias=False)
            )
        self.conv1 = first
        self.conv2_reduce, self.conv2 = Conv(64, 64, 1), Conv(64, 192, 3)
        self.inception = nn.ModuleDict()
        channels = 192
        for name, widths in MODULES.items():
            own = replace(widths, pool=pool_4cd) if name in ("4c", "4d") else widths
            self.inception[name] = Inception(channels, own)
            channels = own.out(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 33:
            raise ValueError(f"need pictures (N, 3, H, W) of at least 33 x 33 pixels: {tuple(x.shape)}")
        x = max_pool2d(self.conv1(x), 3, 2, 1)
        x = max_pool2d(self.conv2(self.conv2_reduce(x)), 3, 2, 1)
        for module in self.inception.values():
            x = module(x)
        return self.classifier(x.mean((2, 3)))  # type: ignore[no-any-return]


class Inception(nn.Module):
    """Up to four paths side by side: 1 x 1, 3 x 3, two 3 x 3 in a row, and a 3 x 3 pool with or without projection.

    Shapes: (N, channels, H, W) to (N, widths.out(channels), H / stride, W / stride).
    """

    def __init__(self, channels: int, widths: Widths) -> None:
        super().__init__()
        self.widths = widths
        self.path_1 = Conv(channels, widths.single, 1) if widths.single else None
        self.path_3 = nn.Sequential(
            Conv(channels, widths.reduce, 1), Conv(widths.reduce, widths.three, 3, widths.stride)
        )
        self.path_33 = nn.Sequential(
            Conv(channels, widths.reduce_double, 1),
            Conv(widths.reduce_double, widths.double, 3),
            Conv(widths.double, widths.double, 3, widths.stride),
        )
        self.projection = Conv(channels, widths.pool, 1) if widths.pool else None

    def forward(self, x: Tensor) -> Tensor:
        if self.widths.kind == "max":
            pooled = max_pool2d(x, 3, self.widths.stride, 1)
        else:
            pooled = avg_pool2d(x, 3, self.widths.stride, 1, count_include_pad=False)
        paths = [] if self.path_1 is None else [self.path_1(x)]
        paths += [self.path_3(x), self.path_33(x), pooled if self.projection is None else self.projection(pooled)]
        return torch.cat(paths, 1)


class Conv(nn.Module):
    """A convolution that keeps H and W but for its stride, batch normalisation, ReLU."""

    def __init__(self, channels: int, filters: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, side, stride, side // 2, bias=False)
        self.norm = BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, filters, H / stride, W / stride)."""
        return relu(self.norm(self.conv(x)))
