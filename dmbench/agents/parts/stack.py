"""States for acting: the last observations of each environment, stacked as a replay memory stacks them.

Shapes: N environments, K frames in a stack, (...) one observation. For vectors K is 1, and states have no axis of
frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class Stack:
    """The last K observations of N environments, as a memory would stack them."""

    def __init__(
        self,
        environments: int,
        shape: Sequence[int],
        stack: int = 4,
        dtype: torch.dtype = torch.uint8,
        device: torch.device | str = "cpu",
    ) -> None:
        self.frames = torch.zeros(environments, stack, *shape, dtype=dtype, device=device)

    def push(self, observations: Tensor, first: Tensor) -> Tensor:
        """Add observations (N, ...), after forgetting what lies before an episode's `first`; return the states.

        first: (N,) bool. Returns (N, K, ...), or (N, ...) for a stack of one.
        """
        forget = on_device(first, self.frames.device)[(...,) + (None,) * (self.frames.ndim - 1)]
        self.frames = self.frames.roll(-1, dims=1).masked_fill_(forget, 0)
        self.frames[:, -1] = observations
        return self.state()

    def state(self) -> Tensor:
        """Return the states (N, K, ...), or (N, ...) for a stack of one."""
        return self.frames[:, 0] if self.frames.shape[1] == 1 else self.frames


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy on a CUDA device, for which the host does not wait; elsewhere the tensor itself, or a copy."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
