"""What the activations' suites share: the maps that they are timed on.

Sizes: the first maps of AlexNet (Krizhevsky et al. 2012, Figure 2) and of VGG-16 (Simonyan and Zisserman 2014,
arXiv:1409.1556, Table 1), and a fully connected layer of both.
"""

from collections.abc import Callable
from typing import Any

import torch

from ._common import PASSES
from ._functions import _Function

MAPS = {
    "alexnet conv1 4x96x55x55": (4, 96, 55, 55),
    "vgg16 conv1 1x64x224x224": (1, 64, 224, 224),
    "fc7 128x4096": (128, 4096),
}


def on_map(function: Callable[..., Any], name: str, passes: str, device: torch.device, **options: Any) -> Any:
    """Return one run of an activation; options are as those of the function, and `shapes` those of its weights."""
    x = torch.randn(MAPS[name], device=device, requires_grad=passes != "forward")
    return PASSES[passes](_Function(function, **options).to(device), x)
