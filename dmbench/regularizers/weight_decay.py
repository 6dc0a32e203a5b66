"""Weight decay: L2 as a penalty and as a shrinking of weights, L1, and which parameters are left out.

Sources: Goodfellow, Bengio and Courville (2016), Deep Learning, section 7.1 (Eqs. 7.1 to 7.23); decoupled from the
gradient: Loshchilov and Hutter (2019), arXiv:1711.05101; PReLU's slopes left out: He, Zhang, Ren and Sun (2015),
arXiv:1502.01852, section 2. Symbols: w weights, w* the minimum without the penalty, H the Hessian there, alpha the
penalty's factor, lr the learning rate.

Shapes: K weights, a Hessian is (K, K).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

Exempt = Callable[[nn.Module, str, nn.Parameter], bool]


def l2_penalty(weights: Iterable[Tensor], alpha: float) -> Tensor:
    """Return alpha / 2 times the sum of squares, a scalar; its gradient is alpha w (Eq. 7.1).

    alpha: 0 or more. Raises: ValueError: alpha is negative or not finite, or there is no weight.
    """
    return _factor(alpha) / 2 * torch.stack([w.square().sum() for w in _some(weights)]).sum()


def l1_penalty(weights: Iterable[Tensor], alpha: float) -> Tensor:
    """Return alpha times the sum of absolute values, a scalar; its gradient is alpha sign w, 0 at 0 (Eq. 7.18)."""
    return _factor(alpha) * torch.stack([w.abs().sum() for w in _some(weights)]).sum()


@torch.no_grad()
def shrink(weights: Iterable[Tensor], lr: float, alpha: float) -> None:
    """Multiply weights in place by 1 - lr alpha: decoupled decay, to be done before an update (Eq. 7.5).

    For SGD without momentum it is the L2 penalty; where the gradient is divided by its own size, as in Adam, it is not.
    lr, alpha: 0 or more, their product at most 1.
    """
    if not 0 <= _factor(lr) * _factor(alpha) <= 1:
        raise ValueError(f"a decay of {lr} x {alpha} turns weights over: make their product at most 1")
    for w in weights:
        w.mul_(1 - lr * alpha)


@torch.no_grad()
def soft_threshold(weights: Iterable[Tensor], lr: float, alpha: float) -> None:
    """Move weights in place by lr alpha towards zero, and no further: L1's decay, which gives exact zeros."""
    amount = _factor(lr) * _factor(alpha)
    for w in weights:
        w.copy_(w.sign() * (w.abs() - amount).clamp(min=0))


def vectors(layer: nn.Module, name: str, weight: nn.Parameter) -> bool:
    """Say whether a parameter has fewer than two dimensions, as biases, scales of normalisations and slopes have."""
    return weight.ndim < 2


def slopes(layer: nn.Module, name: str, weight: nn.Parameter) -> bool:
    """Say whether a parameter is a PReLU's slope: the paper's only exemption, since decay tends to push it to zero."""
    return type(layer).__name__ == "PReLU"


def decay_groups(net: nn.Module, alpha: float, exempt: Exempt = vectors) -> list[dict[str, Any]]:
    """Return two groups for an optimiser: parameters with weight_decay alpha, and exempt ones with none.

    exempt: called with the layer that has a parameter, the parameter's name in it, and the parameter. One that several
    layers share is judged by the first; one that is not trained is left out.
    Raises: ValueError: alpha is negative or not finite, or nothing is trained.
    """
    groups: list[dict[str, Any]] = [
        {"params": [], "weight_decay": _factor(alpha)},
        {"params": [], "weight_decay": 0.0},
    ]
    seen: set[int] = set()
    for layer in net.modules():
        for name, weight in layer.named_parameters(recurse=False):
            if weight.requires_grad and id(weight) not in seen:
                seen.add(id(weight))
                groups[exempt(layer, name, weight)]["params"].append(weight)
    if not seen:
        raise ValueError("no parameter is trained: there is nothing to decay")
    return [group for group in groups if group["params"]]


def l2_minimum(hessian: Tensor, minimum: Tensor, alpha: float) -> Tensor:
    """Return where a quadratic with this Hessian and minimum w* has it under L2: (H + alpha I)^-1 H w* (Eq. 7.10).

    Along an eigenvector of H of eigenvalue l, w* shrinks by l / (l + alpha) (Eq. 7.13).
    hessian: (K, K), symmetric, no eigenvalue below 0. minimum: (K). alpha: above 0, or 0 where H has an inverse.
    """
    if hessian.ndim != 2 or hessian.shape[0] != hessian.shape[1] or minimum.shape != hessian.shape[:1]:
        raise ValueError(f"need a Hessian (K, K) and a minimum (K): {tuple(hessian.shape)}, {tuple(minimum.shape)}")
    damped = hessian + _factor(alpha) * torch.eye(len(minimum), dtype=hessian.dtype, device=hessian.device)
    return torch.linalg.solve(damped, hessian @ minimum)  # type: ignore[no-any-return]


def l1_minimum(curvatures: Tensor, minimum: Tensor, alpha: float) -> Tensor:
    """Return where a quadratic with a diagonal Hessian has its minimum under L1 (Eq. 7.23).

    curvatures: (K), above 0. minimum: w*, (K). Each goes alpha / H_ii towards zero, and stays there.
    """
    if curvatures.shape != minimum.shape or not bool((curvatures > 0).all()):
        raise ValueError(f"need as many curvatures as weights, all above 0: {curvatures.tolist()}")
    return minimum.sign() * (minimum.abs() - _factor(alpha) / curvatures).clamp(min=0)


def _factor(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"a learning rate or a penalty's factor must be 0 or more, and finite: {value}")
    return value


def _some(weights: Iterable[Tensor]) -> list[Tensor]:
    found = list(weights)
    if not found:
        raise ValueError("need at least one weight to penalise: none given")
    return found
