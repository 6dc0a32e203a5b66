"""ResNets for CIFAR-10 through torch.compile; torch and torchvision have none of their own."""

from torch import Tensor, nn

from dmbench.models.resnet_cifar import ResNetCifar
from dmbench.peers._compiled import compiled


class CompiledResNet(ResNetCifar):
    """Ours, whose forward pass torch.compile makes."""

    def forward(self, x: Tensor) -> Tensor:
        return _forward(self, x)  # type: ignore[no-any-return]


def _plain(net: nn.Module, x: Tensor) -> Tensor:
    return ResNetCifar.forward(net, x)  # type: ignore[arg-type]


_forward = compiled(_plain)
PEERS = {"torch.compile": {"resnet": CompiledResNet}}
