"""Small random numbers: every weight from the same narrow normal distribution, whatever the layer's size.

Source: Krizhevsky, Sutskever, Hinton (2012), ImageNet Classification with Deep Convolutional Neural Networks, section
5: N(0, 0.01^2). Where a layer has n inputs, its linear part multiplies the standard deviation of activations by
0.01 sqrt(n): with 500 inputs by 0.22, so that through ten layers nothing is left.
"""

import torch
from torch import Tensor

from dmbench.init.parts.fans import fill_normal


def small_random_(weight: Tensor, std: float = 0.01, generator: torch.Generator | None = None) -> Tensor:
    """Draw the weight in place from N(0, std^2), and return it.

    Args:
        weight: any shape, floating point. std: 0 or more.

    Raises: ValueError: std is negative or not finite. TypeError: the weight is not floating point.
    """
    return fill_normal(weight, std, generator)
