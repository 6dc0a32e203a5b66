"""The PReLU paper's networks through torch.compile; torchvision has VGG-19, and none of the others."""

from torch import Tensor, nn

from dmbench.models.prelu_net import PReLUNet
from dmbench.peers._compiled import compiled


class CompiledPReLUNet(PReLUNet):
    """Ours, whose forward pass torch.compile makes."""

    def forward(self, x: Tensor) -> Tensor:
        return _forward(self, x)  # type: ignore[no-any-return]


def _plain(net: nn.Module, x: Tensor) -> Tensor:
    return PReLUNet.forward(net, x)  # type: ignore[arg-type]


_forward = compiled(_plain)
PEERS = {"torch.compile": {"prelu_net": CompiledPReLUNet}}
