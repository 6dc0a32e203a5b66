"""The networks of DDPG: a policy (actor) and the value of its actions (critic), for vectors and for frames.

Source: Lillicrap et al. (2015), arXiv:1509.02971, supplement, section 7. Shapes: B batch, I inputs, A parts of an
action, each in [-1, 1]; frames are uint8 (B, 9, 64, 64), three RGB pictures.
"""

import math

import torch
from torch import Tensor, nn

FINAL, FINAL_OF_PIXELS = 3e-3, 3e-4  # bounds of the last layers' uniform initialisation
UNITS, UNITS_OF_PIXELS = (400, 300), (200, 200)


class Actor(nn.Module):
    """The policy for vector observations: layers of 400 and 300 units, tanh; about 130,000 parameters.

    batch_norm: normalise the observation and every layer before its rectifier.
    """

    def __init__(self, inputs: int, actions: int, *, units: tuple[int, int] = UNITS, batch_norm: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_normalised(inputs, batch_norm),
            *_layer(inputs, units[0], batch_norm),
            *_layer(units[0], units[1], batch_norm),
            *(nn.Linear(units[1], actions), nn.Tanh()),
        )
        initialise(self, self.layers[-2], FINAL)

    def forward(self, states: Tensor) -> Tensor:
        """Return actions (B, A) in [-1, 1] for states (B, I)."""
        return self.layers(states)  # type: ignore[no-any-return]


class Critic(nn.Module):
    """The value of an action in a state of vector observations; the action joins at the second layer.

    batch_norm: normalise the observation and the layer before the action joins.
    """

    def __init__(self, inputs: int, actions: int, *, units: tuple[int, int] = UNITS, batch_norm: bool = False) -> None:
        super().__init__()
        self.before = nn.Sequential(*_normalised(inputs, batch_norm), *_layer(inputs, units[0], batch_norm))
        self.after = nn.Sequential(*_layer(units[0] + actions, units[1], False), nn.Linear(units[1], 1))
        initialise(self, self.after[-1], FINAL)

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """Return values (B,) of actions (B, A) in states (B, I)."""
        return self.after(torch.cat([self.before(states), actions], 1))[:, 0]  # type: ignore[no-any-return]


class PixelActor(nn.Module):
    """The policy for frames: three convolutions of 32 filters, two layers of 200 units, tanh.

    Differs from the paper: 1. kernels of 3 x 3 and strides of 2, since it prints neither: they make 375,321 parameters
    for one action, where it prints about 430,000.
    """

    def __init__(self, actions: int, *, channels: int = 9, side: int = 64, batch_norm: bool = False) -> None:
        super().__init__()
        convolutions, features = _convolutions(channels, side, batch_norm)
        first, second = UNITS_OF_PIXELS
        self.layers = nn.Sequential(
            *convolutions,
            *_layer(features, first, batch_norm),
            *_layer(first, second, batch_norm),
            *(nn.Linear(second, actions), nn.Tanh()),
        )
        initialise(self, self.layers[-2], FINAL_OF_PIXELS)

    def forward(self, frames: Tensor) -> Tensor:
        """Return actions (B, A) in [-1, 1] for frames (B, 9, 64, 64), uint8."""
        return self.layers(_scaled(frames))  # type: ignore[no-any-return]


class PixelCritic(nn.Module):
    """The value of an action in a state of frames; the action joins at the second layer of 200 units.

    Differs from the paper: as PixelActor does; 375,521 parameters for one action.
    """

    def __init__(self, actions: int, *, channels: int = 9, side: int = 64, batch_norm: bool = False) -> None:
        super().__init__()
        convolutions, features = _convolutions(channels, side, batch_norm)
        first, second = UNITS_OF_PIXELS
        self.before = nn.Sequential(*convolutions, *_layer(features, first, batch_norm))
        self.after = nn.Sequential(*_layer(first + actions, second, False), nn.Linear(second, 1))
        initialise(self, self.after[-1], FINAL_OF_PIXELS)

    def forward(self, frames: Tensor, actions: Tensor) -> Tensor:
        """Return values (B,) of actions (B, A) in states of frames (B, 9, 64, 64), uint8."""
        return self.after(torch.cat([self.before(_scaled(frames)), actions], 1))[:, 0]  # type: ignore[no-any-return]


def initialise(network: nn.Module, final: nn.Module, bound: float) -> None:
    """Draw weights and biases from U(-1/sqrt(f), 1/sqrt(f)), f inputs of a unit; of `final` from U(-bound, bound)."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None:
            limit = bound if layer is final else 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -limit, limit)
            nn.init.uniform_(layer.bias, -limit, limit)


def _layer(inputs: int, units: int, batch_norm: bool) -> list[nn.Module]:
    return [nn.Linear(inputs, units), *_normalised(units, batch_norm), nn.ReLU()]


def _normalised(units: int, batch_norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm1d(units)] if batch_norm else []


def _convolutions(channels: int, side: int, batch_norm: bool) -> tuple[list[nn.Module], int]:
    layers: list[nn.Module] = [nn.BatchNorm2d(channels)] if batch_norm else []
    for _ in range(3):
        layers += [nn.Conv2d(channels, 32, 3, stride=2), *([nn.BatchNorm2d(32)] if batch_norm else []), nn.ReLU()]
        channels, side = 32, (side - 1) // 2
    return [*layers, nn.Flatten()], 32 * side * side


def _scaled(frames: Tensor) -> Tensor:
    """Turn frames from 0..255 to [0, 1]: here and nowhere else."""
    if frames.dtype != torch.uint8:
        raise ValueError(f"pass frames as uint8, the network divides by 255 itself: {frames.dtype}")
    return frames.float().div_(255)
