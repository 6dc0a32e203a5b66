"""Network morphisms: a trained network made wider or deeper so that it computes what it did.

Sources: Chen, Goodfellow and Shlens (2016), Net2Net: Accelerating Learning via Knowledge Transfer, arXiv:1511.05641,
sections 2.2 (Net2WiderNet, Algorithm 1) and 2.3 (Net2DeeperNet); as the neighbours of a hill climber Elsken, Metzen and
Hutter (2018), arXiv:1711.04528; as actions Cai et al. (2018), arXiv:1707.04873.

Widening: filters of a layer are copied, with their normalisation, and what reads a filter that is there c times is
divided by c. Deepening: a convolution that copies each channel, with a normalisation that changes nothing; the ReLU
after it finds nothing below zero. In evaluation mode outputs stay as they were but for rounding; in training mode those
of a wider network do too, while a layer that was added normalises by the batch, as any does.

Shapes: N pictures, (N, C, H, W) to scores (N, K).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.layers.pooling import max_pool2d
from dmbench.layers.relu import relu


@dataclass(frozen=True)
class Layer:
    """A convolution that keeps the size, of an odd window, normalised, ReLU; then, if pooled, the maximum over 2 x 2.

    Raises: ValueError: no filter, or a window that has no middle.
    """

    filters: int
    window: int = 3
    pooled: bool = False

    def __post_init__(self) -> None:
        if self.filters < 1:
            raise ValueError(f"a layer needs a filter: {self.filters}")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"a window that keeps the size is odd: {self.window}")


class Chain(nn.Module):
    """Layers in a row, the average of each channel, and one linear layer.

    layers: at least one. classes: K. inputs: C of the pictures.
    """

    def __init__(self, layers: Sequence[Layer], classes: int = 10, inputs: int = 1) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a chain needs a layer")
        self.layers, self.classes, self.inputs = tuple(layers), classes, inputs
        widths = [inputs, *(layer.filters for layer in layers)]
        self.convolutions = nn.ModuleList(
            Conv2d(width, layer.filters, layer.window, padding=layer.window // 2, bias=False)
            for width, layer in zip(widths, layers, strict=False)
        )
        self.norms = nn.ModuleList(BatchNorm2d(layer.filters) for layer in layers)
        self.classifier = Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to scores."""
        for layer, (convolution, norm) in zip(self.layers, self.blocks(), strict=True):
            x = relu(norm(convolution(x)))
            x = max_pool2d(x, 2) if layer.pooled else x
        return self.classifier(x.mean((2, 3)))  # type: ignore[no-any-return]

    def blocks(self) -> list[tuple[Conv2d, BatchNorm2d]]:
        """Return the convolution and the normalisation of each layer."""
        return list(zip(self.convolutions, self.norms, strict=True))  # type: ignore[arg-type]


@torch.no_grad()
def widen(
    net: Chain, index: int, filters: int, generator: torch.Generator | None = None, *, noise: float = 0.0
) -> Chain:
    """Return a copy of a network whose layer `index` has so many filters.

    Args:
        generator: draws which filters are copied; they are drawn with replacement, on the CPU.
        noise: standard deviation of what is added to copied weights, as a share of the layer's own: it tells copies
            apart in later training (section 2.2's remark), and changes what the network computes as much.

    Raises:
        IndexError: there is no such layer. ValueError: it has as many filters or more.
    """
    _check(net, index)
    before = net.layers[index].filters
    if filters <= before:
        raise ValueError(f"layer {index} has {before} filters: {filters} are no more")
    drawn = torch.randint(before, (filters - before,), generator=generator)
    source = torch.cat([torch.arange(before), drawn])
    share = torch.bincount(source, minlength=before).double().reciprocal()[source]

    layers = list(net.layers)
    layers[index] = Layer(filters, layers[index].window, layers[index].pooled)
    wider = _as(net, Chain(layers, net.classes, net.inputs))
    mine, theirs = wider.blocks(), net.blocks()
    for place, ((convolution, norm), (old_convolution, old_norm)) in enumerate(zip(mine, theirs, strict=True)):
        if place not in (index, index + 1):
            convolution.load_state_dict(old_convolution.state_dict())
        if place != index:
            norm.load_state_dict(old_norm.state_dict())
    source, share = source.to(net.classifier.weight.device), share.to(net.classifier.weight)
    weight = theirs[index][0].weight[source]
    if noise:
        weight[before:] += noise * weight.std() * torch.randn(weight[before:].shape, generator=generator).to(weight)
    mine[index][0].weight.copy_(weight)
    for name, value in theirs[index][1].state_dict().items():
        mine[index][1].state_dict()[name].copy_(value[source] if value.ndim else value)
    if index == len(layers) - 1:
        wider.classifier.weight.copy_(net.classifier.weight[:, source] * share)
    else:
        mine[index + 1][0].weight.copy_(theirs[index + 1][0].weight[:, source] * share[:, None, None])
        wider.classifier.weight.copy_(net.classifier.weight)
    wider.classifier.state_dict()["bias"].copy_(net.classifier.state_dict()["bias"])
    return wider


@torch.no_grad()
def deepen(net: Chain, index: int, window: int = 3) -> Chain:
    """Return a copy of a network with a layer after layer `index`, of as many filters, that passes on what it gets.

    Raises:
        IndexError: there is no such layer. ValueError: the window is even.
    """
    _check(net, index)
    filters = net.layers[index].filters
    layers = [*net.layers[: index + 1], Layer(filters, window), *net.layers[index + 1 :]]
    deeper = _as(net, Chain(layers, net.classes, net.inputs))
    mine = deeper.blocks()
    for place, modules in enumerate(net.blocks()):
        for new, old in zip(mine[place + (place > index)], modules, strict=True):
            new.load_state_dict(old.state_dict())
    deeper.classifier.load_state_dict(net.classifier.state_dict())
    convolution, norm = mine[index + 1]
    nn.init.dirac_(convolution.weight)
    norm.state_dict()["weight"].fill_((1 + norm.eps) ** 0.5)  # the running variance is 1, and eps is added to it
    return deeper


def _check(net: Chain, index: int) -> None:
    if not 0 <= index < len(net.layers):
        raise IndexError(f"the network has layers 0 to {len(net.layers) - 1}: {index}")


def _as(net: Chain, made: Chain) -> Chain:
    """Bring a network to the dtype, device and mode of another."""
    return made.to(net.classifier.weight).train(net.training)
