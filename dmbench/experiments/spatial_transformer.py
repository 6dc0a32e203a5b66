"""The spatial transformer where its result is known in closed form, and the sizes of the paper's networks."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, interpolate, pad

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.kernels.spatial_transformer_grids import (
    TRANSFORMS,
    attention_grid,
    projective_grid,
    thin_plate_spline_grid,
)
from dmbench.layers.spatial_transformer import SpatialTransformer, sample, spatial_transform

SIZE = 17  # with corners aligned, half of it lies on pixels and halfway between them
CONVENTIONS = (True, False)  # align_corners


def check_spatial_transform(transform: Any) -> None:
    """Raise ContractError unless the function gives a picture of the size asked for."""
    result = transform(torch.ones(2, 3, 4, 5), torch.eye(3)[:2].expand(2, 2, 3), (6, 7), True)
    if not isinstance(result, Tensor) or tuple(result.shape) != (2, 3, 6, 7):
        raise ContractError(f"returned {tuple(getattr(result, 'shape', ()))}, not a tensor (2, 3, 6, 7)")


TRANSFORM = Subject(
    name="spatial_transform",
    default=spatial_transform,
    contract="f(x, theta, size, align_corners) reads x (N, C, H, W), zero outside, bilinearly through theta (N, 2, 3), "
    "and returns (N, C, *size), as torch.nn.functional.grid_sample of affine_grid does; differentiable",
    check=check_spatial_transform,
)


@experiment("identity", "translation", "rotation", "reflection", tier="quick", subjects=(TRANSFORM,))
def moves(ctx: Context) -> dict[str, float]:
    """Move pictures by nothing, whole pixels, a quarter turn and a reflection; the worst of both conventions counts."""
    transform, x = ctx.subject("spatial_transform"), noise(ctx, 2, 3, SIZE, SIZE)
    found = {"identity": 0.0, "translation": 0.0, "rotation": 0.0, "reflection": 0.0}
    for corners in CONVENTIONS:
        pixel = 2 / (SIZE - 1 if corners else SIZE)
        cases: dict[str, tuple[list[list[float]], Tensor]] = {
            "identity": ([[1, 0, 0], [0, 1, 0]], x),
            "translation": ([[1, 0, 3 * pixel], [0, 1, -2 * pixel]], pad(x, (-3, 3, 2, -2))),
            "rotation": ([[0, -1, 0], [1, 0, 0]], x.rot90(1, (2, 3))),
            "reflection": ([[-1, 0, 0], [0, 1, 0]], x.flip(3)),
        }
        for key, (theta, expected) in cases.items():
            given = transform(x, matrices(theta, x), (SIZE, SIZE), corners)
            found[key] = max(found[key], difference(given, expected))
    return found


@experiment("half_scale", "resize", tier="quick", subjects=(TRANSFORM,))
def scales(ctx: Context) -> dict[str, float]:
    """Enlarge the middle half twice, and resize whole pictures; the worst of both conventions counts."""
    transform, x = ctx.subject("spatial_transform"), noise(ctx, 2, 3, SIZE, SIZE)
    quarter = SIZE // 4
    middle = x[:, :, quarter:-quarter, quarter:-quarter]
    enlarged = torch.empty_like(x)
    enlarged[:, :, ::2, ::2] = middle
    enlarged[:, :, 1::2, ::2] = (middle[:, :, 1:] + middle[:, :, :-1]) / 2
    enlarged[:, :, :, 1::2] = (enlarged[:, :, :, 2::2] + enlarged[:, :, :, :-2:2]) / 2
    half = transform(x, matrices([[0.5, 0, 0], [0, 0.5, 0]], x), (SIZE, SIZE), True)
    resized = max(
        difference(
            transform(x, matrices([[1, 0, 0], [0, 1, 0]], x), (9, 13), corners),
            interpolate(x, (9, 13), mode="bilinear", align_corners=corners),
        )
        for corners in CONVENTIONS
    )
    return {"half_scale": difference(half, enlarged), "resize": resized}


@experiment("equation_6", "equation_7", tier="quick", subjects=(TRANSFORM,))
def derivatives(ctx: Context) -> dict[str, float]:
    """Compare the gradients for the picture and for theta with Eqs. 6 and 7 as sums over all pixels."""
    transform, x = ctx.subject("spatial_transform"), noise(ctx, 2, 3, 6, 5).requires_grad_()
    theta = matrices([[0.8, 0.3, 0.13], [-0.2, 0.9, 0.07]], x).requires_grad_()
    upstream = noise(ctx, 2, 3, 4, 7)
    to_x, to_theta = torch.autograd.grad(transform(x, theta, (4, 7), True), (x, theta), upstream)

    grid = affine_grid(theta.detach(), [2, 3, 4, 7], True)
    xs, ys = ((grid[..., axis] + 1) / 2 * (side - 1) for axis, side in ((0, 5), (1, 6)))
    to_m = torch.arange(5, device=x.device) - xs.unsqueeze(3)  # m - xs, (N, H', W', W)
    to_n = torch.arange(6, device=x.device) - ys.unsqueeze(3)
    near_m, near_n = ((1 - d.abs()).clamp(min=0) for d in (to_m, to_n))
    slope_m, slope_n = (torch.where(d >= 0, 1.0, -1.0).to(x) * (d.abs() < 1) for d in (to_m, to_n))
    # b picture, c channel, i and j a place of the output, n and m a pixel of the input.
    expected_x = torch.einsum("bcij,bijn,bijm->bcnm", upstream, near_n, near_m)
    u = x.detach()
    along_x = torch.einsum("bcij,bcnm,bijn,bijm->bij", upstream, u, near_n, slope_m) * (5 - 1) / 2
    along_y = torch.einsum("bcij,bcnm,bijn,bijm->bij", upstream, u, slope_n, near_m) * (6 - 1) / 2
    rows, columns = (torch.linspace(-1, 1, side, dtype=u.dtype, device=u.device) for side in (4, 7))
    ones = torch.ones(4, 7, dtype=u.dtype, device=u.device)
    target = torch.stack([columns.expand(4, 7), rows[:, None].expand(4, 7), ones])  # (xt, yt, 1)
    expected_theta = torch.einsum("abij,cij->bac", torch.stack([along_x, along_y]), target)
    return {"equation_6": difference(to_x, expected_x), "equation_7": difference(to_theta, expected_theta)}


@experiment("attention", "projective", "spline_of_affine", "spline_through_points", tier="quick")
def grids(ctx: Context) -> dict[str, float]:
    """Compare the other grids with the affine one where they are it, and the spline with its control points."""
    s, tx, ty = 0.6, -0.2, 0.3
    theta = torch.tensor([[0.8, 0.3, 0.1, -0.2, 0.9, 0.05]], dtype=torch.float64, device=ctx.device)
    attention = torch.tensor([[s, tx, ty]], dtype=torch.float64, device=ctx.device)
    measured = {"attention": 0.0, "projective": 0.0, "spline_of_affine": 0.0}
    for corners in CONVENTIONS:
        affine = affine_grid(theta.view(1, 2, 3), [1, 1, 5, 8], corners)
        scaled = affine_grid(matrices([[s, 0, tx], [0, s, ty]], theta)[:1], [1, 1, 5, 8], corners)
        controls = affine_grid(theta.view(1, 2, 3), [1, 1, 4, 4], True).flatten(1)
        pairs = {
            "attention": (attention_grid(attention, (5, 8), corners), scaled),
            "projective": (projective_grid(pad(2 * theta, (0, 2)) / 2, (5, 8), corners), affine),
            "spline_of_affine": (thin_plate_spline_grid(controls, (5, 8), corners), affine),
        }
        for key, (ours, expected) in pairs.items():
            measured[key] = max(measured[key], difference(ours, expected))
    points = noise(ctx, 2, 32)
    through = thin_plate_spline_grid(points, (4, 4), True).flatten(1)
    return measured | {"spline_through_points": difference(through, points)}


@experiment("{transform}_parameters", "{transform}_initial", tier="quick", over={"transform": tuple(TRANSFORMS)})
def as_built(ctx: Context, transform: str) -> dict[str, float]:
    """Build the module: the width of its last layer, and what it does before training."""
    x = noise(ctx, 2, 3, SIZE, SIZE)
    module = SpatialTransformer(nn.Flatten(), 3 * SIZE**2, transform).to(x)
    with torch.no_grad():
        moved = module(x)
    return {f"{transform}_parameters": module.regression.out_features, f"{transform}_initial": difference(moved, x)}


@experiment("integer_sampler", tier="quick")
def integer(ctx: Context) -> dict[str, float]:
    """Read a picture by Eq. 4 a third of a pixel off, and half a pixel off: its own pixels, and the next ones."""
    side = 16  # a power of two: halves are exact
    x = noise(ctx, 2, 3, side, side)
    found = 0.0
    for offset, expected in ((1 / 3, x), (0.5, pad(x, (-1, 1, -1, 1))), (-0.5, x)):
        place = (2 * (torch.arange(side, dtype=x.dtype, device=x.device) + offset) + 1) / side - 1
        grid = torch.stack(torch.meshgrid(place, place, indexing="xy"), 2).expand(2, -1, -1, -1)
        found = max(found, difference(sample(x, grid, "integer"), expected))
    return {"integer_sampler": found}


@experiment("mnist_fcn_parameters", "mnist_cnn_parameters", "colocalisation_parameters", tier="quick")
def sizes(ctx: Context) -> dict[str, float]:
    """Count the parameters of the networks that the appendix describes, at the widths nearest to its counts."""
    fcn = count(nn.Linear(42**2, 200), nn.Linear(200, 200), nn.Linear(200, 10))
    side = ((42 - 8) // 2 - 6) // 2  # 9 x 9, pooled, 7 x 7, pooled
    cnn = count(nn.Conv2d(1, 64, 9), nn.Conv2d(64, 64, 7), nn.Linear(64 * side**2, 10))
    side = ((84 - 9) // 4 + 1) // 2  # 9 x 9 with stride 4, pooled
    localisation = count(nn.Conv2d(1, 8, 9, 4), nn.Linear(8 * side**2, 8), nn.Linear(8, 8), nn.Linear(8, 3))
    return {"mnist_fcn_parameters": fcn, "mnist_cnn_parameters": cnn, "colocalisation_parameters": localisation}


def count(*layers: nn.Module) -> int:
    """Return how many parameters the layers have together."""
    return sum(math.prod(p.shape) for layer in layers for p in layer.parameters())


def matrices(theta: list[list[float]], like: Tensor) -> Tensor:
    """Return one matrix for two pictures, (2, 2, 3)."""
    return torch.tensor([theta, theta], dtype=torch.float64, device=like.device)


def noise(ctx: Context, *shape: int) -> Tensor:
    """Return normal noise, float64, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).to(ctx.device)


def difference(ours: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a part of the largest value."""
    return float((ours.detach() - expected).abs().max() / expected.abs().max())
