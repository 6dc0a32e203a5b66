"""ResNets for CIFAR-10: 6n + 2 layers, in three stages of 2n, with shortcuts that have no parameters.

Source: He, Zhang, Ren and Sun (2016), Deep Residual Learning for Image Recognition, arXiv:1512.03385, section 4.2.

Differs from the paper: 1. Where a stage doubles the filters, the paper pads its shortcut with zeros and does not say on
which side (option A); half of them stand on each side here, as in the weights of akamaster/pytorch_resnet_cifar10. The
names of parameters are those weights' too.

Shapes: N pictures, (N, 3, 32, 32) to scores (N, 10).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

WIDTHS = (16, 32, 64)


class ResNetCifar(nn.Module):
    """A residual network, or its plain counterpart.

    Args:
        depth: 6n + 2: 20, 32, 44, 56, 110 or 1202 in the paper.
        classes: number of scores.
        shortcuts: False gives the plain network, of the same parameters.

    Raises:
        ValueError: a depth that is not 6n + 2.
    """

    def __init__(self, depth: int = 20, classes: int = 10, shortcuts: bool = True) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise ValueError(f"need a depth of 6n + 2, such as 20, 32, 44, 56 or 110: {depth}")
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = _stage(blocks, WIDTHS[0], WIDTHS[0], shortcuts)
        self.layer2 = _stage(blocks, WIDTHS[0], WIDTHS[1], shortcuts)
        self.layer3 = _stage(blocks, WIDTHS[1], WIDTHS[2], shortcuts)
        self.linear = nn.Linear(WIDTHS[2], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, around which the input is added before the last ReLU.

    Where there are more filters than channels, the stride is 2, and the shortcut takes every second pixel.
    """

    def __init__(self, channels: int, filters: int, shortcut: bool = True) -> None:
        super().__init__()
        self.shortcut, self.extra = shortcut, filters - channels
        self.stride = 2 if self.extra else 1
        self.conv1 = nn.Conv2d(channels, filters, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, filters, H / stride, W / stride)."""
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if not self.shortcut:
            return relu(y)
        if self.extra:
            front = self.extra // 2
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, front, self.extra - front))
        return relu(y + x)


def _stage(blocks: int, channels: int, filters: int, shortcuts: bool) -> nn.Sequential:
    return nn.Sequential(*(Block(filters if i else channels, filters, shortcuts) for i in range(blocks)))


def init_as_paper(net: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """Draw the filters as He et al. (2015) do for rectifiers, in place; biases 0 (section 3.4)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def read_authors_weights(path: Path) -> dict[str, Tensor]:
    """Read the parameters and running statistics of a file of akamaster/pytorch_resnet_cifar10, by name.

    Raises:
        ValueError: the file is damaged, or holds something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {name.removeprefix("module."): tensor.detach() for name, tensor in content["state_dict"].items()}
    except Exception as error:  # torch raises whatever the damaged bytes led it to
        reason = str(error).strip().split("\n")[0][:80]
        raise ValueError(f"{path}: damaged, or no weights of a ResNet ({reason}): fetch it again") from error
