"""SqueezeNet: AlexNet's accuracy with 50 times fewer parameters, by Fire modules that squeeze, then expand.

Source: Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer (2016), SqueezeNet: AlexNet-level accuracy with 50x fewer
parameters and <0.5MB model size, arXiv:1602.07360, Table 1; version 1.1 is the authors' later one (SqueezeNet_v1.1 of
their repository). Compressed as in Han, Mao and Dally (2016), Deep Compression, arXiv:1510.00149.

Symbols: s1x1 filters that squeeze, e1x1 and e3x3 filters that expand. Shapes: N pictures of 3 channels in Caffe's
order, blue, green, red, less their means; H, W rows and columns, 227 by 227 in the authors' files; K classes.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from dmbench.datasets.caffe_layers import read_layer
from dmbench.datasets.deep_compression import read_compressed

SIDE = 227
# Table 1: s1x1, e1x1 = e3x3.
FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}
# By version: filters and side of conv1, after which modules a maximum is taken, padding of conv10.
VERSIONS = {"1.0": (96, 7, (1, 4, 8), 1), "1.1": (64, 3, (1, 3, 5), 0)}
# Caffe's names, in the order of the parameters of SqueezeNet("1.1").
PARTS = ("squeeze1x1", "expand1x1", "expand3x3")
CAFFE_LAYERS = ("conv1", *(f"fire{i}/{part}" for i in FIRES for part in PARTS), "conv10")


class SqueezeNet(nn.Module):
    """A convolution, eight Fire modules, a convolution with a filter a class, and its average over the picture.

    Args:
        version: "1.0", the paper's, or "1.1", which needs 2.4 times fewer multiplications.
        classes: K.
        padding: zeros around what conv10 sees; None: as in the authors' files, 1 in version 1.0 and 0 in 1.1. Table 1
            has none: 13 x 13.

    Raises:
        ValueError: an unknown version.

    Differs from the paper: Table 1 gives the input as 224 x 224, whose first map would be 109 x 109; its own 111 x 111
    is that of 227 x 227, as in the authors' files.
    """

    def __init__(self, version: str = "1.0", classes: int = 1000, *, padding: int | None = None) -> None:
        super().__init__()
        if version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}: {version}")
        channels, side, self.pooled_after, usual = VERSIONS[version]
        self.conv1 = nn.Conv2d(3, channels, side, stride=2)
        self.fires = nn.ModuleDict()
        for i, (squeezed, expanded) in FIRES.items():
            self.fires[str(i)] = Fire(channels, squeezed, expanded)
            channels = 2 * expanded
        self.dropout = nn.Dropout(0.5)
        self.conv10 = nn.Conv2d(channels, classes, 1, padding=usual if padding is None else padding)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, 3, H, W) to logits (N, K), at least 0, for a rectifier is the last layer but the average.

        Raises:
            ValueError: not (N, 3, H, W), or smaller than 21 x 21, of which the pooling would leave nothing.
        """
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 21:
            raise ValueError(f"need pictures (N, 3, H, W) of at least 21 x 21: {tuple(x.shape)}")
        x = shrunk(torch.relu(self.conv1(x)))
        for i, fire in self.fires.items():
            x = fire(x)
            if int(i) in self.pooled_after:
                x = shrunk(x)
        return torch.relu(self.conv10(self.dropout(x))).mean((2, 3))


class Fire(nn.Module):
    """A Fire module (section 3.2): 1 x 1 filters squeeze; 1 x 1 and 3 x 3 filters expand, side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, 2 * expanded, H, W)."""
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1(x), self.expand3(x)], 1))


def shrunk(x: Tensor) -> Tensor:
    """Take the maximum of 3 x 3 windows, two apart; a last one may reach past the border, as Caffe rounds sizes up."""
    return max_pool2d(x, 3, stride=2, ceil_mode=True)


def read_weights(files: Mapping[str, Path]) -> list[Tensor]:
    """Read the weights of version 1.1 from one file a layer, in the order of the parameters of SqueezeNet("1.1").

    Args:
        files: places by name; a name ends with Caffe's name of the layer and _filter.bin or _bias.bin.

    Raises:
        ValueError: a file is missing, or of another size.
    """
    layers = zip(CAFFE_LAYERS, _shapes("1.1")[::2], strict=True)
    return [tensor for name, shape in layers for tensor in read_layer(files, name, shape)]


def read_compressed_weights(path: Path) -> list[Tensor]:
    """Read the deep-compressed weights of version 1.0, in the order of the parameters of SqueezeNet("1.0").

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    return read_compressed(path, _shapes("1.0")[::2])


def _shapes(version: str) -> list[tuple[int, ...]]:
    with torch.device("meta"):
        return [tuple(parameter.shape) for parameter in SqueezeNet(version).parameters()]
