"""Gradient clipping: by value, by the norm of all gradients together, and by value with a bound that follows the rate.

Sources: by norm: Pascanu, Mikolov, Bengio (2013), On the difficulty of training recurrent neural networks,
arXiv:1211.5063, Algorithm 1; adjustable: Kim, Lee, Lee (2016), VDSR, arXiv:1511.04587, section 3.2. Symbols: g
gradient, theta bound.

    by norm:  if ||g|| >= theta:  g = theta / ||g|| g          by value:  g = min(max(g, -theta), theta)

Differs from torch.nn.utils: 1. a norm above the bound becomes the bound itself; torch adds 1e-6 to the norm that it
divides by. 2. Gradients that are not finite are refused unless told otherwise: there they are let through, and by norm
spoil all the others.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def clip_by_norm_(
    parameters: Tensor | Iterable[Tensor], theta: float, norm_type: float = 2.0, error_if_nonfinite: bool = True
) -> Tensor:
    """Shrink all gradients together, in place, to a norm of at most theta; their direction stays.

    Args:
        parameters: tensors; those without a gradient are left out. theta: above 0.
        norm_type: p of the p-norm over all values, above 0; inf is the largest.
        error_if_nonfinite: refuse a norm that is NaN or infinite, before anything is changed.

    Returns: the norm before, a scalar.

    Raises:
        ValueError: theta or norm_type is not above 0.
        FloatingPointError: the norm is not finite.
    """
    _positive(theta=theta)
    if not norm_type > 0:
        raise ValueError(f"norm_type must be above 0: {norm_type}")
    gradients = _gradients(parameters)
    if not gradients:
        return torch.zeros(())
    norms = torch.stack([torch.linalg.vector_norm(g, norm_type).to(gradients[0].device) for g in gradients])
    norm: Tensor = torch.linalg.vector_norm(norms, norm_type)
    if error_if_nonfinite and not bool(torch.isfinite(norm)):
        raise FloatingPointError(
            f"the gradients' norm is {float(norm):g}: nothing was clipped; lower the learning rate"
        )
    share = torch.where(norm < theta, torch.ones_like(norm), theta / norm)  # of NaN NaN; no wait for the device
    for g in gradients:
        g.mul_(share.to(g.device, g.dtype))
    return norm


def clip_by_value_(parameters: Tensor | Iterable[Tensor], theta: float, error_if_nonfinite: bool = True) -> None:
    """Bound every value of every gradient, in place, to [-theta, theta].

    Args:
        parameters: tensors; those without a gradient are left out. theta: above 0.
        error_if_nonfinite: refuse gradients that hold NaN or an infinity, before anything is changed.

    Raises:
        ValueError: theta is not above 0.
        FloatingPointError: a gradient is not finite.
    """
    _positive(theta=theta)
    gradients = _gradients(parameters)
    if error_if_nonfinite:
        for index, g in enumerate(gradients):
            if not bool(torch.isfinite(g).all()):
                raise FloatingPointError(
                    f"gradient {index}, shape {tuple(g.shape)}, is not finite: nothing was clipped; "
                    "lower the learning rate"
                )
    for g in gradients:
        g.clamp_(-theta, theta)


def clip_adjustable_(
    parameters: Tensor | Iterable[Tensor], theta: float, learning_rate: float, error_if_nonfinite: bool = True
) -> None:
    """Clip each gradient, in place, to [-theta / learning_rate, theta / learning_rate] (VDSR, section 3.2).

    The bound on a step, theta, thus stays the same while the learning rate falls.

    Raises: as `clip_by_value_`; ValueError too where the learning rate is not above 0.
    """
    if theta <= 0 or learning_rate <= 0:
        raise ValueError(f"theta and the learning rate must be positive: {theta}, {learning_rate}")
    clip_by_value_(parameters, theta / learning_rate, error_if_nonfinite)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad.detach() for p in given if p.grad is not None]


def _positive(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be above 0, and finite: {value}")
