"""Batch normalisation with its gradients written out; on a CPU a few channels at a time, so that the cache holds them.

Source: Ioffe and Szegedy (2015), arXiv:1502.03167, section 3; the equations of dmbench/layers/batch_norm.py are the
canonical form of this file. Of all that is made only x is kept, with a mean and a variance a channel. On a CPU each
plane is read from memory once and written once, whatever number of passes is made over it.

Shapes: x, y and their gradients (N, C, ...), or as planes (N, C, L), contiguous; weight, bias, mean, var (C).
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Statistics = tuple[Tensor, Tensor, Tensor]  # y, mean and biased variance
BLOCK = 2 << 20  # bytes of x at a time and thread: with its result it fits a core's cache, or its share of a larger one


class Normalize(torch.autograd.Function):
    """The differentiable whole. Second derivatives, not worth a kernel, are `canonical`'s."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        canonical: Callable[..., Statistics],
    ) -> Statistics:
        """Return y, mean and var; the last two are not differentiated."""
        ctx.layout, ctx.eps, ctx.canonical = layout_of(x), eps, canonical
        if ctx.layout == "other":
            y, mean, var = canonical(x, weight, bias, eps)
        else:
            y = torch.empty_like(x)  # whole, and returned as it is: autograd lets nobody change a view in place
            if ctx.layout == "planes":
                mean, var = planes_forward(x.flatten(2), weight, bias, eps, y.flatten(2))
            else:
                mean, var = rows_forward(rows_of(x), weight, bias, eps, rows_of(y))
        ctx.save_for_backward(x, weight, bias, mean, var)
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, weight and bias; by autograd where they are to be differentiated again."""
        x, weight, bias, mean, var = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            asked = [tensor for tensor, want in zip((x, weight, bias), wanted, strict=True) if want]
            y = ctx.canonical(x, weight, bias, ctx.eps)[0]
            found = iter(torch.autograd.grad(y, asked, dy, create_graph=True))
            return (*(next(found) if want else None for want in wanted), None, None)
        inverse = torch.rsqrt(var + ctx.eps)
        if ctx.layout == "planes":
            dx, *others = planes_backward(dy.flatten(2), x.flatten(2), weight, mean, inverse)
            dx = dx.view_as(x)
        elif ctx.layout == "rows":
            dx, *others = rows_backward(rows_of(dy), rows_of(x), weight, mean, inverse)
            dx = dx.view(len(x), *x.shape[2:], -1).movedim(-1, 1)
        else:
            dx, *others = gradients(dy, x, weight, mean, var, ctx.eps)
        return dx, None if weight is None else others[0], None if bias is None else others[1], None, None


def layout_of(x: Tensor) -> str:
    """Return how x lies in memory: "planes" of a channel, "rows" of all channels of a pixel, or "other"."""
    if x.device.type != "cpu":
        return "other"
    if x.movedim(1, -1).is_contiguous():
        return "rows"
    return "planes" if x.is_contiguous() else "other"


def rows_of(x: Tensor) -> Tensor:
    """Return x with a row a pixel, (M, C): a view where its layout is "rows"."""
    return x.movedim(1, -1).reshape(-1, x.shape[1])


def gradients(dy: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, var: Tensor, eps: float) -> Statistics:
    """Return the gradients of x, weight and bias by the six equations of section 3, in their order."""
    others, count = [axis for axis in range(x.ndim) if axis != 1], x[:, 0].numel()
    centred, inverse = x - along(mean, x), torch.rsqrt(var + eps)
    d_hat = dy if weight is None else dy * along(weight, x)
    d_var = (d_hat * centred).sum(others) * -0.5 * inverse**3
    d_mean = -(d_hat.sum(others) * inverse) - 2 * d_var * centred.mean(others)
    dx = d_hat * along(inverse, x) + centred * along(2 * d_var / count, x) + along(d_mean / count, x)
    return dx, (dy * centred).sum(others) * inverse, dy.sum(others)


def planes_forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, y: Tensor
) -> tuple[Tensor, Tensor]:
    """Normalise (N, C, L) into y; return mean and var."""
    count = x[:, 0].numel()
    mean, var = x.new_empty(x.shape[1]), x.new_empty(x.shape[1])
    for part in blocks(x):
        out = y[:, part]
        mean[part] = total(x[:, part]) / count
        torch.sub(x[:, part], mean[part, None], out=out)
        var[part] = torch.linalg.vector_norm(out, dim=2).square_().sum(0) / count
        scale = torch.rsqrt(var[part] + eps)
        out.mul_((scale if weight is None else scale * weight[part])[:, None])
        if bias is not None:
            out.add_(bias[part, None])
    return mean, var


def planes_backward(dy: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, inverse: Tensor) -> Statistics:
    """Return the gradients of x (N, C, L), of weight and of bias; inverse: 1 / sqrt(var + eps).

    With normalised values x^ the six equations come to dx = weight * inverse * (dy - mean(dy) - x^ * mean(dy * x^)).
    """
    dx, count = torch.empty_like(x), x[:, 0].numel()
    d_weight, d_bias = torch.empty_like(mean), torch.empty_like(mean)
    for part in blocks(x):
        out, given = dx[:, part], dy[:, part]
        d_bias[part] = total(given)
        torch.sub(x[:, part], mean[part, None], out=out)
        d_weight[part] = total(out * given) * inverse[part]
        out.mul_((d_weight[part] * inverse[part] / -count)[:, None])
        out.add_(given).sub_((d_bias[part] / count)[:, None])
        out.mul_((inverse[part] if weight is None else inverse[part] * weight[part])[:, None])
    return dx, d_weight, d_bias


def rows_forward(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, y: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise (M, C) into y; return mean and var."""
    mean, squares = x.mean(0), x.new_zeros(x.shape[1])
    for part in blocks(x.T):
        squares += (x[part] - mean).square_().sum(0)
    var = squares / len(x)
    scale = torch.rsqrt(var + eps) if weight is None else torch.rsqrt(var + eps) * weight
    for part in blocks(x.T):
        out = torch.sub(x[part], mean, out=y[part]).mul_(scale)
        if bias is not None:
            out.add_(bias)
    return mean, var


def rows_backward(dy: Tensor, x: Tensor, weight: Tensor | None, mean: Tensor, inverse: Tensor) -> Statistics:
    """Return the gradients as `planes_backward` does, of x (M, C)."""
    dx, d_bias, d_weight = torch.empty_like(x), dy.sum(0), torch.zeros_like(mean)
    for part in blocks(x.T):
        d_weight += (x[part] - mean).mul_(dy[part]).sum(0)
    d_weight *= inverse
    slope, offset = d_weight * inverse / -len(x), d_bias / len(x)
    scale = inverse if weight is None else inverse * weight
    for part in blocks(x.T):
        torch.sub(x[part], mean, out=dx[part]).mul_(slope).add_(dy[part]).sub_(offset).mul_(scale)
    return dx, d_weight, d_bias


def blocks(x: Tensor) -> Iterator[slice]:
    """Yield slices along the second dimension, of at most BLOCK bytes a thread or one place wide."""
    step = max(1, BLOCK * torch.get_num_threads() // (x[:, 0].numel() * x.element_size()))
    for start in range(0, x.shape[1], step):
        yield slice(start, min(start + step, x.shape[1]))


def total(planes: Tensor) -> Tensor:
    """Sum each channel, plane by plane first: in one go it is slower, since its planes do not lie side by side."""
    return planes.sum(2).sum(0)


def along(values: Tensor, x: Tensor) -> Tensor:
    """Lay (C) along the channels of x."""
    return values.view(1, -1, *[1] * (x.ndim - 2))
