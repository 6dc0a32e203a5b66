"""A function with weights as a module, so that the suites' passes can run it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class _Function(nn.Module):
    """`function(x, *weights, **options)`; the weights, of the given shapes, are its parameters."""

    def __init__(self, function: Callable[..., Tensor], shapes: Sequence[Sequence[int]] = (), **options: Any) -> None:
        super().__init__()
        self.function, self.options = function, options
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(*shape)) for shape in shapes)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.weights, **self.options)
