"""SqueezeNet by torchvision, which takes the same weights; its conv10 of version 1.0 is padded as the authors' is."""

from torch import nn

from dmbench.models.squeezenet import VERSIONS
from dmbench.peers._torchvision import model


def torchvision(version: str = "1.0") -> nn.Module:
    """Build it as torchvision.models does.

    Raises:
        NotImplementedError: torchvision does not load.
    """
    net: nn.Module = model(f"squeezenet{version.replace('.', '_')}")(weights=None)
    conv10 = next(m for m in net.modules() if isinstance(m, nn.Conv2d) and m.out_channels == 1000)
    conv10.padding = (VERSIONS[version][3],) * 2
    return net


PEERS = {"torchvision": {"squeezenet": torchvision}}
