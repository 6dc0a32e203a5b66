"""Filling the weights of a network, by any initialisation."""

from collections.abc import Callable
from typing import Any

import torch

# AlexNet's largest layer, its last hidden one, and the widest convolution of VGG.
WEIGHTS = {"alexnet fc7": (4096, 4096), "vgg conv5": (512, 512, 3, 3)}


def filling(fill: Any, weight: str, device: torch.device) -> Callable[[], object]:
    """Return what fills the weight anew."""
    made = torch.empty(WEIGHTS[weight], device=device)
    return lambda: fill(made)
