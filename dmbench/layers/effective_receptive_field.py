"""Receptive fields: which pixels a unit can see, and how much each of them moves it.

Source: Luo, Li, Urtasun and Zemel (2016), Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks, arXiv:1701.04128. The theoretical field of a chain of layers, as in Araujo, Norris and Sim (2019), Computing
Receptive Fields of Convolutional Neural Networks, Distill, with s the product of the strides before a layer:
    size = 1 + sum (kernel - 1) * dilation * s        padding = sum padding * s        stride = product of all strides
The effective field is |dy/dx| of the output's centre y, averaged over weights and inputs; its size the square root of
how many pixels lie above 1 - 95.45 % of its maximum (two standard deviations). For n layers of equal weights it is the
n-fold self-convolution of a box k wide, near a Gaussian of deviation sqrt(n (k^2 - 1) / 12) (section 2.1).

Differs from the paper: 1. the average is of absolute gradients, since of random weights the mean is 0; 2. each run is
scaled to a sum of 1, so that all count alike. Of both the paper's text, as far as it was seen, says nothing.

Shapes: N batch, C channels, H, W sizes of the input; a field is (H, W).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

Net = Callable[[Tensor], Tensor]
THRESHOLD = 1 - 0.9545
TRANSPARENT = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.BatchNorm2d, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class Window:
    """What of a layer matters here, in pixels of its own input; alike along rows and columns."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError where a number is too small."""
        if min(self.kernel, self.stride, self.dilation) < 1 or self.padding < 0:
            raise ValueError(f"need kernel, stride and dilation of at least 1, padding of at least 0: {self}")


class Field(NamedTuple):
    """A theoretical receptive field, in pixels of the input: its side, the step from unit to unit, and the padding."""

    size: int
    stride: int
    padding: int


def receptive_field(layers: Iterable[Window]) -> Field:
    """Return the theoretical receptive field of a unit after a chain of layers, the first one first.

    Of parallel paths of one stride the largest field counts: give the layers of that path.
    """
    size, stride, padding = 1, 1, 0
    for layer in layers:
        size += (layer.kernel - 1) * layer.dilation * stride
        padding += layer.padding * stride
        stride *= layer.stride
    return Field(size, stride, padding)


def windows_of(net: nn.Module) -> Iterator[Window]:
    """Yield the windows of a chain: of convolutions and pooling in nn.Sequential, nested or not.

    Raises:
        ValueError: a layer of another kind, or one that differs between rows and columns.
    """
    if isinstance(net, nn.Sequential):
        for layer in net:
            yield from windows_of(layer)
    elif isinstance(net, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        given = (net.kernel_size, net.stride, net.padding, getattr(net, "dilation", 1))
        sides = [(one, one) if isinstance(one, int) else tuple(one) for one in given]
        if any(len(set(side)) > 1 or isinstance(side[0], str) for side in sides):
            raise ValueError(f"need the same numbers along rows and columns: {net}")
        yield Window(*(int(side[0]) for side in sides))
    elif not isinstance(net, TRANSPARENT):
        raise ValueError(f"not a chain: {type(net).__name__}; give the windows of its longest path")


def input_gradient(net: Net, x: Tensor) -> Tensor:
    """Return the gradient of the output's centre unit, summed over its channels, by the input.

    Args:
        net: maps (N, C, H, W) to (N, C', H', W'); any module or function. The centre is at H' // 2, W' // 2.
        x: (N, C, H, W), floating point.

    Returns:
        (N, C, H, W), detached.

    Raises:
        ValueError: the output is not such a batch, or is empty.
    """
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = net(leaf)
        if y.ndim != 4 or y.numel() == 0:
            raise ValueError(f"need a net that returns (N, C, H, W), not empty: {tuple(y.shape)}")
        centre = y[:, :, y.shape[2] // 2, y.shape[3] // 2].sum()
        return torch.autograd.grad(centre, leaf)[0]


def effective_receptive_field(
    build: Callable[[], Net],
    draw: Callable[[], Tensor],
    runs: int = 20,
    gradient: Callable[[Net, Tensor], Tensor] = input_gradient,
) -> Tensor:
    """Measure the effective receptive field.

    Args:
        build: returns the network of a run: a new one of random weights, or always the same.
        draw: returns the input of a run, (N, C, H, W).
        runs: how many are averaged, at least 1; the paper takes 20.
        gradient: what differentiates.

    Returns:
        (H, W), of sum 1: the mean of |gradient| over runs, N and C. A run without any gradient, as behind a ReLU that
        is shut, counts as nothing; if all are, it is all 0.

    Raises:
        ValueError: runs is below 1, or an input or a gradient is not finite.
    """
    if runs < 1:
        raise ValueError(f"need at least one run: {runs}")
    fields = []
    for _ in range(runs):
        net, x = build(), draw()
        if not torch.isfinite(x).all():  # behind a NaN a ReLU may pass on a gradient all the same
            raise ValueError("the input is not finite")
        field = gradient(net, x).detach().abs().mean((0, 1))
        if not torch.isfinite(field).all():
            raise ValueError("the gradient is not finite: scale the weights or use float64")
        if field.any():
            fields.append(field / field.sum())
    return torch.stack(fields).mean(0) if fields else torch.zeros_like(field)


def size(field: Tensor, threshold: float = THRESHOLD) -> float:
    """Return the side in pixels of a square as large as the part of a field above `threshold` of its maximum.

    Raises:
        ValueError: the field is all 0, or not finite.
    """
    _check(field, "size")
    return math.sqrt(int((field > threshold * field.max()).sum()))


def deviation(field: Tensor) -> float:
    """Return the standard deviation of a field taken as a distribution, in pixels along an axis: of both, rms.

    Raises: ValueError: as `size`.
    """
    _check(field, "deviation")
    share, variances = field / field.sum(), []
    for axis in (0, 1):
        profile = share.sum(1 - axis)
        place = torch.arange(len(profile), dtype=field.dtype, device=field.device)
        mean = (profile * place).sum()
        variances.append((profile * (place - mean).square()).sum())
    return math.sqrt(float(sum(variances)) / 2)


def _check(field: Tensor, what: str) -> None:
    if not torch.isfinite(field).all():
        raise ValueError(f"a field that is not finite has no {what}")
    if not field.any():
        raise ValueError(f"a field of zeros has no {what}")


def effective_dilation(offset: Tensor, kernel: tuple[int, int] = (3, 3), dilation: int = 1) -> Tensor:
    """Return the mean distance of adjacent samples of a deformable filter (Dai et al. 2017, arXiv:1703.06211).

    Args:
        offset: (N, 2 K, Ho, Wo), pixels, dy and dx for each of the K taps in reading order.
        kernel: rows and columns of taps, two or more in all. dilation: of the grid that is deformed.

    Returns:
        (N, Ho, Wo), pixels.

    Raises:
        ValueError: offset has not two channels for each tap, or there is no adjacent pair.
    """
    rows, columns = kernel
    if offset.ndim != 4 or offset.shape[1] != 2 * rows * columns or rows * columns < 2:
        raise ValueError(f"need offset (N, {2 * rows * columns}, Ho, Wo) of two taps or more: {tuple(offset.shape)}")
    grid = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(offset) * dilation
    places = offset.reshape(len(offset), rows, columns, 2, *offset.shape[2:]) + grid.view(rows, columns, 2, 1, 1)
    pairs = [places.diff(dim=axis).flatten(1, 2) for axis in (1, 2)]
    return torch.cat(pairs, 1).square().sum(2).sqrt().mean(1)
