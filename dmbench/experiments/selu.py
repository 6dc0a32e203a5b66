"""SELU: its two constants, the mapping of mean and variance that they solve, and what 32 layers make of both."""

from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from dmbench.experiments._activations import KEPT, activations_by_depth, moments_by_depth
from dmbench.experiments._functions import Case, difference, subject
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.layers.selu import alpha_dropout, constants, moments, selu

CASE: Case = ([(7, 5, 6)], {})
LAYER = subject("selu", selu, F.selu, CASE)
Range = tuple[float, float]
# mu, nu, omega and tau of the three theorems; the third has two domains.
ATTRACTING: tuple[Range, ...] = ((-0.1, 0.1), (0.8, 1.5), (-0.1, 0.1), (0.95, 1.1))
DECREASING: tuple[Range, ...] = ((-1, 1), (3, 16), (-0.1, 0.1), (0.8, 1.25))
INCREASING: tuple[tuple[Range, ...], ...] = (
    ((-0.1, 0.1), (0.02, 0.16), (-0.1, 0.1), (0.8, 1.25)),
    ((-0.1, 0.1), (0.02, 0.24), (-0.1, 0.1), (0.9, 1.25)),
)
POINTS = 15  # along each side of a domain, its borders among them


def check_moments(mapping: object) -> None:
    """Raise ContractError unless it maps tensors of means and variances to two of their shape."""
    mu, nu = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    mean, variance = mapping(mu, nu, mu, nu)  # type: ignore[operator]
    if mean.shape != mu.shape or variance.shape != nu.shape:
        raise ContractError(f"returned shapes {tuple(mean.shape)} and {tuple(variance.shape)}, not (3,) twice")


MAPPING = Subject(
    name="moments",
    default=moments,
    contract="f(mu, nu, omega, tau), float64 tensors of one shape, returns mean and variance behind a SELU layer; "
    "differentiable",
    check=check_moments,
)


def check_dropout(function: object) -> None:
    """Raise ContractError unless it keeps the shape, and returns its input at test time."""
    x = torch.rand(7, 5)
    y, same = function(x, 0.1, True), function(x, 0.1, False)  # type: ignore[operator]
    if not isinstance(y, Tensor) or y.shape != x.shape or not torch.equal(same, x):
        raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))}, not shape (7, 5), or changes x at test time")


DROPOUT = Subject(
    name="alpha_dropout",
    default=alpha_dropout,
    contract="f(x, p, training) drops values of x each by itself, drawn by torch, as torch.nn.functional.alpha_dropout",
    check=check_dropout,
)
RATES = (0.05, 0.1, 0.5)  # the paper's two, and torch's own
DRAWS = 1000  # values dropped or kept: none of a kind has a chance of 1e-22


@experiment("alpha", "scale", tier="quick")
def solved(ctx: Context) -> dict[str, float]:
    """Solve the fixed-point equations for mean 0 and variance 1."""
    alpha, scale = constants()
    return {"alpha": alpha, "scale": scale}


@experiment("alpha_used", "scale_used", tier="quick", subjects=(LAYER,))
def used(ctx: Context) -> dict[str, float]:
    """Read both constants off the function: its slope at 1, and what it saturates to over that."""
    x = torch.tensor([1.0, -100.0], dtype=torch.float64, device=ctx.device)
    slope, lowest = ctx.subject("selu")(x).tolist()
    return {"alpha_used": -lowest / slope, "scale_used": slope}


@experiment("jacobian", "jacobian_mean_by_variance", "spectral_norm", tier="quick", subjects=(MAPPING,))
def at_the_fixed_point(ctx: Context) -> dict[str, float | list[float]]:
    """Differentiate the mapping of mean and variance at (0, 1)."""
    one = [torch.full((1,), value, dtype=torch.float64) for value in (0, 1, 0, 1)]
    matrix = jacobian(ctx, *one)[0]
    mean_by_mean, mean_by_variance, *variance_by_both = matrix.flatten().tolist()
    return {
        "jacobian": [mean_by_mean, *variance_by_both],
        "jacobian_mean_by_variance": mean_by_variance,
        "spectral_norm": float(torch.linalg.matrix_norm(matrix, 2)),
    }


@experiment("mean_bounds", "variance_bounds", "contraction_failures", "unconverged", tier="quick", subjects=(MAPPING,))
def attracting(ctx: Context) -> dict[str, float | list[float]]:
    """Map Theorem 1's domain: what comes out, how far neighbours stay apart, and where 200 layers lead."""
    mu, nu, omega, tau = grid(ATTRACTING)
    mapping = ctx.subject("moments")
    mean, variance = mapping(mu, nu, omega, tau)
    squared = variance + mean.square()
    norms = torch.linalg.matrix_norm(jacobian(ctx, mu, nu, omega, tau), 2)
    one = torch.ones_like(mu)
    for _ in range(200):
        mu, nu = mapping(mu, nu, 0 * one, one)
    return {
        "mean_bounds": [float(mean.min()), float(mean.max())],
        "variance_bounds": [float(squared.min() - mean.square().max()), float(squared.max())],
        "contraction_failures": int((norms >= 1).sum()),
        "unconverged": float(torch.maximum(mu.abs(), (nu - 1).abs()).max()),
    }


@experiment("decreasing_failures", "increasing_failures", tier="quick", subjects=(MAPPING,))
def outside(ctx: Context) -> dict[str, float]:
    """Count where a large variance does not fall (Theorem 2), and where a small one does not rise (Theorem 3)."""
    mapping = ctx.subject("moments")
    mu, nu, omega, tau = grid(DECREASING)
    falling = int((mapping(mu, nu, omega, tau)[1] >= nu).sum())
    rising = 0
    for mu, nu, omega, tau in map(grid, INCREASING):
        rising += int((mapping(mu, nu, omega, tau)[1] <= nu).sum())
    return {"decreasing_failures": falling, "increasing_failures": rising}


@experiment("mapping_difference", tier="quick", subjects=(LAYER, MAPPING))
def integrated(ctx: Context) -> dict[str, float]:
    """Compare Eqs. 4 and 5 with the integrals that they solve, at the corners of Theorem 1's domain."""
    z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2)
    density /= density.sum()
    worst = 0.0
    for mu, nu, omega, tau in product(*ATTRACTING):
        y = ctx.subject("selu")(mu * omega + (nu * tau) ** 0.5 * z)
        mean = (y * density).sum()
        exact = torch.stack([mean, (y.square() * density).sum() - mean.square()])
        given = [torch.tensor(value, dtype=torch.float64) for value in (mu, nu, omega, tau)]
        worst = max(worst, float((torch.stack(ctx.subject("moments")(*given)) - exact).abs().max()))
    return {"mapping_difference": worst}


@experiment("depth_mean_normal", "depth_variance_normal", tier="quick", seeds=5, subjects=(LAYER,))
def depth_normal(ctx: Context) -> dict[str, list[float]]:
    """Send normal noise through 32 layers; mean and variance of all activations after 8, 16, 24 and 32 of them."""
    return depth(ctx, "normal")


@experiment("depth_mean_mnist", "depth_variance_mnist", tier="quick", seeds=5, artifacts=("mnist",), subjects=(LAYER,))
def depth_mnist(ctx: Context) -> dict[str, list[float]]:
    """Send standardised digits through 32 layers; mean and variance of all activations after 8, 16, 24 and 32."""
    return depth(ctx, "mnist")


@experiment("dropped_value", "dropout_mean", "dropout_variance", tier="quick", subjects=(DROPOUT,))
def dropped(ctx: Context) -> dict[str, list[float]]:
    """Read off what alpha dropout does to values; mean and variance behind it, of values of mean 0 and variance 1."""
    found: dict[str, list[float]] = {"dropped_value": [], "dropout_mean": [], "dropout_variance": []}
    for p in RATES:
        low, slope, shift = read_off(ctx, p)
        found["dropped_value"].append((low - shift) / slope)
        mean = (1 - p) * shift + p * low
        found["dropout_mean"].append(mean)
        found["dropout_variance"].append((1 - p) * (slope**2 + shift**2) + p * low**2 - mean**2)
    return found


def read_off(ctx: Context, p: float) -> tuple[float, float, float]:
    """Return what a dropped value becomes, and slope and shift of one that is kept: y = slope x + shift."""
    both = []
    for value in (0.0, 1.0):
        x = torch.full((DRAWS,), value, dtype=torch.float64, device=ctx.device)
        both.append(ctx.subject("alpha_dropout")(x, p, True).unique().tolist())
    (low, shift), (also_low, kept) = both
    if abs(low - also_low) > 1e-12:
        raise ContractError(f"drops 0 to {low:g} and 1 to {also_low:g}, not to one value")
    return low, kept - shift, shift


@experiment("difference_dropout", tier="quick", subjects=(DROPOUT,))
def dropped_torch(ctx: Context) -> dict[str, float]:
    """Compare alpha dropout with torch's after the same seed in float64, result and gradient."""
    x = torch.randn(50, 40, dtype=torch.float64).requires_grad_()
    found = []
    for function in (ctx.subject("alpha_dropout"), F.alpha_dropout):
        torch.manual_seed(ctx.seed or 0)
        y = function(x, 0.1, True)
        found.append((y.detach(), *torch.autograd.grad(y.square().sum(), x)))
    pairs = zip(*found, strict=True)
    return {"difference_dropout": max(float((mine - his).abs().max() / his.abs().max()) for mine, his in pairs)}


@experiment("difference_float32", tier="quick", subjects=(LAYER,))
def float32(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.selu in float32, result and gradient."""
    return {"difference_float32": difference(ctx, "selu", F.selu, torch.float32, CASE)}


@experiment("difference_float64", tier="quick", subjects=(LAYER,))
def float64(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.functional.selu in float64, result and gradient."""
    return {"difference_float64": difference(ctx, "selu", F.selu, torch.float64, CASE)}


def depth(ctx: Context, given: str) -> dict[str, list[float]]:
    """Measure mean and variance in the layers that are numbers."""
    means, variances = moments_by_depth(activations_by_depth(ctx, ctx.subject("selu"), given))
    kept = {"mean": means, "variance": variances}
    return {f"depth_{name}_{given}": [values[layer] for layer in KEPT] for name, values in kept.items()}


def grid(domain: tuple[Range, ...]) -> tuple[Tensor, ...]:
    """Return mu, nu, omega and tau of all points of a grid over a domain."""
    sides = [torch.linspace(*side, POINTS, dtype=torch.float64) for side in domain]
    return tuple(values.flatten() for values in torch.meshgrid(*sides, indexing="ij"))


def jacobian(ctx: Context, mu: Tensor, nu: Tensor, omega: Tensor, tau: Tensor) -> Tensor:
    """Return the derivatives of the new mean (first row) and variance by mu and nu at points (P), as (P, 2, 2)."""
    mu, nu = mu.clone().requires_grad_(), nu.clone().requires_grad_()
    rows = [
        torch.autograd.grad(new.sum(), (mu, nu), retain_graph=True)
        for new in ctx.subject("moments")(mu, nu, omega, tau)
    ]
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
