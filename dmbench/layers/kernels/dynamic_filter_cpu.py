"""Dynamic local filtering on a CPU: one fused multiply and add a tap, nothing kept but the inputs.

The canonical form, in dmbench/layers/dynamic_filter.py, makes the product of every filter with what it sees. Here each
tap's weights (N, K, O, O') meet a shifted view of x and are added to the result, so that beyond the result there is
only a padded copy of x; the backward pass goes through the taps in the same way.

Shapes: as in dmbench/layers/dynamic_filter.py.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dmbench.layers.kernels.modes import transformed, under_autocast

Sides = tuple[int, int]


def is_plain(x: Tensor, filters: Tensor) -> bool:
    """Whether the kernel below can run: on a CPU, in float32 or float64, nothing transformed or compiled."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64) or under_autocast(x):
        return False
    return not (torch.compiler.is_compiling() or transformed(x, filters))


class LocalFilterCPU(torch.autograd.Function):
    """The differentiable whole; second derivatives are `canonical`'s."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, filters: Tensor, stride: Sides, padding: Sides, canonical: Callable[..., Tensor]
    ) -> Tensor:
        """Return (N, K, O, O')."""
        ctx.save_for_backward(x, filters)
        ctx.stride, ctx.padding, ctx.canonical = stride, padding, canonical
        padded = _padded(x, padding)
        result = x.new_zeros(len(x), filters.shape[1], *filters.shape[5:])
        for tap in _taps(filters):
            result.addcmul_(_seen(padded, tap, stride, filters), _weights(filters, tap))
        return result

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and filters, None where not asked for."""
        x, filters = ctx.saved_tensors
        want_x, want_filters = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            asked = [tensor for tensor, want in ((x, want_x), (filters, want_filters)) if want]
            result = ctx.canonical(x, filters, ctx.stride, ctx.padding)
            found = iter(torch.autograd.grad(result, asked, upstream, create_graph=True))
            return *(next(found) if want else None for want in (want_x, want_filters)), None, None, None
        padded = _padded(x, ctx.padding)
        to_padded = torch.zeros_like(padded) if want_x else None
        to_filters = torch.empty_like(filters, memory_format=torch.contiguous_format) if want_filters else None
        for tap in _taps(filters):
            if to_filters is not None:
                torch.mul(upstream, _seen(padded, tap, ctx.stride, filters), out=_weights(to_filters, tap))
            if to_padded is not None:
                share = _seen(to_padded, tap, ctx.stride, filters)
                if filters.shape[1] == 1:
                    share.addcmul_(upstream, _weights(filters, tap))
                else:
                    share.add_((upstream * _weights(filters, tap)).sum(1, keepdim=True))
        top, left = ctx.padding
        rows, columns = x.shape[2:]
        to_x = None if to_padded is None else to_padded[:, :, top : top + rows, left : left + columns]
        return to_x, to_filters, None, None, None


def _padded(x: Tensor, padding: Sides) -> Tensor:
    top, left = padding
    return pad(x, [left, left, top, top]) if any(padding) else x


def _taps(filters: Tensor) -> Iterator[tuple[int, int, int]]:
    """Each channel, row and column of a filter."""
    _, _, channels, rows, columns = filters.shape[:5]
    return ((c, u, v) for c in range(channels) for u in range(rows) for v in range(columns))


def _weights(filters: Tensor, tap: tuple[int, int, int]) -> Tensor:
    """One tap's weights everywhere, (N, K, O, O'): a view."""
    c, u, v = tap
    return filters[:, :, c, u, v]


def _seen(padded: Tensor, tap: tuple[int, int, int], stride: Sides, filters: Tensor) -> Tensor:
    """What one tap sees everywhere, (N, 1, O, O'): a view."""
    c, u, v = tap
    rows, columns = filters.shape[5:]
    bottom, right = u + stride[0] * (rows - 1) + 1, v + stride[1] * (columns - 1) + 1
    return padded[:, c : c + 1, u : bottom : stride[0], v : right : stride[1]]
