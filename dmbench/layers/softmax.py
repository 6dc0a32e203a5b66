"""Softmax and the losses of classifiers: cross-entropy, its binary form, the multiclass hinge, the squared error.

Source: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs; the multiclass hinge:
Weston and Watkins (1999), Support vector machines for multi-class pattern recognition; label smoothing: Szegedy et al.
(2015), Rethinking the Inception architecture, arXiv:1512.00567, section 7; the course notes of Stanford's CS231n.
    p_k = e^{s_k} / sum_j e^{s_j}                       cross-entropy: L = -sum_k q_k log p_k,  dL/ds = p - q
    hinge: L = sum_{j != y} max(0, s_j - s_y + margin)

A constant added to all scores changes nothing: the largest is taken off first, so that no exponential overflows.
Losses are named and reduced as in torch.nn.functional: "mean" over examples (and places), "sum", "none". float16 and
bfloat16 are computed in float32. Targets and probabilities are looked at, for which a GPU waits.

Shapes: scores s (N, C, ...) or (C), C classes, ... places; y (N, ...) whole numbers; q as s.
"""

import math

import torch
from torch import Tensor

from dmbench.layers.kernels.pointwise import checked, negative, positive, raised
from dmbench.layers.kernels.targets import (
    along_classes,
    check_distribution,
    check_pair,
    not_ignored,
    picked,
    reduced,
    refuse,
    shares,
)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Return probabilities along a dimension; as torch.nn.functional.softmax.

    A score of -inf has probability 0; with +inf or NaN among them, or -inf alone, all along the dimension are NaN.

    Raises:
        ValueError: the dimension has no values.
        TypeError: x is not floating point.
    """
    powers = torch.exp(_shifted(x, dim))
    return (powers / powers.sum(dim, keepdim=True)).to(x.dtype)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Return log-probabilities, finite where a probability is too small for its dtype; raises as `softmax`."""
    return _log_softmax(x, dim).to(x.dtype)


def cross_entropy(
    scores: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross-entropy of scores; as torch.nn.functional.cross_entropy, which always ignores class -100.

    Args:
        scores: (N, C, ...) or (C), floating point.
        target: classes y, int64, (N, ...) or (); or probabilities q, floating, shaped as scores, each 0 to 1, of sum 1.
        weight: of each class, (C), dtype of scores: w_k q_k log p_k is summed, smoothed or not; the mean over examples
            whose targets are classes is over the sum of their classes' weights.
        ignore_index: a class, also none of 0 to C - 1, whose examples lose nothing and do not count in the mean; None:
            there is none. The mean of nothing is NaN, as in torch.
        label_smoothing: epsilon, 0 to 1; the target becomes (1 - epsilon) q + epsilon / C.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: a shape, a class, a probability or an option does not fit; the message has the value.
        TypeError: a dtype does not fit.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"need label_smoothing from 0 to 1: {label_smoothing}")
    dim = min(scores.ndim - 1, 1)
    log_p = _log_softmax(scores, dim)
    weighted = log_p if weight is None else log_p * along_classes(weight, scores, dim)
    if target.is_floating_point():
        if ignore_index is not None:
            raise ValueError(f"probabilities have no class to ignore, use weight: ignore_index {ignore_index}")
        check_distribution(target, scores, dim)
        smooth = raised(target) * (1 - label_smoothing) + label_smoothing / scores.shape[dim]
        return reduced(-(smooth * weighted).sum(dim), reduction).to(scores.dtype)
    classes, kept = not_ignored(target, ignore_index)
    loss = picked(-weighted, classes, dim)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * weighted.mean(dim)
    if kept is not None:
        loss = torch.where(kept, loss, 0.0)
    return reduced(loss, reduction, shares(classes, weight, kept, loss)).to(scores.dtype)


def nll_loss(
    log_p: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood of classes; as torch.nn.functional.nll_loss. Raises as `cross_entropy`.

    log_p: (N, C, ...) or (C), as `log_softmax` gives it. target: classes, int64, (N, ...) or (). The rest as there.
    """
    checked(log_p)
    dim = min(log_p.ndim - 1, 1)
    classes, kept = not_ignored(target, ignore_index)
    weighted = raised(log_p) if weight is None else raised(log_p) * along_classes(weight, log_p, dim)
    loss = picked(-weighted, classes, dim)
    if kept is not None:
        loss = torch.where(kept, loss, 0.0)
    return reduced(loss, reduction, shares(classes, weight, kept, loss)).to(log_p.dtype)


def binary_cross_entropy(p: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return -(q log p + (1 - q) log(1 - p)); as torch.nn.functional.binary_cross_entropy.

    Args:
        p: probabilities, inside (0, 1).
        target: q, shape and dtype of p, 0 to 1.

    Raises:
        ValueError: a probability is not inside (0, 1), where torch cuts the loss at 100; or as `cross_entropy`.
    """
    check_pair(p, target)
    refuse(p, ~((p > 0) & (p < 1)), "need probabilities inside (0, 1), or binary_cross_entropy_with_logits")
    x, q = raised(p), raised(target)
    return reduced(-(q * torch.log(x) + (1 - q) * torch.log1p(-x)), reduction).to(p.dtype)


def binary_cross_entropy_with_logits(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the same of p = 1 / (1 + e^-x), finite for every finite x; target and errors as there."""
    check_pair(x, target)
    z = raised(x)
    above, below = positive(z), negative(z)
    return reduced(above - z * raised(target) + torch.log1p(torch.exp(below - above)), reduction).to(x.dtype)


def hinge(scores: Tensor, target: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return Weston and Watkins' loss; torch.nn.functional.multi_margin_loss is this over C.

    scores: (N, C) or (C). target: classes, int64, (N) or (). margin: above 0. Raises as `cross_entropy`.
    """
    checked(scores)
    if not (margin > 0 and math.isfinite(margin)) or scores.ndim > 2:
        raise ValueError(f"need a margin above 0, and scores (N, C) or (C): {margin}, {tuple(scores.shape)}")
    s = raised(scores)
    right = picked(s, target, s.ndim - 1).unsqueeze(-1)
    short = positive(s - right + margin).scatter(-1, target.unsqueeze(-1), 0.0)  # j = y is left out
    return reduced(short.sum(-1), reduction).to(scores.dtype)


def squared_error(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return (x - target)^2; as torch.nn.functional.mse_loss, but shapes must be equal. Raises as `cross_entropy`."""
    check_pair(x, target, bounded=False)
    return reduced((raised(x) - raised(target)).square(), reduction).to(x.dtype)


def _shifted(x: Tensor, dim: int) -> Tensor:
    """Take the largest value off; a constant, whose gradient would cancel."""
    checked(x)
    if x.ndim and x.shape[dim] == 0:
        raise ValueError(f"need at least one value along dimension {dim}: {tuple(x.shape)}")
    z = raised(x)
    return z - z.detach().amax(dim, keepdim=True)


def _log_softmax(x: Tensor, dim: int) -> Tensor:
    z = _shifted(x, dim)
    return z - torch.exp(z).sum(dim, keepdim=True).log()
