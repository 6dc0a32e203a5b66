"""The gradient of one output unit by the input, through torch.func and torch.autograd.functional.

torch.compile is no peer here: each network is run once, so that compiling it costs more than it can save.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def torch_func(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """By torch.func.vjp."""
    y, pull = torch.func.vjp(net, x)[:2]
    return pull(at_centre(y))[0]  # type: ignore[no-any-return]


def torch_autograd(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """By torch.autograd.functional.vjp; the output's shape costs a forward pass more."""
    with torch.no_grad():
        shape = net(x)
    return torch.autograd.functional.vjp(net, x, at_centre(shape))[1]  # type: ignore[no-untyped-call, no-any-return]


def at_centre(y: Tensor) -> Tensor:
    """Return zeros like y, with ones at its centre."""
    upstream = torch.zeros_like(y)
    upstream[:, :, y.shape[2] // 2, y.shape[3] // 2] = 1
    return upstream


PEERS = {
    "torch.func": {"input_gradient": torch_func},
    "torch.autograd.functional": {"input_gradient": torch_autograd},
}
