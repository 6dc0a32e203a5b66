"""ResNet-101 as a feature extractor, to count what deformable convolution adds to it; nothing here is trained.

Source: Dai et al. (2017), arXiv:1703.06211, section 2.3: the classifier is taken off, a 1 x 1 convolution gives 1024
channels, and the last 3 x 3 convolutions, those of conv5 with dilation 2, become deformable. Blocks: He et al. (2016).
"""

from collections import OrderedDict
from collections.abc import Collection

from torch import Tensor, nn
from torch.nn.functional import relu

from dmbench.layers.deform_conv2d import DeformConv2d

RES5 = ("res5a", "res5b", "res5c")
RES4 = ("res4b20", "res4b21", "res4b22")
BLOCKS, WIDTHS = (3, 4, 23, 3), (64, 128, 256, 512)
FEATURES = 1024
CLASSES = 21  # of VOC, with the background
BINS = 7 * 7  # of a region, R-FCN's


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolution, each with batch normalisation, around which the input is added."""

    def __init__(self, channels: int, width: int, stride: int, dilation: int, deformable: bool) -> None:
        super().__init__()
        kind = DeformConv2d if deformable else nn.Conv2d
        self.narrow = nn.Conv2d(channels, width, 1, bias=False)
        self.look = kind(width, width, 3, stride, dilation, dilation, bias=False)
        self.widen = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.norms = nn.ModuleList(map(nn.BatchNorm2d, (width, width, 4 * width)))
        changes = stride > 1 or channels != 4 * width
        self.shortcut = (
            nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))
            if changes
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, 4 * width, H / stride, W / stride)."""
        inner = relu(self.norms[0](self.narrow(x)))
        inner = relu(self.norms[1](self.look(inner)))
        return relu(self.norms[2](self.widen(inner)) + self.shortcut(x))


def features(deformable: Collection[str] = ()) -> nn.Sequential:
    """Build conv1 to conv5 and the 1 x 1 convolution to 1024 channels; named blocks have a deformable 3 x 3."""
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        "norm1": nn.BatchNorm2d(64),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(3, 2, 1),
    }
    channels = 64
    for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True), 2):
        for block in range(count):
            # res4a, res4b1 to res4b22; res5a, res5b, res5c
            letters = "abc"[block] if count == 3 else f"b{block}" if block else "a"
            stride = 2 if stage in (3, 4) and block == 0 else 1  # conv5's is 1 as well, and its dilation 2
            name = f"res{stage}{letters}"
            parts[name] = Bottleneck(channels, width, stride, 2 if stage == 5 else 1, name in deformable)
            channels = 4 * width
    parts["reduced"] = nn.Conv2d(channels, FEATURES, 1)
    return nn.Sequential(OrderedDict(parts))


def deformable_layers(net: nn.Module) -> int:
    """Count deformable convolutions."""
    return sum(isinstance(module, DeformConv2d) for module in net.modules())


def parameters(net: nn.Module) -> int:
    """Count learned values."""
    return sum(p.numel() for p in net.parameters())


def pooling_offsets() -> nn.Module:
    """Build what gives R-FCN's deformable pooling an offset for each bin and class (Figure 4)."""
    return nn.Conv2d(FEATURES, 2 * BINS * CLASSES, 1)
