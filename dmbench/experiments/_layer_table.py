"""What a network's layers take and give: sizes, weights, multiply-adds, and how many lie one behind the other.

Best counted on torch's meta device, which knows shapes and no values. A multiply-add is one multiplication of a
convolution or a linear layer with the addition that follows; biases, rectifiers, poolings and normalisations are not
counted.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

WEIGHTED = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Layer:
    """One convolution or linear layer, or a group of them. given, result: shapes (C, H, W) or (C)."""

    name: str
    given: tuple[int, ...]
    result: tuple[int, ...]
    weights: int
    biases: int
    multiply_adds: int


def layers(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> dict[str, Layer]:
    """Return `counted` of a network that is built on the meta device."""
    with torch.device("meta"):
        return counted(build(), shape)


def counted(net: nn.Module, shape: tuple[int, ...]) -> dict[str, Layer]:
    """Return every module of a network by its name, the whole by ""; a group sums what is in it.

    shape: of one picture, (C, H, W).
    """
    found: dict[str, Layer] = {}
    hooks = [
        module.register_forward_hook(lambda m, given, result, name=name: _add(found, name, m, given[0], result))
        for name, module in net.named_modules()
        if not isinstance(module, nn.ModuleDict | nn.ModuleList | nn.Dropout)
    ]
    try:
        with torch.no_grad():
            net.eval()(torch.empty(1, *shape, device=next(net.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _with_parts(layer, found) for name, layer in found.items()}


def _add(found: dict[str, Layer], name: str, module: nn.Module, given: Tensor, result: Tensor) -> None:
    weights = biases = adds = 0
    if isinstance(module, WEIGHTED):
        weights = module.weight.numel()
        biases = 0 if module.bias is None else module.bias.numel()
        adds = weights * math.prod(result.shape[2:])
    found[name] = Layer(name, tuple(given.shape[1:]), tuple(result.shape[1:]), weights, biases, adds)


def _with_parts(layer: Layer, found: dict[str, Layer]) -> Layer:
    within = f"{layer.name}." if layer.name else ""
    parts = [layer, *(part for name, part in found.items() if name != layer.name and name.startswith(within))]
    sums = {key: sum(getattr(part, key) for part in parts) for key in ("weights", "biases", "multiply_adds")}
    return Layer(layer.name, layer.given, layer.result, **sums)


def multiply_adds(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the multiply-adds of one picture through the whole network."""
    return counted(net, shape)[""].multiply_adds


def outputs(net: nn.Module, parts: Iterable[nn.Module], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return what parts of a network give for a picture (C, H, W), each (C, H, W) or (C)."""
    names = {module: name for name, module in net.named_modules()}
    table = counted(net, shape)
    return [table[names[part]].result for part in parts]


def parameters(net: nn.Module) -> int:
    """Count learned values, those of normalisations and rectifiers too."""
    return sum(p.numel() for p in net.parameters())


def weighted_layers(net: nn.Module) -> int:
    """Count convolutions and linear layers."""
    return sum(isinstance(module, WEIGHTED) for module in net.modules())


def depth(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> int:
    """Return how many convolutions and linear layers lie on the longest way through the network."""
    with torch.device("meta"):
        result = build().eval()(torch.empty(1, *shape))
    known: dict[Any, int] = {}
    waiting = [result.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [next_node for next_node, _ in node.next_functions if next_node is not None]
        if unknown := [n for n in before if n not in known]:
            waiting += unknown
            continue
        counts = node.name().startswith(("ConvolutionBackward", "AddmmBackward"))
        known[node] = counts + max((known[n] for n in before), default=0)
        waiting.pop()
    return known[result.grad_fn]
