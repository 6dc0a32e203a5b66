"""Maxout: each unit is the largest of k linear functions of what comes in.

Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio (2013), Maxout Networks, arXiv:1302.4389, section 3:
    h_i(x) = max over j of z_ij        z_ij = x^T W_..ij + b_ij
In a convolutional network the maximum is over k affine feature maps, at each place by itself. A unit is a convex,
piecewise linear function; |x| takes two pieces, and any convex function is approached with more.

Shapes: N batch, I inputs, M units, k pieces; the pieces of a unit lie side by side: outputs M k of the layer before,
unit i from i k to i k + k - 1.
"""

import torch
from torch import Tensor, nn

from dmbench.layers.conv2d import Conv2d, Pair
from dmbench.layers.linear import Linear


def maxout(z: Tensor, pieces: int, dim: int = -1) -> Tensor:
    """Take the maximum of each `pieces` neighbours along a dimension.

    The gradient goes to the largest piece, to the first one of equals. A NaN piece makes its unit NaN.

    Args:
        z: any shape with M k values along dim; floating point.
        pieces: k, at least 1.
        dim: the dimension of the features: -1 behind a linear layer, 1 behind a convolution.

    Returns:
        The shape of z with M along dim.

    Raises:
        ValueError: k is below 1, or divides not the values along dim.
        TypeError: z is not floating point.
        IndexError: z has no such dimension.
    """
    if not z.is_floating_point():
        raise TypeError(f"need a floating-point input, convert first: {z.dtype}")
    values = z.shape[dim]
    if pieces < 1 or values % pieces:
        raise ValueError(f"need pieces of at least 1 that divide the features: {pieces} of {values}")
    at = dim % z.ndim
    grouped = z.reshape(*z.shape[:at], values // pieces, pieces, *z.shape[at + 1 :])
    h: Tensor = grouped.max(at + 1).values
    return h


class MaxoutLinear(nn.Module):
    """A fully connected layer of maxout units, drawn as torch.nn.Linear's weights are.

    Args:
        inputs, units, pieces: I, M and k, at least 1. bias: one for each piece. device, dtype: of the weights.

    Shapes: (..., I) to (..., M); weight (M k, I).

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        pieces: int,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check(units, pieces)
        self.pieces = pieces
        self.linear = Linear(inputs, units * pieces, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., I) to (..., M)."""
        return maxout(self.linear(x), self.pieces)


class MaxoutConv2d(nn.Module):
    """A convolution to maxout units: the maximum over k feature maps, at each place.

    Args:
        channels, units, pieces: C, M and k, at least 1. window, stride, padding: as in Conv2d. bias: one for each
            piece. device, dtype: of the weights.

    Shapes: (N, C, H, W) to (N, M, O, O'); weight (M k, C, F, F').

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self,
        channels: int,
        units: int,
        pieces: int,
        window: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check(units, pieces)
        self.pieces = pieces
        self.conv = Conv2d(
            channels, units * pieces, window, stride=stride, padding=padding, bias=bias, device=device, dtype=dtype
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, M, O, O')."""
        return maxout(self.conv(x), self.pieces, dim=1)


def _check(units: int, pieces: int) -> None:
    if units < 1 or pieces < 1:
        raise ValueError(f"need at least one unit and one piece: {units}, {pieces}")
