"""What tables of architectures say, counted on a network: parameters, weighted layers, multiplications, output shapes.

Networks lie on the meta device, `with torch.device("meta")`, where nothing is computed and nothing takes memory.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

WEIGHTED = nn.Conv2d | nn.Linear


def parameters(net: nn.Module) -> int:
    """Count learned values."""
    return sum(p.numel() for p in net.parameters())


def weighted_layers(net: nn.Module) -> int:
    """Count convolutions and linear layers."""
    return sum(isinstance(module, WEIGHTED) for module in net.modules())


def outputs(net: nn.Module, parts: Iterable[nn.Module], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the output shapes of parts of a network, for an input of a shape."""
    parts, found = list(parts), dict[nn.Module, tuple[int, ...]]()

    def keep(module: nn.Module, given: Any, y: Any) -> None:
        found[module] = tuple(y.shape)

    handles = [part.register_forward_hook(keep) for part in parts]
    try:
        with torch.no_grad():
            net.eval()(torch.empty(shape, device=next(net.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return [found[part] for part in parts]


def multiplications(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Count the multiply-adds of convolutions and linear layers for one picture; normalisations are left out."""
    parts = [module for module in net.modules() if isinstance(module, WEIGHTED)]
    total = 0
    for part, out in zip(parts, outputs(net, parts, shape), strict=True):
        total += part.weight.numel() * (out[-1] * out[-2] if len(out) == 4 else 1)
    return total
