"""GoogLeNet: nine Inception modules, each of which looks at its input through windows of several sizes at once.

Source: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich (2015), Going deeper with
convolutions, CVPR, arXiv:1409.4842, Table 1 and section 5. As the Berkeley Vision and Learning Center's Caffe
replication defines it (BVLC, models/bvlc_googlenet), whose weights are public.

Shapes: N pictures of 3 channels in Caffe's order, blue, green, red, less their means; H, W rows and columns, 224 by
224 in the paper; K classes.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from dmbench.datasets.caffe_layers import read_layer

SIDE = 224
ALPHA = 1e-4  # of the local response normalisation; beta is 0.75, over five channels
# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED_BEFORE = ("4a", "5a")
AUXILIARY_AFTER = ("4a", "4d")
BRANCHES = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
# Caffe's names, in the order of the parameters of GoogLeNet().
CAFFE_LAYERS = (
    "conv1/7x7_s2",
    "conv2/3x3_reduce",
    "conv2/3x3",
    *(f"inception_{module}/{branch}" for module in MODULES for branch in BRANCHES),
    "loss3/classifier",
)


class GoogLeNet(nn.Module):
    """Two convolutions, nine Inception modules, an average over what is left of the picture, a linear classifier.

    Args:
        classes: K.
        auxiliary: also the two classifiers half way, which the paper trains with and throws away (section 5).

    Differs from the paper:
        1. Its Table 1 counts 2.7K parameters for the first convolution; a 7 x 7 one has 9.2K, as in BVLC's replication.
        2. The last average is over the whole map, which is 7 x 7 for a picture of 224 x 224.
    """

    def __init__(self, classes: int = 1000, *, auxiliary: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.reduce2 = nn.Conv2d(64, 64, 1)
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        self.inception = nn.ModuleDict()
        self.auxiliary = nn.ModuleDict()
        channels = 192
        for name, filters in MODULES.items():
            module = Inception(channels, *filters)
            self.inception[name] = module
            channels = module.channels
            if auxiliary and name in AUXILIARY_AFTER:
                self.auxiliary[name] = Auxiliary(channels, classes)
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(channels, classes)
        if auxiliary:  # last in the order of parameters, where the weights that were released have none
            self.auxiliary = self._modules.pop("auxiliary")  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Map pictures (N, 3, H, W) to logits (N, K); in training with auxiliary classifiers also to their two.

        Raises:
            ValueError: not (N, 3, H, W), or smaller than 31 x 31, of which the pooling would leave nothing.
        """
        if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 31:
            raise ValueError(f"need pictures (N, 3, H, W) of at least 31 x 31: {tuple(x.shape)}")
        x = normalised(shrunk(torch.relu(self.conv1(x))))
        x = torch.relu(self.conv2(torch.relu(self.reduce2(x))))
        x = shrunk(normalised(x))
        early = []
        for name, module in self.inception.items():
            x = module(shrunk(x) if name in POOLED_BEFORE else x)
            if self.training and name in self.auxiliary:
                early.append(self.auxiliary[name](x))
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return (logits, early[0], early[1]) if early else logits


class Inception(nn.Module):
    """One Inception module (Figure 2b): four branches, whose channels are laid one behind the other."""

    def __init__(
        self, channels: int, conv1: int, reduce3: int, conv3: int, reduce5: int, conv5: int, projection: int
    ) -> None:
        super().__init__()
        self.channels = conv1 + conv3 + conv5 + projection
        self.conv1 = nn.Conv2d(channels, conv1, 1)
        self.reduce3 = nn.Conv2d(channels, reduce3, 1)
        self.conv3 = nn.Conv2d(reduce3, conv3, 3, padding=1)
        self.reduce5 = nn.Conv2d(channels, reduce5, 1)
        self.conv5 = nn.Conv2d(reduce5, conv5, 5, padding=2)
        self.projection = nn.Conv2d(channels, projection, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, channels, H, W)."""
        branches = (
            self.conv1(x),
            self.conv3(torch.relu(self.reduce3(x))),
            self.conv5(torch.relu(self.reduce5(x))),
            self.projection(max_pool2d(x, 3, stride=1, padding=1)),
        )
        return torch.relu(torch.cat(branches, 1))


class Auxiliary(nn.Module):
    """A classifier half way (section 5): average, 1 x 1 convolution, two linear layers. Its loss counts 0.3 times."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 128, 1)
        self.hidden = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.classifier = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, 14, 14) to logits (N, K)."""
        x = torch.relu(self.conv(avg_pool2d(x, 5, stride=3)))
        return self.classifier(self.dropout(torch.relu(self.hidden(x.flatten(1)))))  # type: ignore[no-any-return]


def shrunk(x: Tensor) -> Tensor:
    """Take the maximum of 3 x 3 windows, two apart; a last one may reach past the border, as Caffe rounds sizes up."""
    return max_pool2d(x, 3, stride=2, ceil_mode=True)


def normalised(x: Tensor) -> Tensor:
    """Local response normalisation: divide by (1 + alpha / 5 times the sum of squares of five channels around) ** beta.

    Source: Krizhevsky, Sutskever and Hinton (2012), section 3.3, as Caffe has it: its alpha is divided by how many
    channels. Several times faster than torch's local_response_norm, on a CPU.
    """
    squares = x.square()
    around = squares.clone()
    for apart in (1, 2):
        around[:, apart:].add_(squares[:, :-apart])
        around[:, :-apart].add_(squares[:, apart:])
    root = around.mul_(ALPHA / 5).add_(1).sqrt()
    return x / (root * root.sqrt())  # beta 0.75


def read_weights(files: Mapping[str, Path]) -> list[Tensor]:
    """Read BVLC's weights from one file a layer, in the order of the parameters of GoogLeNet().

    Args:
        files: places by name; a name ends with Caffe's name of the layer and _filter.bin or _bias.bin.

    Raises:
        ValueError: a file is missing, or of another size.
    """
    with torch.device("meta"):
        shapes = [tuple(parameter.shape) for parameter in GoogLeNet().parameters()]
    return [t for name, shape in zip(CAFFE_LAYERS, shapes[::2], strict=True) for t in read_layer(files, name, shape)]
