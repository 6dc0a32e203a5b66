"""Decoupled weight decay by torch: what its SGD does to a weight without a gradient."""

from collections.abc import Iterable

import torch
from torch import Tensor


def torch_optim(weights: Iterable[Tensor], lr: float, alpha: float) -> None:
    """Shrink in place by torch.optim.SGD's weight decay."""
    found = list(weights)
    gradients = [w.grad for w in found]
    for w in found:
        w.grad = torch.zeros_like(w)
    torch.optim.SGD(found, lr, weight_decay=alpha).step()
    for w, gradient in zip(found, gradients, strict=True):
        w.grad = gradient


PEERS = {"torch.optim": {"shrink": torch_optim}}
