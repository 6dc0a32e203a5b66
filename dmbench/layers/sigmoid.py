"""The logistic sigmoid and the hyperbolic tangent, exact far from 0 and near it.

Source: LeCun, Bottou, Orr and Mueller (1998), Efficient BackProp, section 4.4; formulas as in any text book:
    sigmoid(x) = 1 / (1 + e^-x)        tanh(x) = (e^x - e^-x) / (e^x + e^-x) = 2 sigmoid(2x) - 1
    scaled_tanh(x) = 1.7159 tanh(2x / 3), with f(1) = 1 and f(-1) = -1

Only exponentials of values of 0 and below are taken: none overflows, and no gradient becomes 0 / 0.

Shapes: any.
"""

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.pointwise import negative, pointwise, positive

AMPLITUDE, GAIN = 1.7159, 2 / 3  # section 4.4


def sigmoid(x: Tensor) -> Tensor:
    """Apply the logistic sigmoid; as torch.sigmoid, of floating-point tensors.

    float16 and bfloat16 are computed in float32.

    Raises:
        TypeError: x is not floating point.
    """
    return pointwise(x, _sigmoid)


def tanh(x: Tensor) -> Tensor:
    """Apply the hyperbolic tangent; as torch.tanh, of floating-point tensors. Precision and errors as `sigmoid`."""
    return pointwise(x, _tanh)


def scaled_tanh(x: Tensor) -> Tensor:
    """Apply LeCun's 1.7159 tanh(2x / 3), whose second derivative is largest near 1 and -1. Errors as `sigmoid`."""
    return pointwise(x, lambda x: AMPLITUDE * _tanh(GAIN * x))


class Sigmoid(nn.Module):
    """`sigmoid` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return sigmoid(x)


class Tanh(nn.Module):
    """`tanh` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return tanh(x)


def _sigmoid(x: Tensor) -> Tensor:
    below, above = torch.exp(negative(x)), torch.exp(-positive(x))  # one of them is 1
    return below / (below + above)


def _tanh(x: Tensor) -> Tensor:
    return _lower(negative(x)) - _lower(-positive(x))  # one of them is 0


def _lower(x: Tensor) -> Tensor:
    """Return tanh of values of 0 and below; by expm1, which keeps all digits near 0."""
    power = torch.expm1(2 * x)
    return power / (power + 2)
