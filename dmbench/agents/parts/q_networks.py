"""The networks of DQN: from states to the value of each action.

Sources: Mnih et al. (2013), arXiv:1312.5602; Mnih et al. (2015), doi 10.1038/nature14236. Shapes: B batch, A actions;
states are uint8 (B, 4, 84, 84), or float32 (B, I) for a task with vector observations.
"""

import sys

import torch
from torch import Tensor, nn


class PlayingAtariNetwork(nn.Module):
    """The network of 2013, section 4.1: two convolutions, 256 hidden units; 677,686 parameters for 6 actions."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Conv2d(4, 16, 8, stride=4), nn.ReLU()),
            *(nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(32 * 9 * 9, 256), nn.ReLU()),
            nn.Linear(256, actions),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in the states `frames` (B, 4, 84, 84), uint8."""
        return self.layers(scaled(frames))  # type: ignore[no-any-return]


class NatureNetwork(nn.Module):
    """The network of 2015, Methods: three convolutions, 512 hidden units; 1,687,206 parameters for 6 actions."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Conv2d(4, 32, 8, stride=4), nn.ReLU()),
            *(nn.Conv2d(32, 64, 4, stride=2), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(64 * 7 * 7, 512), nn.ReLU()),
            nn.Linear(512, actions),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in the states `frames` (B, 4, 84, 84), uint8."""
        return self.layers(scaled(frames))  # type: ignore[no-any-return]


class VectorNetwork(nn.Module):
    """Layers of 256 and 256 units, for tasks with vector observations, float32 (B, I)."""

    def __init__(self, inputs: int, actions: int, units: int = 256) -> None:
        super().__init__()
        self.actions = actions
        self.layers = nn.Sequential(
            *(nn.Linear(inputs, units), nn.ReLU()),
            *(nn.Linear(units, units), nn.ReLU()),
            nn.Linear(units, actions),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Return the values (B, A) of the actions in `states`."""
        return self.layers(states)  # type: ignore[no-any-return]


def scaled(frames: Tensor) -> Tensor:
    """Turn frames from 0..255 to [0, 1], here and nowhere else; channels last, which is faster forward and backward.

    Raises: ValueError: they are not uint8, so that somebody may have divided already.
    """
    if frames.dtype != torch.uint8:
        raise ValueError(f"pass frames as uint8, the network divides by 255 itself: {frames.dtype}")
    return channels_last(frames).float().div_(255)


def channels_last(frames: Tensor) -> Tensor:
    """Return frames (B, C, H, W), uint8, with channels last in memory; four of them on a CPU as bytes of a number."""
    if frames.shape[1] != 4 or frames.device.type != "cpu" or sys.byteorder != "little":
        return frames.contiguous(memory_format=torch.channels_last)
    together = frames[:, 3].int()
    for channel in (2, 1, 0):  # twice as fast as copying byte by byte
        together = together.mul_(256).add_(frames[:, channel])
    return together[..., None].view(torch.uint8).permute(0, 3, 1, 2)
