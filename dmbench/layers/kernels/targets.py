"""What losses share: targets and weights that are looked at, values picked by class, and reductions.

Shapes: scores (N, C, ...) or (C), C classes along dim; classes (N, ...) or (); losses as classes.
"""

import torch
from torch import Tensor

from dmbench.layers.kernels.pointwise import checked, raised


def picked(values: Tensor, target: Tensor, dim: int) -> Tensor:
    """Return the value of each example's class."""
    shape = (*values.shape[:dim], *values.shape[dim + 1 :])
    if values.ndim == 0 or target.shape != shape:
        raise ValueError(f"need classes {shape} for scores {tuple(values.shape)}: {tuple(target.shape)}")
    if target.dtype != torch.int64:
        raise TypeError(f"need classes in int64, or probabilities: {target.dtype}")
    refuse(target, (target < 0) | (target >= values.shape[dim]), f"need classes from 0 to {values.shape[dim] - 1}")
    return values.gather(dim, target.unsqueeze(dim)).squeeze(dim)


def along_classes(weight: Tensor, scores: Tensor, dim: int) -> Tensor:
    """Return the classes' weights, shaped to be multiplied with scores."""
    if weight.shape != scores.shape[dim : dim + 1]:
        raise ValueError(f"need a weight for each of {scores.shape[dim]} classes: {tuple(weight.shape)}")
    if (weight.dtype, weight.device) != (scores.dtype, scores.device):
        raise TypeError(f"need weights as the scores, {scores.dtype} on {scores.device}: {weight.dtype}")
    refuse(weight, ~(weight >= 0), "need weights of at least 0")
    return raised(weight).view(-1, *[1] * (scores.ndim - dim - 1))


def not_ignored(target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
    """Return the classes, 0 where ignored, and which are not; None: all."""
    if ignore_index is None:
        return target, None
    kept = target != ignore_index
    return torch.where(kept, target, 0), kept


def shares(classes: Tensor, weight: Tensor | None, kept: Tensor | None, loss: Tensor) -> Tensor | None:
    """Return what each example counts in the mean, and nothing of those that are ignored; None: all the same."""
    if weight is None and kept is None:
        return None
    count = torch.ones_like(loss) if weight is None else raised(weight)[classes]
    return count if kept is None else count * kept


def check_distribution(target: Tensor, scores: Tensor, dim: int) -> None:
    """Raise unless the target holds probabilities of the scores' classes, of sum 1."""
    check_pair(scores, target)
    total = raised(target).sum(dim)
    refuse(total, ~((total - 1).abs() < 1e-2), "need probabilities of sum 1")  # bfloat16 has 3 digits


def check_pair(x: Tensor, target: Tensor, bounded: bool = True) -> None:
    """Raise unless the target is shaped as x, of its dtype and device, and if `bounded` from 0 to 1."""
    checked(x)
    if x.shape != target.shape:
        raise ValueError(f"need a target of shape {tuple(x.shape)}: {tuple(target.shape)}")
    if (target.dtype, target.device) != (x.dtype, x.device):
        raise TypeError(f"need a target as the input, {x.dtype} on {x.device}: {target.dtype} on {target.device}")
    if bounded:
        refuse(target, ~((target >= 0) & (target <= 1)), "need target probabilities from 0 to 1")


def refuse(values: Tensor, bad: Tensor, need: str) -> None:
    """Raise with the first bad value, unless there are no values to look at, as under torch.compile."""
    if torch.compiler.is_compiling() or values.device.type == "meta" or torch._C._are_functorch_transforms_active():
        return
    if bool(bad.any()):
        raise ValueError(f"{need}: {values[bad][0].item():g}")


def reduced(loss: Tensor, reduction: str, shares: Tensor | None = None) -> Tensor:
    """Reduce over examples; their mean is over the sum of shares where there are some."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"need reduction mean, sum or none: {reduction}")
    if shares is None:
        return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()
    return loss if reduction == "none" else loss.sum() / shares.sum() if reduction == "mean" else loss.sum()
