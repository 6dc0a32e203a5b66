"""Batch normalisation: each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

Source: Ioffe and Szegedy (2015), Batch Normalization, arXiv:1502.03167. Algorithm 1, over the m values of a channel:
    mean = 1/m sum x        var = 1/m sum (x - mean)^2        y = weight * (x - mean) / sqrt(var + eps) + bias
Algorithm 2, inference: the mean and variance of the population stand for those of the batch, m / (m - 1) var its
unbiased estimate. In a convolutional network the values of a channel are those of all pixels too, m' = m p q
(section 3.2). The paper's gamma and beta are `weight` and `bias`.

Momentum: running = (1 - momentum) * running + momentum * batch, as in torch; other libraries write momentum for the
other factor. momentum=None averages all batches alike, which is Algorithm 2.

Shapes: N batch, C channels, any further dimensions are pixels.
"""

from functools import partial

import torch
from torch import Tensor, nn

from dmbench.layers.kernels.batch_norm_function import Normalize, Statistics, along
from dmbench.layers.kernels.modes import transformed


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    canonical: bool = False,
) -> Tensor:
    """Normalise; arguments and result are those of torch.nn.functional.batch_norm.

    Training runs through `Normalize`; under torch.compile, torch.func and in forward mode through `equations`.

    Args:
        input: (N, C, ...), floating point; float16 and bfloat16 are computed in float32.
        running_mean, running_var: (C), updated in place in training; both or neither, and needed in inference.
        weight, bias: (C), or None for 1 and 0; dtype of input, or float32 where that is float16 or bfloat16.
        training: by the batch's own statistics.
        momentum: the batch's share in the running statistics, 0 to 1.
        eps: added to the variance; above 0 in training.
        canonical: always through `equations`: plain to read, slower, and autograd keeps several times the memory.

    Returns:
        (N, C, ...), dtype of input. An empty input gives an empty output and leaves the running statistics alone.

    Raises:
        ValueError: a shape or number does not fit, training on one value a channel, inference without statistics.
        TypeError: dtypes or devices do not fit.
    """
    _check(input, running_mean, running_var, weight, bias, training, momentum, eps)
    low = input.dtype in (torch.float16, torch.bfloat16)
    x = input.float() if low else input
    weight, bias = (None if t is None else t.to(x.dtype) for t in (weight, bias))
    if not training or input.numel() == 0:
        mean, var = x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
        if running_mean is not None and running_var is not None:
            mean, var = running_mean.to(x.dtype), running_var.to(x.dtype)
        scale, shift = _line(mean, var, weight, bias, eps)
        return (x * along(scale, x) + along(shift, x)).to(input.dtype)
    if canonical or torch.compiler.is_compiling() or transformed(x, weight, bias):
        y, mean, var = equations(x, weight, bias, eps)
    else:
        y, mean, var = Normalize.apply(x, weight, bias, eps, equations)  # type: ignore[no-untyped-call]
    if running_mean is not None and running_var is not None:
        count = x[:, 0].numel()
        _move(running_mean, mean, momentum)
        _move(running_var, var * (count / (count - 1)), momentum)
    return y.to(input.dtype)


class BatchNorm(nn.Module):
    """A layer with its parameters and running statistics, named as torch's: state dictionaries of torch.nn load.

    Args:
        num_features: C, at least 1. affine: whether there are weight, 1 at first, and bias, 0 at first.
        momentum: as in `batch_norm`; None averages all batches seen, each with the same share.
        track_running_stats: False normalises by the batch's own statistics in inference too. eps: as in `batch_norm`.

    Raises:
        ValueError: num_features is below 1; on call, what `batch_norm` raises, or another number of dimensions.
    """

    dimensions: tuple[int, ...] = ()
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"need num_features of at least 1: {num_features}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        ones = partial(torch.ones, num_features, device=device, dtype=dtype)
        zeros = partial(torch.zeros, num_features, device=device, dtype=dtype)
        self.weight = nn.Parameter(ones()) if affine else None
        self.bias = nn.Parameter(zeros()) if affine else None
        self.register_buffer("running_mean", zeros() if track_running_stats else None)
        self.register_buffer("running_var", ones() if track_running_stats else None)
        seen = torch.tensor(0, device=device) if track_running_stats else None
        self.register_buffer("num_batches_tracked", seen)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, ...); in training mode this updates the running statistics."""
        if self.dimensions and x.ndim not in self.dimensions:
            raise ValueError(f"need {' or '.join(map(str, self.dimensions))} dimensions: {tuple(x.shape)}")
        share = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                share = 1 / float(self.num_batches_tracked)
        by_batch = self.training or self.running_mean is None
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, by_batch, share, self.eps)


class BatchNorm1d(BatchNorm):
    """For (N, C) and (N, C, L)."""

    dimensions = (2, 3)


class BatchNorm2d(BatchNorm):
    """For (N, C, H, W)."""

    dimensions = (4,)


def fold(
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """Fold a batch normalisation at inference into the convolution or linear layer before it (Algorithm 2, line 11).

    Args:
        weight: (C, ...), of the layer before. bias: (C), its bias, or None.
        running_mean, running_var, scale, shift: (C), of the normalisation; scale and shift are its weight and bias.

    Returns:
        The weight and the bias with which that layer alone computes both.

    Raises:
        ValueError: the normalisation has another number of channels.
    """
    if running_mean.shape != (len(weight),):
        raise ValueError(f"need statistics of {len(weight)} channels: {tuple(running_mean.shape)}")
    factor, offset = _line(running_mean, running_var, scale, shift, eps)
    folded = weight * factor.view(-1, *[1] * (weight.ndim - 1))
    return folded, offset if bias is None else offset + bias * factor


def equations(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Statistics:
    """Algorithm 1 as it is written, and the statistics; any device, derivative and order."""
    others = [axis for axis in range(x.ndim) if axis != 1]
    mean = x.mean(others)
    centred = x - along(mean, x)
    var = centred.square().mean(others)
    y = centred * along(torch.rsqrt(var + eps), x)
    if weight is not None:
        y = y * along(weight, x)
    return y if bias is None else y + along(bias, x), mean, var


def _line(mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor]:
    """Return slope and offset of inference, both (C) (Algorithm 2, line 11)."""
    scale = torch.rsqrt(var + eps) if weight is None else weight * torch.rsqrt(var + eps)
    return scale, -mean * scale if bias is None else bias - mean * scale


@torch.no_grad()
def _move(running: Tensor, batch: Tensor, momentum: float) -> None:
    if running.dtype == batch.dtype:
        running.lerp_(batch, momentum)
    else:
        running.copy_(running.to(batch.dtype).lerp(batch, momentum))


def _check(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> None:
    """Say in one line what does not fit."""
    if x.ndim < 2:
        raise ValueError(f"need input (N, C, ...): {tuple(x.shape)}")
    if not x.is_floating_point():
        raise TypeError(f"need a floating-point input, convert first: {x.dtype}")
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        raise ValueError("need running_mean and running_var, both; or neither and training=True")
    allowed = {x.dtype, torch.float32} if x.dtype in (torch.float16, torch.bfloat16) else {x.dtype}
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in given.items():
        if tensor is None:
            continue
        if tensor.shape != x.shape[1:2]:
            raise ValueError(f"need {name} of shape ({x.shape[1]},): {tuple(tensor.shape)}")
        if tensor.dtype not in allowed or tensor.device != x.device:
            raise TypeError(
                f"need {name} as the input, {x.dtype} on {x.device}; float32 too beside a half type: "
                f"{tensor.dtype} on {tensor.device}"
            )
    if training and x.shape[1] and x.numel() == x.shape[1]:
        raise ValueError(
            f"need more than one value a channel in training, of which to take a variance: {tuple(x.shape)}"
        )
    if training and not (eps > 0 and isinstance(momentum, float | int) and 0 <= momentum <= 1):
        raise ValueError(f"need eps above 0 and momentum from 0 to 1: {eps}, {momentum}")
