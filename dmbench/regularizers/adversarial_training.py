"""Adversarial training: a network learns from each example and from one made worse by its own gradient.

Source: Goodfellow, Shlens and Szegedy (2015), Explaining and Harnessing Adversarial Examples, arXiv:1412.6572.
Section 4, the fast gradient sign method:      eta = eps sign(grad_x J(theta, x, y))
Section 6, the objective:                      J~ = alpha J(theta, x, y) + (1 - alpha) J(theta, x + eta, y)
Section 5, of logistic regression the second part in closed form: softplus(eps ||w||_1 - y (w x + b)), y = -1 or 1, for
w sign(w) = ||w||_1. Of all changes of at most eps a value, eta raises a linear score's loss most.

Shapes: N examples x (N, ...); labels y (N); losses are means over N.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

Loss = Callable[[Tensor], Tensor]
Attack = Callable[[Loss, Tensor, float], Tensor]


def fast_gradient_sign(
    loss: Loss, x: Tensor, eps: float = 0.25, *, bounds: tuple[float, float] | None = None
) -> Tensor:
    """Step uphill from x to an adversarial example, eps in every value whose gradient is not zero.

    Args:
        loss: maps inputs like x to the scalar loss of their right labels, through the network under attack.
        x: floating point; gradients of parameters are left alone.
        eps: largest change of a value, in the unit of x, at least 0; the paper's 0.25 is for pixels in [0, 1].
        bounds: lowest and highest value that the result is clamped to; None, as in the paper, for no clamping.

    Returns:
        The shape of x, detached.

    Raises:
        ValueError: eps is negative or no number, x holds NaN, loss is no scalar or its gradient holds NaN.
        TypeError: x is not floating point.
    """
    _check_eps(eps)
    if not x.is_floating_point():
        raise TypeError(f"need floating-point examples, convert first: {x.dtype}")
    if x.isnan().any():
        raise ValueError(f"{int(x.isnan().sum())} of {x.numel()} values of the examples are NaN: remove them first")
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(leaf)
        if value.numel() != 1:
            raise ValueError(f"need a loss that is one number: {tuple(value.shape)}")
        (gradient,) = torch.autograd.grad(value, leaf)
    if gradient.isnan().any():
        raise ValueError(f"{int(gradient.isnan().sum())} of {x.numel()} values of the loss's gradient are NaN")
    stepped = x.detach() + eps * gradient.sign()
    return stepped if bounds is None else stepped.clamp(*bounds)


def adversarial_loss(
    loss: Loss, x: Tensor, eps: float = 0.25, alpha: float = 0.5, *, attack: Attack = fast_gradient_sign
) -> Tensor:
    """Return J~, the mean of the loss at x and at its adversarial example, weighted by alpha and 1 - alpha.

    The example counts as data: no gradient passes through its sign, which is flat wherever it has a derivative.

    Args:
        loss, x, eps: as in `fast_gradient_sign`.
        alpha: from 0 to 1; the paper's 0.5.
        attack: called as attack(loss, x, eps).

    Raises: ValueError: alpha is not in [0, 1], or what `fast_gradient_sign` raises.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"need alpha from 0 to 1: {alpha}")
    attacked = attack(loss, x, eps)
    return alpha * loss(x) + (1 - alpha) * loss(attacked)


def adversarial_logistic_loss(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, eps: float = 0.25) -> Tensor:
    """Return logistic regression's loss at its adversarial examples in closed form (section 5).

    Differs from the paper: 1. It prints softplus(y (eps ||w||_1 - w x - b)), which is this for y = 1; where y = -1 the
    adversary too adds eps ||w||_1, and does not take it away.

    Args:
        weight: (I). bias: a scalar. x: (N, I). y: (N), -1 or 1. eps: at least 0.

    Returns:
        The mean over N, nats.

    Raises:
        ValueError: eps is negative or no number, a label is neither -1 nor 1, or the shapes do not fit.
    """
    _check_eps(eps)
    if x.ndim != 2 or weight.shape != x.shape[1:] or y.shape != x.shape[:1]:
        raise ValueError(f"need x (N, I), weight (I), y (N): {tuple(x.shape)}, {tuple(weight.shape)}, {tuple(y.shape)}")
    if not ((y == 1) | (y == -1)).all():
        raise ValueError(f"need labels -1 or 1: {sorted(set(y.tolist()))[:5]}")
    return softplus(eps * weight.abs().sum() - y * (x @ weight + bias)).mean()


def _check_eps(eps: float) -> None:
    if not eps >= 0:
        raise ValueError(f"need eps of at least 0: {eps}")
