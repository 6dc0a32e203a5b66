"""He's initialisation, also Kaiming's: rectifiers lose half of a signal's second moment, so the variance is doubled.

Source: He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, arXiv:1502.01852, section 2.2. a is the slope below 0:
0 of a ReLU (Eqs. 10 and 14), PReLU's or a leaky ReLU's else (Eq. 15):

    forward:    (1 + a^2) n_in Var(W) / 2 = 1       backward:    (1 + a^2) n_out Var(W) / 2 = 1

Either keeps both signals' scale through depth up to a constant, a ratio of two layers' widths. A first layer has no
rectifier before it; as in the paper the factor is applied to it too.

Shapes: weights (outputs, inputs, *kernel); n_in = k^2 c, n_out = k^2 d.
"""

import math

import torch
from torch import Tensor

from dmbench.init.parts.fans import fans, fill_normal, fill_uniform

MODES = ("fan_in", "fan_out")


def he_normal_(
    weight: Tensor, a: float = 0.0, mode: str = "fan_in", generator: torch.Generator | None = None
) -> Tensor:
    """Draw the weight in place from N(0, std^2), and return it.

    Args:
        weight: floating point. a: slope below 0 of the rectifier, any finite number; 1 is a linear unit.
        mode: "fan_in" keeps the scale of activations (forward), "fan_out" that of gradients (backward).

    Raises: ValueError: fewer than two dimensions, an empty weight, another mode, a that is not finite.
        TypeError: the weight is not floating point.
    """
    return fill_normal(weight, std(weight, a, mode), generator)


def he_uniform_(
    weight: Tensor, a: float = 0.0, mode: str = "fan_in", generator: torch.Generator | None = None
) -> Tensor:
    """Draw the weight in place from a uniform distribution of the same variance; else as `he_normal_`."""
    return fill_uniform(weight, math.sqrt(3) * std(weight, a, mode), generator)


def std(weight: Tensor, a: float = 0.0, mode: str = "fan_in") -> float:
    """Return sqrt(2 / ((1 + a^2) n)) for a weight's shape."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}: {mode}")
    if not math.isfinite(a):
        raise ValueError(f"the slope a must be finite: {a}")
    return math.sqrt(2 / ((1 + a * a) * fans(weight)[MODES.index(mode)]))
