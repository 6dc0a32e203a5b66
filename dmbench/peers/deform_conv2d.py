"""Deformable convolution by torchvision, and by torch.compile of the canonical form."""

from typing import Any

from torch import Tensor

from dmbench.layers.deform_conv2d import canonical_deform_conv2d
from dmbench.peers._compiled import compiled as _compiled
from dmbench.peers._torchvision import operator

compiled = _compiled(canonical_deform_conv2d)


def torchvision(*args: Any, **options: Any) -> Tensor:
    """torchvision.ops.deform_conv2d."""
    result: Tensor = operator("deform_conv2d")(*args, **options)
    return result


PEERS = {"torchvision.ops": {"deform_conv2d": torchvision}, "torch.compile": {"deform_conv2d": compiled}}
