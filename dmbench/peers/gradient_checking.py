"""Gradient checking by torch.autograd.gradcheck."""

from collections.abc import Callable

import torch
from torch import Tensor


def torch_right(function: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Say whether gradcheck passes; it adds an absolute tolerance of 1e-5 to a relative one of 1e-3."""
    leaf = x.detach().clone().requires_grad_()
    return bool(torch.autograd.gradcheck(function, (leaf,), raise_exception=False))


PEERS = {"torch.autograd.gradcheck": {"right": torch_right}}
