"""Grid generators: for each pixel of the output, where in the input it comes from.

Source: Jaderberg et al. (2015), arXiv:1506.02025, section 3.2 (Eq. 1 affine, Eq. 2 attention; projective and thin plate
spline are named there); the spline is Bookstein's (1989), Principal warps, kernel r^2 log r^2.

Symbols: (xt, yt) a place in the output, (xs, ys) the place in the input. Both are normalised; what -1 and 1 mean
is said in dmbench/layers/spatial_transformer.py.
Shapes: N batch, (H', W') output, K control points, P parameters; every grid is (N, H', W', 2), x and then y.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import torch
from torch import Tensor

from dmbench.layers.kernels.modes import without_autocast

Size = tuple[int, int]
POINTS = 4  # control points a side: the paper's 16-point spline


def affine_grid(theta: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """Generate the affine grid (Eq. 1); as torch.nn.functional.affine_grid.

    theta: (N, 2, 3) or (N, 6), floating point. size: (H', W').

    Raises:
        ValueError: another shape of theta, or a size without pixels.
        TypeError: theta is not floating.
    """
    theta = _parameters(theta.flatten(1), 6)
    x, y = targets(size, align_corners, theta)
    a, b, c, d, e, f = theta[:, :, None, None].unbind(1)
    return torch.stack([a * x + b * y + c, d * x + e * y + f], 3)


def attention_grid(theta: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """Generate the grid of cropping, translation and isotropic scaling (Eq. 2). theta: (N, 3), s, tx and ty."""
    s, tx, ty = _parameters(theta, 3).unbind(1)
    zero = torch.zeros_like(s)
    return affine_grid(torch.stack([s, zero, tx, zero, s, ty], 1), size, align_corners)


def projective_grid(theta: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """Generate the grid of a plane projective transformation.

    theta: (N, 8), the rows of its 3 x 3 matrix, whose last entry is 1. A place on the horizon is infinite, or NaN.
    """
    theta = _parameters(theta, 8)
    x, y = targets(size, align_corners, theta)
    g, h = theta[:, 6:, None, None].unbind(1)
    return affine_grid(theta[:, :6], size, align_corners) / (g * x + h * y + 1).unsqueeze(3)


def thin_plate_spline_grid(theta: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """Generate the grid of the spline through K control points, a regular square grid over [-1, 1]^2 of the output.

    theta: (N, 2 K), where in the input they come from: x and y of the first, then of its right neighbour, and so on.
    """
    points = isqrt(theta.shape[1] // 2) if theta.ndim == 2 else 0
    if points < 2 or theta.shape[1] != 2 * points**2:
        raise ValueError(f"need theta (N, 2 K) of a square of K control points, 2 x 2 at least: {tuple(theta.shape)}")
    theta = _parameters(theta, 2 * points**2)
    _check_size(size)
    weights = spline_weights(points, (size[0], size[1]), align_corners).to(theta)
    with without_autocast(theta):
        return torch.matmul(weights, theta.reshape(len(theta), points**2, 2)).view(len(theta), *size, 2)


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept from inference must serve training too
def spline_weights(points: int, size: Size, align_corners: bool) -> Tensor:
    """Return what each control point contributes to each place, (H' W', K), float64; it depends on theta nowhere."""
    line = torch.linspace(-1, 1, points, dtype=torch.float64, device="cpu")
    controls = torch.cartesian_prod(line, line).flip(1)  # x runs fastest
    count = len(controls)
    system = line.new_zeros(count + 3, count + 3)
    system[:count, :count] = _bending(controls, controls)
    system[:count, count] = 1
    system[:count, count + 1 :] = controls
    system[count:, :count] = system[:count, count:].T
    x, y = targets(size, align_corners, line)
    places = torch.stack([x, y], 2).flatten(0, 1)
    terms = torch.cat([_bending(places, controls), torch.ones_like(places[:, :1]), places], 1)
    return torch.matmul(terms, torch.linalg.inv(system)[:, :count])


def _bending(places: Tensor, controls: Tensor) -> Tensor:
    squared = (places[:, None] - controls).square().sum(2)
    return torch.xlogy(squared, squared)  # r^2 log r^2, 0 at r = 0


def targets(size: Size, align_corners: bool, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return xt and yt of every pixel of the output, each (H', W'), of the dtype and device of `like`."""
    _check_size(size)
    lines = []
    for side in size:
        steps = torch.arange(side, dtype=like.dtype, device=like.device)
        # With corners aligned a single pixel lies in the middle, as in torch.
        spread = 2 * steps / (side - 1) - 1 if side > 1 else steps
        lines.append(spread if align_corners else (2 * steps + 1) / side - 1)
    y, x = torch.meshgrid(*lines, indexing="ij")
    return x, y


def _check_size(size: Size) -> None:
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"need a size (H', W') of at least 1 x 1: {tuple(size)}")


def _parameters(theta: Tensor, count: int) -> Tensor:
    if theta.ndim != 2 or theta.shape[1] != count:
        raise ValueError(f"need {count} parameters for each picture, (N, {count}): {tuple(theta.shape)}")
    if not theta.is_floating_point():
        raise TypeError(f"theta must be floating, convert first: {theta.dtype}")
    return theta


@dataclass(frozen=True)
class Transform:
    """A family of transformations: its grid generator, and the P parameters of the identity."""

    grid: Callable[[Tensor, Size, bool], Tensor]
    identity: tuple[float, ...]


def _controls() -> tuple[float, ...]:
    line = [2 * index / (POINTS - 1) - 1 for index in range(POINTS)]
    return tuple(value for y in line for x in line for value in (x, y))


TRANSFORMS = {
    "affine": Transform(affine_grid, (1, 0, 0, 0, 1, 0)),
    "attention": Transform(attention_grid, (1, 0, 0)),
    "projective": Transform(projective_grid, (1, 0, 0, 0, 1, 0, 0, 0)),
    "thin_plate_spline": Transform(thin_plate_spline_grid, _controls()),
}
