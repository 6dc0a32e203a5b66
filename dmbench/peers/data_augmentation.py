"""Data augmentation by torchvision where it loads, by plain slices, and by torch.compile of ours."""

from typing import Any

import torch
from torch import Tensor

from dmbench.peers._compiled import compiled
from dmbench.peers._torchvision import transform
from dmbench.regularizers import data_augmentation as ours


def torchvision_crop(x: Tensor, top: Tensor, left: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut each picture with torchvision's crop."""
    height, width = (size, size) if isinstance(size, int) else size
    cut = transform("crop")
    return torch.stack([cut(one, int(i), int(j), height, width) for one, i, j in zip(x, top, left, strict=True)])


def torchvision_ten_views(x: Tensor, size: int) -> Tensor:
    """Take torchvision's ten crops, and bring the reflections into our order."""
    views = transform("ten_crop")(x, [size, size])
    return torch.stack([views[i] for i in (0, 1, 2, 3, 4, 6, 5, 8, 7, 9)], 1)


def torchvision_adjust(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Adjust each picture with torchvision's three functions."""
    steps = (("adjust_brightness", brightness), ("adjust_contrast", contrast), ("adjust_saturation", saturation))
    pictures = list(x)
    for name, factors in steps:
        adjust = transform(name)
        pictures = [adjust(one, float(factor)) for one, factor in zip(pictures, factors, strict=True)]
    return torch.stack(pictures)


def sliced_crop(x: Tensor, top: Tensor, left: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut each picture by a slice of its own."""
    height, width = (size, size) if isinstance(size, int) else size
    corners = zip(x, top.tolist(), left.tolist(), strict=True)
    return torch.stack([one[:, i : i + height, j : j + width] for one, i, j in corners])


compiled_adjust = compiled(ours.adjust)

PEERS: dict[str, dict[str, Any]] = {
    "torchvision": {"crop": torchvision_crop, "ten_views": torchvision_ten_views, "adjust": torchvision_adjust},
    "slices": {"crop": sliced_crop},
    "torch.compile": {"adjust": compiled_adjust},
}
