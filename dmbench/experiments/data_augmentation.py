"""Data augmentation: how many pictures one becomes, the ten views, colours along their axes, and worked examples."""

import math
from typing import Any

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers import data_augmentation as ours


def check_crop(crop: Any) -> None:
    """Raise ContractError unless it cuts one window out of each picture."""
    _shape(crop(torch.rand(2, 3, 6, 5), torch.tensor([0, 2]), torch.tensor([1, 0]), 4), (2, 3, 4, 4))


def check_ten_views(ten_views: Any) -> None:
    """Raise ContractError unless it gives ten views a picture."""
    _shape(ten_views(torch.rand(2, 3, 6, 8), 4), (2, 10, 3, 4, 4))


def check_adjust(adjust: Any) -> None:
    """Raise ContractError unless it keeps the shape of pictures."""
    _shape(adjust(torch.rand(2, 3, 4, 5), torch.ones(2), torch.ones(2), torch.ones(2)), (2, 3, 4, 5))


def _shape(found: Any, wanted: tuple[int, ...]) -> None:
    if not isinstance(found, Tensor) or found.shape != wanted:
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape {wanted}")


CROP = Subject(
    name="crop",
    default=ours.crop,
    contract="f(x, top, left, size) cuts (N, C, h, w) out of (N, C, H, W), each picture's window at its own place; "
    "size is h and w, or one number for both",
    check=check_crop,
)
TEN_VIEWS = Subject(
    name="ten_views",
    default=ours.ten_views,
    contract="f(x, size) returns (N, 10, C, size, size): top left, top right, bottom left, bottom right, centre, and "
    "the reflections of these five",
    check=check_ten_views,
)
ADJUST = Subject(
    name="adjust",
    default=ours.adjust,
    contract="f(x, brightness, contrast, saturation) scales the three in this order by factors (N), and clamps each "
    "result to [0, 1]; x is (N, 3, H, W)",
    check=check_adjust,
)


@experiment("variants_alexnet", tier="quick", subjects=(CROP,))
def alexnet_variants(ctx: Context) -> dict[str, float]:
    """Cut 224 of 256 pixels at every place, and count the different pictures, with their reflections."""
    return {"variants_alexnet": variants(ctx, 256, 224, 0)}


@experiment("variants_cifar", tier="quick", subjects=(CROP,))
def cifar_variants(ctx: Context) -> dict[str, float]:
    """Cut 32 of 32 pixels with 4 padded on each side at every place, and count them with their reflections."""
    return {"variants_cifar": variants(ctx, 32, 32, 4)}


def variants(ctx: Context, side: int, window: int, padding: int) -> int:
    """Count different crops of a picture in which each row and column has a value of its own, and reflections."""
    lengths = side + 2 * padding
    places = torch.arange(lengths, dtype=torch.float64, device=ctx.device)
    row, column = places.expand(1, 1, 1, -1), places.expand(1, 1, 1, -1)
    spare = lengths - window
    top = torch.arange(spare + 1, device=ctx.device)
    # One dimension at a time: a strip one pixel high, whose crops differ by where they begin.
    strips = [ctx.subject("crop")(s.expand(spare + 1, 1, 1, -1), top * 0, top, (1, window)) for s in (row, column)]
    counts = [len(torch.unique(s.flatten(1), dim=0)) for s in strips]
    reflected = torch.cat([strips[1], strips[1].flip(3)]).flatten(1)
    return counts[0] * len(torch.unique(reflected, dim=0))


@experiment("view_places", "views", tier="quick", subjects=(TEN_VIEWS,))
def places(ctx: Context) -> dict[str, Any]:
    """Take ten views of 224 pixels of a picture of 256 that holds its own coordinates; first row and column of five."""
    rows = torch.arange(256.0, device=ctx.device)
    x = torch.stack([rows[:, None].expand(256, 256), rows.expand(256, 256)])[None]
    found = ctx.subject("ten_views")(x, 224)[0]
    return {"view_places": found[:5, :, 0, 0].flatten().tolist(), "views": len(torch.unique(found.flatten(1), dim=0))}


@experiment("flip_share", tier="quick")
def flip_share(ctx: Context) -> dict[str, float]:
    """Reflect 40,000 pictures of two pixels, and count the reflected ones."""
    x = torch.tensor([0.0, 1.0], device=ctx.device).expand(40_000, 1, 1, 2)
    return {"flip_share": float(ours.flip(x)[:, 0, 0, 0].mean())}


@experiment("colour_deviation", "colour_mean", "colour_cross", tier="quick")
def colours(ctx: Context) -> dict[str, float]:
    """Alter the colours of 40,000 grey pixels along axes of known eigenvalues; moments in units of the eigenvalues."""
    eigenvalues = torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64)
    axes, _ = torch.linalg.qr(torch.tensor([[1.0, 2, 0], [1, 0, 1], [1, -1, -2]], dtype=torch.float64))
    x = torch.zeros(40_000, 3, 1, 1, dtype=torch.float64)
    moved = (ours.alter_colour(x, eigenvalues, axes)[:, :, 0, 0] @ axes) / eigenvalues
    covariance = torch.cov(moved.T)
    return {
        "colour_deviation": float(covariance.diagonal().mean().sqrt()),
        "colour_mean": float(moved.mean(0).abs().max()),
        "colour_cross": float((covariance - covariance.diag().diag()).abs().max()),
    }


@experiment("colour_axis", "colour_eigenvalues", tier="quick")
def axes(ctx: Context) -> dict[str, Any]:
    """Find the axes of two colours' covariance: (1, 1, 1) and (0, 0, 0), as often each."""
    x = torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    eigenvalues, vectors = ours.colour_axes(x)
    first = vectors[:, 0] * vectors[0, 0].sign()
    return {"colour_axis": first.tolist(), "colour_eigenvalues": eigenvalues.tolist()}


@experiment("averaged", tier="quick")
def averaged(ctx: Context) -> dict[str, float]:
    """Average the probabilities of two views, 1/2 and 3/4 for the first of two classes."""
    views = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]], dtype=torch.float64).view(1, 2, 2, 1, 1)
    return {"averaged": float(ours.average_views(lambda x: x.flatten(1), views)[0, 0])}


@experiment("luma", tier="quick", subjects=(ADJUST,))
def luma(ctx: Context) -> dict[str, list[float]]:
    """Take all saturation from pure red, green and blue."""
    x = torch.eye(3, dtype=torch.float64, device=ctx.device).view(3, 3, 1, 1)
    one = torch.ones(3, dtype=torch.float64, device=ctx.device)
    return {"luma": ctx.subject("adjust")(x, one, one, 0 * one)[:, 0, 0, 0].tolist()}


@experiment("brightness", "contrast", "saturation", tier="quick", subjects=(ADJUST,))
def factors(ctx: Context) -> dict[str, list[float]]:
    """Halve brightness, contrast or saturation of two pixels, (1, 0, 0) and (0, 1, 0); the first pixel's colour."""
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64, device=ctx.device).T.reshape(1, 3, 1, 2)
    found = {}
    for i, name in enumerate(("brightness", "contrast", "saturation")):
        given = [torch.full((1,), 0.5 if i == j else 1.0, dtype=torch.float64, device=ctx.device) for j in range(3)]
        found[name] = ctx.subject("adjust")(x, *given)[0, :, 0, 0].tolist()
    return found
