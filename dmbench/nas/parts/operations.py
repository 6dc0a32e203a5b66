"""The operations on the edges of cells, by name; shared by fixed networks and by networks that mix operations.

Sources: NAS-Bench-201 (Dong and Yang 2020, arXiv:2001.00326, section 2.1) for none, skip_connect, nor_conv_1x1,
nor_conv_3x3 and avg_pool_3x3; DARTS (Liu, Simonyan and Yang 2019, arXiv:1806.09055, section 3.1) for the others. A
convolution is ReLU, convolution and batch normalisation, without biases.

Shapes: (N, C, H, W) to (N, C, H', W'), halved and rounded up where the stride is 2.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.pooling import avg_pool2d, max_pool2d
from dmbench.layers.relu import ReLU


def operation(name: str, channels: int, stride: int = 1, affine: bool = True) -> nn.Module:
    """Return an operation. affine: whether batch normalisation has a scale and a shift.

    Raises: ValueError: an unknown name.
    """
    if name not in OPERATIONS:
        raise ValueError(f"an operation is one of {', '.join(OPERATIONS)}: {name}")
    return OPERATIONS[name](channels, stride, affine)


class Zero(nn.Module):
    """No connection: zeros."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the size that the stride leaves; no gradient passes but zeros."""
        return x[:, :, :: self.stride, :: self.stride] * 0.0


class Pool(nn.Module):
    """The maximum or the average over 3 x 3; what lies outside of the picture does not count."""

    def __init__(self, kind: str, stride: int = 1) -> None:
        super().__init__()
        self.kind, self.stride = kind, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        if self.kind == "max":
            return max_pool2d(x, 3, self.stride, 1)
        return avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)


class FactorizedReduce(nn.Module):
    """Halve a picture: two 1 x 1 convolutions of stride 2, one of them a pixel further, side by side."""

    def __init__(self, channels: int, filters: int, affine: bool = True) -> None:
        super().__init__()
        if filters % 2:
            raise ValueError(f"need an even number of filters: {filters}")
        self.relu, self.bn = ReLU(), BatchNorm2d(filters, affine=affine)
        self.first, self.second = (Conv2d(channels, filters // 2, 1, stride=2, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), H and W even, to (N, filters, H / 2, W / 2)."""
        x = self.relu(x)
        return self.bn(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], 1))  # type: ignore[no-any-return]


def relu_conv_bn(
    channels: int, filters: int, window: int, stride: int = 1, affine: bool = True, padding: int | None = None
) -> nn.Sequential:
    """Return ReLU, a convolution that keeps the size but for its stride, and batch normalisation."""
    padding = window // 2 if padding is None else padding
    convolution = Conv2d(channels, filters, window, stride=stride, padding=padding, bias=False)
    return nn.Sequential(ReLU(), convolution, BatchNorm2d(filters, affine=affine))


def separable(channels: int, windows: Sequence[int], stride: int, affine: bool, dilation: int = 1) -> nn.Sequential:
    """Return for each window ReLU, a convolution by channel, one of 1 x 1 and normalisation; the first one strides."""
    layers: list[nn.Module] = []
    for index, window in enumerate(windows):
        layers += [
            ReLU(),
            Conv2d(
                channels,
                channels,
                window,
                stride=1 if index else stride,
                padding=dilation * (window // 2),
                dilation=dilation,
                groups=channels,
                bias=False,
            ),
            Conv2d(channels, channels, 1, bias=False),
            BatchNorm2d(channels, affine=affine),
        ]
    return nn.Sequential(*layers)


OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda channels, stride, affine: Zero(stride),
    "skip_connect": lambda channels, stride, affine: (
        nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)
    ),
    "nor_conv_1x1": lambda channels, stride, affine: relu_conv_bn(channels, channels, 1, stride, affine),
    "nor_conv_3x3": lambda channels, stride, affine: relu_conv_bn(channels, channels, 3, stride, affine),
    "avg_pool_3x3": lambda channels, stride, affine: Pool("average", stride),
    "max_pool_3x3": lambda channels, stride, affine: Pool("max", stride),
    "sep_conv_3x3": lambda channels, stride, affine: separable(channels, (3, 3), stride, affine),
    "sep_conv_5x5": lambda channels, stride, affine: separable(channels, (5, 5), stride, affine),
    "dil_conv_3x3": lambda channels, stride, affine: separable(channels, (3,), stride, affine, 2),
    "dil_conv_5x5": lambda channels, stride, affine: separable(channels, (5,), stride, affine, 2),
}
