"""Input preprocessing, fitted on training data alone and then applied to any: means, deviations, PCA and whitening.

Source: Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images (ZCA whitening); the notes
of Stanford's CS231n, neural networks part 2 (means, PCA, whitening with an eps of 1e-5); the mean picture: Krizhevsky,
Sutskever and Hinton (2012), section 2. Goodfellow et al. (2013), arXiv:1302.4389, whiten with an eps of 0.1, pixels
being 0 to 255 and brought to one contrast first (pylearn2, ZCA, filter_bias).

With the covariance U diag(v) U^T, each whitening divides by sqrt(v + eps) along the eigenvectors U:
    PCA: diag(v + eps)^(-1/2) U^T (x - mean)        ZCA: U diag(v + eps)^(-1/2) U^T (x - mean)
ZCA turns back after scaling, so that of all whitenings it changes the data least.

Shapes: N examples (N, ...), D values each, K components kept; C channels.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

KINDS = ("pca", "zca")


@dataclass(frozen=True)
class Standard:
    """x -> (x - mean) / scale; both broadcast against one example."""

    mean: Tensor
    scale: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to examples (N, ...), shaped as those it was fitted on."""
        if x.ndim != self.mean.ndim + 1 or any(
            m not in (1, s) for m, s in zip(self.mean.shape, x.shape[1:], strict=True)
        ):
            raise ValueError(f"fitted on examples of mean {tuple(self.mean.shape)}, not on {tuple(x.shape[1:])}")
        return (x - self.mean.to(x)) / self.scale.to(x)


def fit_standard(x: Tensor, per: str = "channel", scale: bool = True) -> Standard:
    """Fit a mean, and a deviation, to training examples.

    A channel, or value, that never changes has no deviation: it becomes 0, and so does all that equals it later.

    Args:
        x: (N, C, ...), floating point. scale: False leaves deviations as they are, as with a mean picture.
        per: "channel" for a mean over examples and pixels; "value" for one of each value, which is the mean picture.

    Raises:
        ValueError: no examples, values that are not finite, or another `per`.
    """
    if per not in ("channel", "value"):
        raise ValueError(f"per must be channel or value: {per}")
    _check(x, 1)
    axes = [0, *range(2, x.ndim)] if per == "channel" else [0]
    mean, least, most = x.mean(axes, keepdim=True), x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    constant = least == most
    deviation = (x - mean).square().mean(axes, keepdim=True).sqrt() if scale else torch.ones_like(mean)
    mean = torch.where(constant, least, mean)  # exactly: a mean may be off by a rounding, which nothing should divide
    return Standard(mean[0], torch.where(constant, torch.ones_like(mean), deviation)[0])


@dataclass(frozen=True)
class Projection:
    """x -> matrix (x - mean), with the values of an example in one row.

    mean: (D). matrix: (K, D). back: (D, K), which restores what the matrix keeps. variances: (D), of the training data
    along all axes, falling. shape: of an example where the result has it too, as with ZCA.
    """

    mean: Tensor
    matrix: Tensor
    back: Tensor
    variances: Tensor
    shape: tuple[int, ...] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to examples (N, ...): (N, K), or shaped as x."""
        rows = x.flatten(1)
        if rows.shape[1] != len(self.mean):
            raise ValueError(f"fitted on {len(self.mean)} values an example, not on {rows.shape[1]}")
        y = (rows - self.mean) @ self.matrix.T
        return y if self.shape is None else y.view(-1, *self.shape)

    def restore(self, y: Tensor) -> Tensor:
        """Return examples (N, D) from their projection."""
        return y.flatten(1) @ self.back.T + self.mean


def fit_pca(x: Tensor, components: int | None = None) -> Projection:
    """Fit the axes of largest variance, in falling order; the projections on them are decorrelated.

    Args:
        x: (N, ...), floating point, training examples. components: K, 1 to D; None keeps all.

    Raises:
        ValueError: fewer than two examples, values that are not finite, or K beyond D.
    """
    mean, variances, axes = _axes(x)
    kept = len(mean) if components is None else components
    if not 1 <= kept <= len(mean):
        raise ValueError(f"need 1 to {len(mean)} components: {components}")
    return Projection(mean, axes[:, :kept].T, axes[:, :kept], variances)


def fit_whitening(x: Tensor, kind: str = "zca", eps: float = 1e-5) -> Projection:
    """Fit a whitening: decorrelated values of variance v / (v + eps).

    Axes along which the training data do not vary, beyond rounding, are dropped: their values become 0, whatever eps.

    Args:
        x: (N, ...), floating point, training examples. kind: "pca" or "zca".
        eps: added to each variance, in its unit, at least 0; it keeps noise on the small axes from being blown up.

    Raises:
        ValueError: fewer than two examples, values that are not finite, another kind, or a negative eps.
    """
    if kind not in KINDS or not eps >= 0:
        raise ValueError(f"need a kind of {' or '.join(KINDS)}, and eps of at least 0: {kind}, {eps}")
    mean, variances, axes = _axes(x)
    nothing = variances <= variances[0] * len(mean) * torch.finfo(x.dtype).eps
    scale = torch.where(nothing, torch.zeros_like(variances), (variances + eps).rsqrt())
    inverse = torch.where(nothing, torch.zeros_like(variances), (variances + eps).sqrt())
    if kind == "pca":
        return Projection(mean, scale[:, None] * axes.T, axes * inverse, variances)
    return Projection(mean, (axes * scale) @ axes.T, (axes * inverse) @ axes.T, variances, tuple(x.shape[1:]))


def components_for(variances: Tensor, share: float) -> int:
    """Return how many of the falling variances (D) it takes for a share, 0 to 1, of their sum."""
    if not 0 < share <= 1:
        raise ValueError(f"need a share above 0, up to 1: {share}")
    running = variances.double().cumsum(0) / variances.double().sum()
    return min(int((running < share).sum()) + 1, len(variances))


def _axes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean (D), the covariance's eigenvalues (D), falling, and eigenvectors (D, D), one a column."""
    _check(x, 2)
    rows = x.flatten(1)
    mean = rows.mean(0)
    centred = rows - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(rows))
    return mean, variances.flip(0).clamp(min=0), axes.flip(1)


def _check(x: Tensor, least: int) -> None:
    if x.ndim < 2 or len(x) < least or math.prod(x.shape[1:]) < 1:
        raise ValueError(f"need {least} or more training examples (N, ...): {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"need floating-point examples, convert first: {x.dtype}")
    if not bool(x.isfinite().all()):
        raise ValueError(f"{int((~x.isfinite()).sum())} of the training values are not finite")
