"""Gradient checking: the gradient that code computes against differences of the function itself.

Source: the notes of Stanford's CS231n, neural networks part 3, gradient checks. With a step h along a value at a time:
    central: (f(x + h) - f(x - h)) / 2h, off by h^2 / 6 f''' + ...
    forward: (f(x + h) - f(x)) / h, off by h / 2 f'' + ...
    relative error: |a - n| / max(|a|, |n|), of the analytical gradient a and the numerical n; 0 where both are 0
The step that balances rounding and curvature is about the cube root of the type's precision, times the scale on which f
bends (Press et al., Numerical Recipes, section 5.7): 6e-6 in float64, and far too coarse in float32, which is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]
STEP = 1e-5
# From the notes: at most so much, and what it means.
LEVELS = (
    (1e-7, "right"),
    (1e-4, "usually right where there are kinks, too much where there are none"),
    (1e-2, "doubtful"),
)
WRONG = "probably wrong"
KINK = 1e-3  # of the slopes' size: the left and right slopes of a smooth f differ by about h f'', far less


@dataclass(frozen=True)
class Report:
    """What a check found, at the places (M) that it looked at.

    places: their numbers in the flattened x. analytical, numerical, errors: (M), errors relative.
    kinks: (M), True where the slopes to both sides differ, so that neither gradient need agree.
    """

    places: Tensor
    analytical: Tensor
    numerical: Tensor
    errors: Tensor
    kinks: Tensor

    @property
    def worst(self) -> float:
        """The largest relative error, kinks left out; 0 where nothing else is left."""
        smooth = self.errors[~self.kinks]
        return float(smooth.max()) if len(smooth) else 0.0

    @property
    def level(self) -> str:
        """What the notes say of the worst error."""
        return next((words for most, words in LEVELS if self.worst <= most), WRONG)  # NaN is at most nothing


def numerical_gradient(function: Function, x: Tensor, step: float = STEP, kind: str = "central") -> Tensor:
    """Return the gradient of a scalar function by differences, shaped as x.

    Args:
        function: called with tensors like x; returns one value. It is called twice, or once and more, for each value.
        x: float64, any shape. step: h, above 0. kind: "central" or "forward".

    Raises:
        TypeError: x is not float64. ValueError: a step or kind that does not fit, or a function of several values.
    """
    _check(x, step)
    if kind not in ("central", "forward"):
        raise ValueError(f"kind must be central or forward: {kind}")
    return _slopes(function, x, torch.arange(x.numel()), step)[0 if kind == "central" else 1].view(x.shape)


def relative_error(analytical: Tensor, numerical: Tensor) -> Tensor:
    """Return |a - n| / max(|a|, |n|), value by value; 0 where both are 0, NaN where either is."""
    largest = torch.maximum(analytical.abs(), numerical.abs())
    error = (analytical - numerical).abs() / largest
    return torch.where(largest == 0, torch.zeros_like(error), error)


def check_gradient(
    function: Function,
    x: Tensor,
    step: float = STEP,
    places: int | None = None,
    generator: torch.Generator | None = None,
) -> Report:
    """Compare what autograd gives for a scalar function at x with central differences.

    Args:
        function, x, step: as in `numerical_gradient`; what is random in the function must be held fixed.
        places: how many values of x to look at, drawn without return; None looks at all.

    Raises:
        TypeError: x is not float64. ValueError: as in `numerical_gradient`, or autograd does not reach x.
    """
    _check(x, step)
    leaf = x.detach().clone().requires_grad_()
    value = _one(function(leaf))
    if not value.requires_grad:
        raise ValueError("autograd does not reach x: the function's value does not depend on it, or was detached")
    (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
    if gradient is None:
        raise ValueError("autograd does not reach x: the function's value does not depend on it, or was detached")
    looked = torch.arange(x.numel())
    if places is not None:
        looked = torch.randperm(x.numel(), generator=generator)[:places].sort().values
    analytical = gradient.detach().flatten()[looked.to(x.device)]
    numerical, right, left = _slopes(function, x, looked, step)
    size = torch.maximum(right.abs(), left.abs())
    return Report(
        looked, analytical, numerical, relative_error(analytical, numerical), (right - left).abs() > KINK * size
    )


@torch.no_grad()
def _slopes(function: Function, x: Tensor, places: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the slopes through both neighbours, to the right and to the left, each (M)."""
    moved = x.detach().clone()
    values = moved.view(-1) if moved.is_contiguous() else None
    if values is None:
        moved = moved.contiguous()
        values = moved.view(-1)
    here = float(_one(function(moved)))
    found = []
    for place in places.tolist():
        before = float(values[place])
        values[place] = before + step
        above = float(_one(function(moved)))
        values[place] = before - step
        below = float(_one(function(moved)))
        values[place] = before
        found.append(((above - below) / (2 * step), (above - here) / step, (here - below) / step))
    central, right, left = torch.tensor(found, dtype=x.dtype, device=x.device).view(-1, 3).T
    return central, right, left


def _one(value: Tensor) -> Tensor:
    if value.numel() != 1:
        raise ValueError(f"need a function of one value, such as a loss or a weighted sum: {tuple(value.shape)}")
    return value.reshape(())


def _check(x: Tensor, step: float) -> None:
    if x.dtype != torch.float64:
        raise TypeError(f"need float64, in which differences of 1e-5 leave digits to compare: {x.dtype}")
    if not step > 0:
        raise ValueError(f"need a step above 0: {step}")
