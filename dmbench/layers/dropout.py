"""Dropout: in training each unit is left out by chance, at test time all stay and count for less.

Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), Dropout: A Simple Way to Prevent Neural
Networks from Overfitting, JMLR 15, 1929-1958. Section 4, for a layer's output y and its mask r:
    r ~ Bernoulli(keep)        y~ = r * y in training        W_test = keep * W of the layer that reads y~
Plain dropout multiplies y by keep at test time, which is the same; inverted dropout (section 10) divides by keep in
training instead and does nothing at test time.

p here is the probability of dropping, as in torch; the paper's p is that of keeping, 1 - p.
"""

import torch
from torch import Tensor, nn


def dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    inverted: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Drop each value of x with probability p, by itself, in training; scale where the kind asks for it.

    The gradient passes by the same mask. A value that is infinite or NaN gives NaN where it is dropped, as in torch.

    Args:
        x: any shape, floating point.
        p: probability of dropping, 0 <= p < 1.
        training: False is test time.
        inverted: divide by 1 - p in training; else multiply by 1 - p at test time.
        generator: where masks are drawn from, on the device of x; None: torch's own of that device. On a CPU the
            masks are then those of torch.nn.functional.dropout after the same seed.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: p is not in [0, 1).
        TypeError: x is not floating point.
    """
    _check_probability(p)
    if not x.is_floating_point():
        raise TypeError(f"need a floating-point input, convert first: {x.dtype}")
    keep = 1 - p
    if not training:
        return x if inverted else x * keep
    if p == 0:
        return x
    mask = torch.empty_like(x, requires_grad=False).bernoulli_(keep, generator=generator)
    return x * (mask.div_(keep) if inverted else mask)


class Dropout(nn.Module):
    """`dropout` in training mode, its test time in evaluation mode.

    Args: p, inverted, generator: as in `dropout`; the generator's state is no part of the state dictionary.

    Raises: ValueError: p is not in [0, 1).
    """

    def __init__(self, p: float = 0.5, *, inverted: bool = True, generator: torch.Generator | None = None) -> None:
        super().__init__()
        _check_probability(p)
        self.p, self.inverted, self.generator = p, inverted, generator

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to itself."""
        return dropout(x, self.p, self.training, inverted=self.inverted, generator=self.generator)

    def extra_repr(self) -> str:
        """Return what the module's line shows."""
        return f"p={self.p}, inverted={self.inverted}"


def scale_weight(weight: Tensor, p: float) -> Tensor:
    """Return (1 - p) W, the weights at test time of the layer behind plain dropout: the weight-scaling rule, section 4.

    Raises: ValueError: p is not in [0, 1).
    """
    _check_probability(p)
    return weight * (1 - p)


@torch.no_grad()
def max_norm_(weight: Tensor, c: float) -> Tensor:
    """Hold the incoming weights w of each unit within ||w||_2 <= c, in place (section 5.1).

    Longer ones are shortened to c, shorter ones stay as they are; called after each update.

    Args:
        weight: (units, ...), what comes into a unit behind its first dimension: of a linear layer or a convolution.
        c: above 0; the paper takes 3 to 4, and 2 for MNIST.

    Returns:
        weight itself.

    Raises:
        ValueError: c is not above 0, or weight has fewer than two dimensions.
    """
    if not c > 0:
        raise ValueError(f"need a norm c above 0: {c}")
    if weight.ndim < 2:
        raise ValueError(f"need a weight (units, ...) of at least two dimensions: {tuple(weight.shape)}")
    norm = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return weight.mul_((c / norm.clamp_min(c)).view(-1, *[1] * (weight.ndim - 1)))


def _check_probability(p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"need a probability of dropping p, 0 <= p < 1: {p}")
