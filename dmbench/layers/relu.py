"""ReLU, the rectified linear unit, and leaky ReLU.

Source: Nair and Hinton (2010), Rectified linear units improve restricted Boltzmann machines; Krizhevsky, Sutskever and
Hinton (2012), ImageNet classification with deep convolutional neural networks, section 3.1; leaky: Maas, Hannun and Ng
(2013), Rectifier nonlinearities improve neural network acoustic models, whose slope is 0.01:
    relu(x) = max(0, x)        leaky_relu(x) = x if x > 0, else slope x

A unit whose input is never above 0 has no gradient and never learns again: it is dead. A leaky one is not.

Shapes: any.
"""

import math

from torch import Tensor, nn

from dmbench.layers.kernels.pointwise import negative, pointwise, positive

SLOPE = 0.01


def relu(x: Tensor, inplace: bool = False) -> Tensor:
    """Apply ReLU; as torch.nn.functional.relu, of floating-point tensors. The gradient at 0 is 0.

    inplace: write the result to x.

    Raises:
        TypeError: x is not floating point.
    """
    return pointwise(x, positive, inplace)


def leaky_relu(x: Tensor, negative_slope: float = SLOPE, inplace: bool = False) -> Tensor:
    """Apply leaky ReLU; as torch.nn.functional.leaky_relu. The gradient at 0 is the slope.

    float16 and bfloat16 are computed in float32. inplace: write the result to x.

    Raises:
        ValueError: the slope is not finite.
        TypeError: x is not floating point.
    """
    if not math.isfinite(negative_slope):
        raise ValueError(f"need a finite negative_slope: {negative_slope}")
    return pointwise(x, lambda x: positive(x) + negative_slope * negative(x), inplace)


class ReLU(nn.Module):
    """`relu` as a layer. inplace: write the result to the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return relu(x, self.inplace)


class LeakyReLU(nn.Module):
    """`leaky_relu` as a layer; arguments and errors as there, errors on call."""

    def __init__(self, negative_slope: float = SLOPE, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return leaky_relu(x, self.negative_slope, self.inplace)
