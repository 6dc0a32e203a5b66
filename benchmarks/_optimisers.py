"""One update of the weights of a network, by any optimiser."""

from collections.abc import Callable
from typing import Any

import torch

# Shapes of weights: LeNet-300-100, many small ones; and AlexNet's fc7, a large one.
WEIGHTS = {
    "lenet-300-100": [(300, 784), (300,), (100, 300), (100,), (10, 100), (10,)],
    "alexnet fc7": [(4096, 4096), (4096,)],
}


def update(build: Any, weights: str, device: torch.device, **options: Any) -> Callable[[], object]:
    """Return what makes one update; the gradients stay the same."""
    made = [torch.randn(*shape, device=device).requires_grad_() for shape in WEIGHTS[weights]]
    optimiser = build(made, **options)
    for w in made:
        w.grad = torch.randn_like(w)
    optimiser.step()  # so that what it remembers is there
    return optimiser.step  # type: ignore[no-any-return]
