"""Preprocessing: covariances after whitening, worked examples, and the constants of MNIST and CIFAR-10."""

from typing import Any

import torch
from torch import Tensor

from dmbench.datasets.cifar10 import read_cifar10
from dmbench.datasets.mnist import read_mnist
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers.preprocessing import components_for, fit_pca, fit_standard, fit_whitening


def check_whitening(fit: Any) -> None:
    """Raise ContractError unless it fits a function that keeps the number of examples and of values."""
    x = torch.randn(20, 3, dtype=torch.float64)
    found = fit(x, "zca", 0.1)(x[:5])
    if not isinstance(found, Tensor) or found.shape != (5, 3):
        raise ContractError(f"its function returned {tuple(getattr(found, 'shape', ()))}, not shape (5, 3)")


def check_standard(fit: Any) -> None:
    """Raise ContractError unless it fits a function that keeps a shape."""
    found = fit(torch.rand(4, 3, 2, 2), "channel")(torch.rand(2, 3, 2, 2))
    if not isinstance(found, Tensor) or found.shape != (2, 3, 2, 2):
        raise ContractError(f"its function returned {tuple(getattr(found, 'shape', ()))}, not shape (2, 3, 2, 2)")


WHITENING = Subject(
    name="fit_whitening",
    default=fit_whitening,
    contract='f(x, kind, eps) fits "pca" or "zca" to training examples (N, D) and returns a function that whitens any',
    check=check_whitening,
)
STANDARD = Subject(
    name="fit_standard",
    default=fit_standard,
    contract='f(x, per) fits a mean and deviation to training examples (N, C, ...), for each "channel" or "value", and '
    "returns a function that applies them to any",
    check=check_standard,
)


def corners() -> Tensor:
    """Return four points whose covariance is ((2.5, 1.5), (1.5, 2.5)): variance 4 along (1, 1), 1 along (1, -1)."""
    return torch.tensor([[2.0, 2], [-2, -2], [1, -1], [-1, 1]], dtype=torch.float64)


def covariance(x: Tensor) -> Tensor:
    """Return the covariance (D, D) of examples (N, D)."""
    return torch.cov(x.T, correction=0)


@experiment("covariance_{kind}", tier="quick", subjects=(WHITENING,), over={"kind": ("pca", "zca")})
def identity(ctx: Context, kind: str) -> dict[str, float]:
    """Whiten 500 correlated examples of 6 values, and compare their covariance with the identity."""
    x = examples(ctx)
    y = ctx.subject("fit_whitening")(x, kind, 0.0)(x)
    return {f"covariance_{kind}": float((covariance(y) - torch.eye(6, device=ctx.device)).abs().max())}


@experiment("zca_example", tier="quick", subjects=(WHITENING,))
def example(ctx: Context) -> dict[str, list[float]]:
    """Whiten four points by ZCA; the images of (1, 0) and (0, 1)."""
    whiten = ctx.subject("fit_whitening")(corners().to(ctx.device), "zca", 0.0)
    return {"zca_example": whiten(torch.eye(2, dtype=torch.float64, device=ctx.device)).flatten().tolist()}


@experiment("zca_distance", tier="quick", subjects=(WHITENING,))
def distance(ctx: Context) -> dict[str, float]:
    """Measure how far ZCA moves the four points, as a mean of squares."""
    x = corners().to(ctx.device)
    moved = ctx.subject("fit_whitening")(x, "zca", 0.0)(x) - x
    return {"zca_distance": float(moved.square().sum(1).mean())}


@experiment("eps_variance", tier="quick", subjects=(WHITENING,))
def with_eps(ctx: Context) -> dict[str, float]:
    """Whiten values of variance 0.4 with Goodfellow's eps of 0.1, and measure their variance."""
    x = corners()[:2, :1].to(ctx.device) / 2 * 0.4**0.5
    y = ctx.subject("fit_whitening")(x, "zca", 0.1)(x)
    return {"eps_variance": float(y.square().mean())}


@experiment("pca_variances", "pca_correlation", "pca_restored", tier="quick")
def pca(ctx: Context) -> dict[str, Any]:
    """Project on the axes of largest variance: variances, the largest covariance of two, and what comes back."""
    x = corners()
    fitted = fit_pca(x)
    y = fitted(x)
    found = covariance(y)
    return {
        "pca_variances": found.diagonal().tolist(),
        "pca_correlation": float((found - found.diag().diag()).abs().max()),
        "pca_restored": float((fitted.restore(y) - x).abs().max()),
    }


@experiment("training_only", "constant_channel", tier="quick", subjects=(STANDARD,))
def training_only(ctx: Context) -> dict[str, float]:
    """Fit 1 and 3, and a channel that is always 7; apply to a test example of 5, and to 7."""
    x = torch.tensor([[1.0, 7], [3, 7]], dtype=torch.float64, device=ctx.device)[..., None]
    found = ctx.subject("fit_standard")(x, "channel")(x.new_tensor([5.0, 7])[None, :, None])
    return {"training_only": float(found[0, 0, 0]), "constant_channel": float(found[0, 1, 0])}


@experiment("mnist_mean", "mnist_deviation", "mnist_components", tier="quick", artifacts=("mnist",))
def mnist(ctx: Context) -> dict[str, float]:
    """Fit mean, deviation and PCA to MNIST's 60,000 training digits."""
    images, _ = read_mnist(ctx.files("mnist"), "train")
    x = images[:, None].float() / 255
    fitted = fit_standard(x.flatten(2).double())
    used = x.flatten(1)[:, x.flatten(1).amax(0) > 0]  # pixels that are always empty have no part in the variance
    return {
        "mnist_mean": float(fitted.mean),
        "mnist_deviation": float(fitted.scale),
        "mnist_components": components_for(fit_pca(used).variances, 0.95),
    }


@experiment("cifar10_mean", "cifar10_deviation", tier="slow", artifacts=("cifar10",))
def cifar10(ctx: Context) -> dict[str, list[float]]:
    """Fit mean and deviation of each channel to CIFAR-10's 50,000 training pictures, of 0 to 255."""
    images, _ = read_cifar10(ctx.files("cifar10"), "train")
    fitted = [fit_standard(images[:, channel, None].double()) for channel in range(3)]
    return {
        "cifar10_mean": [float(one.mean) for one in fitted],
        "cifar10_deviation": [float(one.scale) for one in fitted],
    }


def examples(ctx: Context) -> Tensor:
    """Draw 500 correlated examples of 6 values, with a mean."""
    mixing = torch.randn(6, 6, dtype=torch.float64) + torch.eye(6)
    return (torch.randn(500, 6, dtype=torch.float64) @ mixing + 3).to(ctx.device)
