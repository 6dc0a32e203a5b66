"""Dynamic filters: a network writes the filters that another input is convolved with.

Source: De Brabandere, Jia, Tuytelaars and Van Gool (2016), Dynamic Filter Networks, arXiv:1605.09673, section 3. The
filter-generating network maps input A to filters; the dynamic filtering layer applies them to input B:
    dynamic convolution: one set of filters for a whole picture,          G(i, j) = F I_B(i, j)
    dynamic local filtering: one set for each place of the output,        G(i, j) = F_ij I_B(i, j)
As everywhere in deep learning no filter is flipped; B is zero outside. For video the weights of every filter pass
through a softmax: each output is then a mean of the pixels under the filter, and a one-hot filter moves a pixel.

Shapes: N batch, C channels of B, (H, W) its sides, K filters, (F, F') their sides, (O, O') output. For one filter
shared by all channels put C into N.
"""

import math

import torch
from torch import Tensor, nn

from dmbench.layers.conv2d import Pair, output_size, pair, windows
from dmbench.layers.kernels.dynamic_filter_cpu import LocalFilterCPU, is_plain
from dmbench.layers.kernels.modes import under_autocast


def dynamic_conv2d(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """Convolve each picture with filters of its own: one grouped convolution with N groups.

    Args:
        x: (N, C, H, W), floating point.
        filters: (N, K, C, F, F').
        stride, padding: pixels, one number or (rows, columns).

    Returns:
        (N, K, O, O'); differentiable any number of times.

    Raises:
        ValueError: shapes or devices do not fit, or a filter is larger than the padded picture.
        TypeError: dtypes differ, or are not floating point.
    """
    rows, columns = _check(x, filters, 5, stride, padding)
    batch, count = filters.shape[:2]
    if not batch:
        return _empty(x, filters, (0, count, rows, columns))
    together = nn.functional.conv2d(
        x.reshape(1, -1, *x.shape[2:]), filters.flatten(0, 1), None, stride, padding, groups=batch
    )
    return together.reshape(batch, count, rows, columns)


def canonical_dynamic_conv2d(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """The same as it is written: what each output sees, times the filters of its picture."""
    _check(x, filters, 5, stride, padding)
    seen = windows(x, (filters.shape[3], filters.shape[4]), stride, padding)
    return torch.einsum("ncijuv,nkcuv->nkij", seen, filters)


def dynamic_local_filter(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """Filter each place with filters of its own.

    On a CPU it runs tap by tap in the memory of its result (kernels/dynamic_filter_cpu.py). Elsewhere, under
    torch.compile and torch.func, and for second derivatives and forward mode it is the canonical form.

    Args:
        x: (N, C, H, W), floating point.
        filters: (N, K, C, F, F', O, O').
        stride, padding: pixels, one number or (rows, columns); padding (F - 1) / 2 keeps the size.

    Returns:
        (N, K, O, O').

    Raises:
        ValueError, TypeError: as `dynamic_conv2d`, or filters for another size of the output.
    """
    rows, columns = _check(x, filters, 7, stride, padding)
    if not len(x):
        return _empty(x, filters, (0, filters.shape[1], rows, columns))
    if not is_plain(x, filters):
        return canonical_dynamic_local_filter(x, filters, stride, padding)
    result: Tensor = LocalFilterCPU.apply(  # type: ignore[no-untyped-call]
        x, filters, pair(stride, "stride", 1), pair(padding, "padding", 0), canonical_dynamic_local_filter
    )
    return result


def canonical_dynamic_local_filter(x: Tensor, filters: Tensor, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    """The same as it is written: what each output sees, times the filters of its place; all in memory at once."""
    _check(x, filters, 7, stride, padding)
    seen = windows(x, (filters.shape[3], filters.shape[4]), stride, padding)
    return torch.einsum("ncijuv,nkcuvij->nkij", seen, filters)


def normalise(filters: Tensor) -> Tensor:
    """Softmax over the weights of each filter (C, F, F'), as for video prediction. filters: (N, K, C, F, F', ...)."""
    return filters.flatten(2, 4).softmax(2).view_as(filters)


class _Dynamic(nn.Module):
    """What both layers share: the generator, the shape of its filters, and whether they are normalised."""

    def __init__(
        self,
        generator: nn.Module,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        *,
        softmax: bool = False,
    ) -> None:
        super().__init__()
        self.generator, self.softmax, self.stride, self.padding = generator, softmax, stride, padding
        self.shape = (out_channels, in_channels, *pair(kernel_size, "kernel_size", 1))

    def filters(self, condition: Tensor, size: tuple[int, ...] = ()) -> Tensor:
        """Generate the filters (N, K, C, F, F', *size) for input A.

        Raises:
            ValueError: the generator gave another number of weights.
        """
        made = self.generator(condition)
        wanted = (len(condition), math.prod(self.shape), *size)
        if tuple(made.shape) != wanted:
            raise ValueError(f"the generator must give {wanted}, the weights of the filters: {tuple(made.shape)}")
        filters = made.reshape(len(made), *self.shape, *size)
        return normalise(filters) if self.softmax else filters


class DynamicConv2d(_Dynamic):
    """Dynamic convolution with its filter-generating network.

    Args:
        generator: a network from input A to (N, K C F F').
        in_channels, out_channels, kernel_size, stride, padding: C, K, (F, F') and as in nn.Conv2d.
        softmax: whether each filter's weights pass through a softmax.
    """

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(N, C, H, W) and input A, x itself by default, to (N, K, O, O')."""
        return dynamic_conv2d(x, self.filters(x if condition is None else condition), self.stride, self.padding)


class DynamicLocalFilter(_Dynamic):
    """Dynamic local filtering with its filter-generating network, which gives (N, K C F F', O, O').

    The arguments are those of `DynamicConv2d`.
    """

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """(N, C, H, W) and input A, x itself by default, to (N, K, O, O')."""
        size = _output(x, self.shape[2:], self.stride, self.padding)
        filters = self.filters(x if condition is None else condition, size)
        return dynamic_local_filter(x, filters, self.stride, self.padding)


def _empty(x: Tensor, filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a result without pictures, which still belongs to the graph of both inputs."""
    return (x.sum() + filters.sum()) * x.new_zeros(shape)


def _output(x: Tensor, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> tuple[int, int]:
    steps, margins = pair(stride, "stride", 1), pair(padding, "padding", 0)
    rows, columns = (
        output_size(side, taps, step, margin, 1, "padded picture")
        for side, taps, step, margin in zip(x.shape[2:], kernel, steps, margins, strict=True)
    )
    return rows, columns


def _check(x: Tensor, filters: Tensor, dimensions: int, stride: Pair, padding: Pair) -> tuple[int, int]:
    """Return the size of the output."""
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"need x (N, C, H, W), empty in N only: {tuple(x.shape)}")
    names = "(N, K, C, F, F')" if dimensions == 5 else "(N, K, C, F, F', O, O')"
    if filters.ndim != dimensions or 0 in filters.shape[1:] or filters.shape[0] != len(x):
        raise ValueError(f"need filters {names} with N = {len(x)}, empty in N only: {tuple(filters.shape)}")
    if filters.shape[2] != x.shape[1]:
        raise ValueError(f"filters {tuple(filters.shape)} are for {filters.shape[2]} channels, x has {x.shape[1]}")
    if filters.device != x.device:
        raise ValueError(f"filters are on {filters.device} and x on {x.device}: move one of them")
    if not (x.is_floating_point() and filters.is_floating_point()):
        raise TypeError(f"x and filters must be floating, convert first: {x.dtype}, {filters.dtype}")
    if filters.dtype != x.dtype and not under_autocast(x):
        raise TypeError(f"filters are {filters.dtype} and x {x.dtype}: convert one of them")
    size = _output(x, tuple(filters.shape[3:5]), stride, padding)
    if dimensions == 7 and tuple(filters.shape[5:]) != size:
        raise ValueError(f"filters are for an output of {tuple(filters.shape[5:])}, it has {size}")
    return size
