"""What a call runs under: autocast, which some layers leave for float32, and transforms, too much for fast paths."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual


def under_autocast(tensor: Tensor) -> bool:
    """Whether autocast is on for the tensor's device; never on one that has none (meta)."""
    kind = tensor.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def without_autocast(tensor: Tensor) -> Any:
    """Return a context in which autocast is off for the tensor's device."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def transformed(*tensors: Tensor | None) -> bool:
    """Whether forward mode, or a transform of torch.func, is at work."""
    if torch._C._are_functorch_transforms_active():
        return True
    return any(t is not None and unpack_dual(t).tangent is not None for t in tensors)  # type: ignore[no-untyped-call]
