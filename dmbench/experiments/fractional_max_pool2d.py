"""Fractional max pooling: the paper's sequences and regions, its network's sizes, and torch's form of it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.fractional_max_pool2d import Regions, output_of, region_max_pool2d, window_max_pool2d
from dmbench.layers.kernels.fractional_regions import pseudorandom_sequence, random_sequence

STARTS = {1: 0.02, 2: 0.66, 3: 0.46}  # u of the printed patterns: the middle of the 0.04 in which each arises
LARGEST = 40  # side of maps that sequences are made for
WINDOWS = ((2, 3, 25, 11), (2, 3), (18, 5))  # input, window, output


def check_sequence(sequence: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it ends at the side."""
    found = sequence(7, 5, 0.5)
    if not isinstance(found, Tensor) or found.shape != (6,) or int(found[-1]) != 7:
        raise ContractError(f"returned {found}, not 6 whole numbers from 0 to 7")


def check_regions(pool: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it returns a value for each region."""
    cuts = torch.tensor([0, 1, 3])
    found = pool(torch.rand(1, 1, 3, 3), Regions(cuts, cuts, False))
    if not isinstance(found, Tensor) or found.shape != (1, 1, 2, 2):
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape (1, 1, 2, 2)")


def check_windows(pool: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it returns a value for each window."""
    found = pool(torch.rand(1, 2, 7, 7), 2, (5, 4), _random_samples=torch.full((1, 2, 2), 0.5))
    if not isinstance(found, Tensor) or found.shape != (1, 2, 5, 4):
        raise ContractError(f"returned {tuple(getattr(found, 'shape', ()))}, not shape (1, 2, 5, 4)")


SEQUENCE = Subject(
    name="pseudorandom_sequence",
    default=pseudorandom_sequence,
    contract="f(side, out, u) returns ceiling(alpha (i + u)) - ceiling(alpha u), i from 0 to out, alpha = side / out",
    check=check_sequence,
)
REGIONS = Subject(
    name="region_max_pool2d",
    default=region_max_pool2d,
    contract="f(x, (rows, columns, overlapping)) returns the maximum of each region of Eq. 1; differentiable",
    check=check_regions,
)
WINDOW = Subject(
    name="window_max_pool2d",
    default=window_max_pool2d,
    contract="called as torch.nn.functional.fractional_max_pool2d is, it returns what that returns; differentiable",
    check=check_windows,
)


@experiment("pseudorandom_{pattern}", tier="quick", subjects=(SEQUENCE,), over={"pattern": tuple(STARTS)})
def pattern(ctx: Context, pattern: int) -> dict[str, list[float]]:
    """Make the increments of 18 regions of 25 rows."""
    ctx.note(u=STARTS[pattern])
    return {f"pseudorandom_{pattern}": ctx.subject("pseudorandom_sequence")(25, 18, STARTS[pattern]).diff().tolist()}


@experiment("random_counts", tier="quick")
def counts(ctx: Context) -> dict[str, list[int]]:
    """Count the ones and twos among the increments of a random sequence of 18 regions of 25 rows."""
    increments = random_sequence(25, 18).diff()
    return {"random_counts": [int((increments == one).sum()) for one in (1, 2)]}


@experiment("wrong_increments", tier="quick", subjects=(SEQUENCE,))
def increments(ctx: Context) -> dict[str, float]:
    """Count increments that are neither 1 nor 2, and ends that are not the side, for all sides up to 40 and outputs."""
    sequence, wrong = ctx.subject("pseudorandom_sequence"), 0
    for side in range(1, LARGEST + 1):
        for out in range((side + 1) // 2, side + 1):
            for found in (sequence(side, out, float(torch.rand(()))), random_sequence(side, out)):
                steps = found.diff()
                wrong += int(((steps < 1) | (steps > 2)).sum()) + int(found[0] != 0) + int(found[-1] != side)
    return {"wrong_increments": wrong}


@experiment("network_sizes", tier="quick")
def network(ctx: Context) -> dict[str, list[int]]:
    """Follow a map of 94 x 94 through 12 times a 2 x 2 convolution and pooling by the cube root of 2."""
    side, sizes = 94, []
    for _ in range(12):
        side = output_of(torch.zeros(1, 1, side - 1, side - 1), None, 2 ** (1 / 3))[0]
        sizes.append(side)
    return {"network_sizes": sizes}


@experiment("disjoint_example", "overlapping_example", tier="quick", subjects=(REGIONS,))
def example(ctx: Context) -> dict[str, list[float]]:
    """Pool the row 20, 5, 16, 3, 7 cut at 0, 2, 4."""
    x = torch.tensor([20.0, 5, 16, 3, 7], device=ctx.device).view(1, 1, 1, 5)
    rows, columns = torch.tensor([0, 1]), torch.tensor([0, 2, 4])
    disjoint, overlapping = (
        ctx.subject("region_max_pool2d")(x, Regions(rows, columns, both)).flatten().tolist() for both in (False, True)
    )
    return {"disjoint_example": disjoint, "overlapping_example": overlapping}


@experiment("pooling_by_two", "identity", "uncovered", tier="quick", subjects=(REGIONS,))
def limits(ctx: Context) -> dict[str, float]:
    """Pool disjointly by alpha 2 and 1, and count the pixels that random disjoint regions leave out or count twice."""
    x = torch.randn(2, 3, 24, 18, dtype=torch.float64).to(ctx.device)
    pool = ctx.subject("region_max_pool2d")
    halves, wholes = (Regions(random_sequence(24, 24 // by), random_sequence(18, 18 // by), False) for by in (2, 1))
    leaf = torch.zeros(1, 1, 24, 18, device=ctx.device)
    counted = torch.zeros_like(leaf)
    some = Regions(random_sequence(24, 15), random_sequence(18, 11), False)
    for place in range(leaf.numel()):  # a region is where raising one pixel raises the maximum
        counted.view(-1)[place] = pool(leaf.view(-1).index_fill(0, torch.tensor(place), 1.0).view_as(leaf), some).sum()
    return {
        "pooling_by_two": float((pool(x, halves) - F.max_pool2d(x, 2)).abs().max()),
        "identity": float((pool(x, wholes) - x).abs().max()),
        "uncovered": int((counted != 1).sum()),
    }


@experiment("difference_{dtype}", tier="quick", subjects=(WINDOW,), over={"dtype": ("float32", "float64")})
def windows(ctx: Context, dtype: str) -> dict[str, float]:
    """Compare with torch.nn.functional.fractional_max_pool2d for the same random samples, result and gradient."""
    shape, window, out = WINDOWS
    x = torch.randn(shape, dtype=getattr(torch, dtype)).to(ctx.device).requires_grad_()
    samples = torch.rand(*shape[:2], 2).to(x)
    upstream = torch.randn(*shape[:2], *out).to(x)
    found: list[Any] = []
    for pool in (ctx.subject("window_max_pool2d"), F.fractional_max_pool2d):
        y = pool(x, window, out, _random_samples=samples)
        found.append((y.detach(), torch.autograd.grad(y, x, upstream)[0]))
    return {f"difference_{dtype}": max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))}
