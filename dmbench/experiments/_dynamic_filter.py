"""The networks of Dynamic Filter Networks: a recurrent one that predicts pictures, and the one that learns to steer.

Source: De Brabandere et al. (2016), arXiv:1605.09673, sections 4.1 to 4.3; layers and widths as in the authors' code,
github.com/dbbert/dfn, models/. A layer is a convolution (3 x 3 where not said otherwise) and a leaky rectifier of 0.01.

Shapes: N batch, I input pictures, (H, W) their sides, (F, F') dynamic filters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from dmbench.layers.dynamic_filter import dynamic_local_filter, normalise


@dataclass(frozen=True)
class Plan:
    """The widths of a prediction network.

    encoder: the second layer halves the sides. middle: width of the state. coarse, fine: the decoder before and after
    it doubles the sides. untied: the layer whose bias differs from place to place, if any. recurrent: whether the state
    of the last picture is added through two layers. bias: whether a generated bias is added to the picture.
    """

    inputs: int
    kernel: tuple[int, int]
    encoder: Sequence[int]
    middle: int
    coarse: Sequence[int]
    fine: Sequence[int]
    recurrent: bool = True
    bias: bool = False
    untied: str = ""


PLANS = {
    "moving_mnist": Plan(1, (9, 9), (32, 32, 64, 64), 128, (64, 64), (64, 64)),
    "highway": Plan(2, (11, 11), (32, 32, 64), 64, (64,), (32, 64), bias=True, untied="first"),
    "stereo": Plan(1, (1, 13), (32, 32, 64, 64), 128, (64, 64), (64, 64), recurrent=False, bias=True, untied="middle"),
}
SIDE = 64  # of all pictures in these experiments


class Layer(nn.Module):
    """A convolution that keeps the size, or halves it, and a leaky rectifier; `places`: the sides of an untied bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, places: int = 0) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not places)
        self.bias = nn.Parameter(torch.zeros(outputs, places, places)) if places else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.convolution(x)
        return leaky_relu(y if self.bias is None else y + self.bias, 0.01)


class Prediction(nn.Module):
    """Predict a picture: filters from the last pictures and a state, applied to the last one.

    Args:
        plan: the widths.
        baseline: the same network without a dynamic layer: one more 1 x 1 convolution gives the picture.
    """

    def __init__(self, plan: Plan, *, baseline: bool = False) -> None:
        super().__init__()
        self.plan = plan
        first, second, *rest = plan.encoder
        self.encoder = nn.Sequential(
            Layer(plan.inputs, first, places=SIDE if plan.untied == "first" else 0),
            Layer(first, second, stride=2),
            *stack(second, rest),
        )
        places = SIDE // 2 if plan.untied == "middle" else 0
        self.middle = Layer(plan.encoder[-1], plan.middle, places=places)
        self.recurrence = nn.Sequential(*stack(plan.middle, [plan.middle] * 2)) if plan.recurrent else None
        self.coarse = nn.Sequential(*stack(plan.middle, plan.coarse))
        self.fine = nn.Sequential(*stack(plan.coarse[-1], plan.fine), Layer(plan.fine[-1], 128, 1))
        outputs = math.prod(plan.kernel) + plan.bias
        self.filters = nn.Conv2d(128, outputs, 1)
        self.picture = nn.Conv2d(outputs, 1, 1) if baseline else None

    def forward(self, pictures: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(N, I, 64, 64) and the last state to the prediction (N, 1, 64, 64) and the next state."""
        state_now = self.middle(self.encoder(pictures))
        if self.recurrence is not None:
            state_now = state_now + self.recurrence(torch.zeros_like(state_now) if state is None else state)
        generated = self.filters(self.fine(interpolate(self.coarse(state_now), scale_factor=2)))
        if self.picture is not None:
            return self.picture(generated), state_now
        taps, last = math.prod(self.plan.kernel), pictures[:, -1:]
        if self.plan.bias:
            last = last + generated[:, taps:]
        filters = normalise(generated[:, :taps].unflatten(1, (1, 1, *self.plan.kernel)))
        return dynamic_local_filter(
            last, filters, padding=(self.plan.kernel[0] // 2, self.plan.kernel[1] // 2)
        ), state_now


def stack(inputs: int, widths: Sequence[int]) -> list[Layer]:
    """Return layers of the given widths, one on the other."""
    return [Layer(before, after) for before, after in zip([inputs, *widths], widths, strict=False)]


def gaussian_derivatives(side: int = 9) -> Tensor:
    """Return the two basis filters of section 4.1, (2, side, side), float64: -d/dx, -d/dy of a Gaussian of width 1."""
    line = torch.arange(side, dtype=torch.float64) - side // 2
    bell = torch.exp(-line.square() / 2)
    slope = line * bell
    return torch.stack([bell[:, None] * slope, slope[:, None] * bell])


def steered(angle: Tensor, basis: Tensor) -> Tensor:
    """Return the filters at some angles (N), radians: cos times the first and sin times the second, (N, side, side)."""
    return torch.einsum("na,aij->nij", torch.stack([angle.cos(), angle.sin()], 1).to(basis), basis)


def steering_network() -> nn.Sequential:
    """Return the filter-generating network of section 4.1: angle (N, 1) to the weights of a 9 x 9 filter (N, 81)."""
    return nn.Sequential(nn.Linear(1, 64), nn.LeakyReLU(), nn.Linear(64, 128), nn.LeakyReLU(), nn.Linear(128, 81))
