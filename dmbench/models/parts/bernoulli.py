"""Pixels as coin flips: their log-likelihood under logits, and a check that they are pixels.

Shapes: D pixels; logits (..., D); x (..., D), or fewer leading dimensions, in [0, 1].
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Return the sum over pixels of x log p + (1 - x) log(1 - p), p = sigmoid(logits), nats: minus the cross-entropy.

    Finite for every finite logit. Grey values in (0, 1) count as expected ink.
    """
    return (x * logits + logsigmoid(-logits)).sum(-1)


def checked_pixels(x: Tensor) -> Tensor:
    """Return x; its values are not looked at where there are none, as under torch.compile.

    Raises: ValueError: a value is not in [0, 1].
    """
    if torch.compiler.is_compiling() or x.device.type == "meta":
        return x
    bad = ~((x >= 0) & (x <= 1))
    if bool(bad.any()):
        raise ValueError(f"need pixels in [0, 1], divide by 255 or clamp: {x[bad][0].item():g}")
    return x
