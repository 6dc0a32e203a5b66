"""Inception with batch normalisation through torch.compile; torchvision has GoogLeNet and Inception v3 only."""

from torch import Tensor, nn

from dmbench.models.inception_bn import InceptionBN
from dmbench.peers._compiled import compiled


class CompiledInceptionBN(InceptionBN):
    """Ours, whose forward pass torch.compile makes."""

    def forward(self, x: Tensor) -> Tensor:
        return _forward(self, x)  # type: ignore[no-any-return]


def _plain(net: nn.Module, x: Tensor) -> Tensor:
    return InceptionBN.forward(net, x)  # type: ignore[arg-type]


_forward = compiled(_plain)
PEERS = {"torch.compile": {"inception_bn": CompiledInceptionBN}}
