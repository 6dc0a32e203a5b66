"""What suites of whole networks share: ours, and the same network as torch.compile makes it.

It is no peer that others could be measured against: compiling a network takes a minute of a CPU.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dmbench.peers._compiled import compiled


class _Compiled(nn.Module):
    """A network whose forward pass torch.compile makes, at the first call."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.call = net, compiled(net)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)  # type: ignore[no-any-return]


def with_compiled(build: Callable[..., nn.Module]) -> dict[str, Callable[..., nn.Module]]:
    """Return, by label, what builds the network."""

    def built(*args: Any) -> nn.Module:
        return _Compiled(build(*args))

    return {"dmbench": build, "torch.compile": built}
