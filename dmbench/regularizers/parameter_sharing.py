"""Parameter sharing: one weight in several places; its gradient is the sum of theirs, and it is counted once.

Sources: Goodfellow, Bengio and Courville (2016), Deep Learning, section 7.9 (tying by a penalty; sharing, as in
convolutions) and section 9.2; input and output embeddings as one: Press and Wolf (2017), arXiv:1608.05859.

Shapes: N batch, I inputs, K hidden units, V words, D width of an embedding; C, O channels, H, W pixels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class TiedAutoencoder(nn.Module):
    """y = squash(W x + b), and back by the same W: x' = W^T y + c. (N, I) to (N, I).

    inputs, hidden: I and K, at least 1. W is drawn as torch.nn.Linear's; c begins at zero.
    """

    def __init__(self, inputs: int, hidden: int, squash: Callable[[Tensor], Tensor] = torch.sigmoid) -> None:
        super().__init__()
        if inputs < 1 or hidden < 1:
            raise ValueError(f"need at least one input and hidden unit: {inputs}, {hidden}")
        self.encoder = nn.Linear(inputs, hidden)
        self.back = nn.Parameter(torch.zeros(inputs))
        self.squash = squash

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.back, self.squash(self.encoder(x)), self.encoder.weight)


class TiedEmbedding(nn.Module):
    """Words to vectors by the rows of E, and vectors back to scores of words by the same E.

    words, width: V and D, at least 1. bias: of the scores. E begins as N(0, 1 / D).
    """

    def __init__(self, words: int, width: int, bias: bool = True) -> None:
        super().__init__()
        if words < 1 or width < 1:
            raise ValueError(f"need at least one word, of a width of at least 1: {words}, {width}")
        self.weight = nn.Parameter(torch.randn(words, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(words)) if bias else None

    def forward(self, words: Tensor) -> Tensor:
        """Map whole numbers (...) below V to vectors (..., D)."""
        return nn.functional.embedding(words, self.weight)

    def scores(self, states: Tensor) -> Tensor:
        """Map vectors (..., D) to scores (..., V)."""
        return nn.functional.linear(states, self.weight, self.bias)


def tie(net: nn.Module, name: str, other: str) -> nn.Parameter:
    """Put the parameter `other` of a network in the place of the parameter `name` as well, and return it.

    Both are names as in named_parameters(). An optimiser must be made afterwards, or it still has the old one.
    Raises: ValueError: one of them is not there, or they differ in shape, dtype or device.
    """
    found = dict(net.named_parameters(remove_duplicate=False))
    for one in (name, other):
        if one not in found:
            raise ValueError(f"no parameter is called {one}; there are: {', '.join(found)}")
    kept, lost = found[other], found[name]
    if (kept.shape, kept.dtype, kept.device) != (lost.shape, lost.dtype, lost.device):
        raise ValueError(
            f"{name} and {other} differ: {tuple(lost.shape)} {lost.dtype}, {tuple(kept.shape)} {kept.dtype}"
        )
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, kept)
    return kept


def count(net: nn.Module, places: bool = False) -> int:
    """Return how many parameters a network has, those in several places once; places: once for each place."""
    return sum(p.numel() for _, p in net.named_parameters(remove_duplicate=not places))


def tying_penalty(first: Tensor, second: Tensor, factor: float) -> Tensor:
    """Return factor times the squared distance of two weights, a scalar: what ties them softly (section 7.9).

    factor: 0 or more. Raises: ValueError: shapes differ, or the factor is negative or not finite.
    """
    if first.shape != second.shape or not 0 <= factor < math.inf:
        shapes = f"{tuple(first.shape)}, {tuple(second.shape)}"
        raise ValueError(f"need weights of one shape, and a finite factor of 0 or more: {shapes}, {factor}")
    return factor * (first - second).square().sum()


def as_matrix(weight: Tensor, height: int, width: int, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the matrix by which a convolution maps a flattened picture: the fully connected layer that it ties.

    weight: (O, C, h, w). height, width: of the picture, H and W. Its gradients flow to the weight.

    Returns:
        (O H' W', C H W): every weight stands once in each row of its filter, unless it falls on the padding; the rest
        are zeros.

    Raises: ValueError: the filter is larger than the padded picture, or a number is out of range.
    """
    if weight.ndim != 4 or stride < 1 or padding < 0:
        raise ValueError(
            f"need a weight (O, C, h, w), stride of 1 or more, padding of 0 or more: {tuple(weight.shape)}, {stride}, "
            f"{padding}"
        )
    out, channels, *sides = weight.shape
    rows, columns = ((n + 2 * padding - side) // stride + 1 for n, side in zip((height, width), sides, strict=True))
    if min(rows, columns) < 1 or min(sides) < 1:
        raise ValueError(f"a filter of {sides[0]} x {sides[1]} does not fit {height} x {width} with padding {padding}")
    matrix = weight.new_zeros(out, rows, columns, channels, height, width)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride - padding, j * stride - padding
            first, last = max(top, 0), min(top + sides[0], height)
            start, end = max(left, 0), min(left + sides[1], width)
            if first < last and start < end:  # else it lies on the padding alone
                part = weight[:, :, first - top : last - top, start - left : end - left]
                matrix[:, i, j, :, first:last, start:end] = part
    return matrix.view(out * rows * columns, channels * height * width)
