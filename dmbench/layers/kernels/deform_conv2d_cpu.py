"""Deformable convolution on a CPU: gather, one matrix product, and nothing kept for the backward pass.

Source: the equations of dmbench/layers/deform_conv2d.py, the canonical form of this file; here is only their order of
work. The image lies channels last in a table of pixels with a border of zeros: a sample is a weighted sum of four rows,
which `embedding_bag` fuses. The output is made in chunks of positions; the backward pass makes the columns again, so
that memory is the chunk's, not the picture's. The image's gradient is a stable sort by pixel and a sum per pixel: no
order of threads enters, and it is the same bit for bit each time.

Symbols: sets of coordinates (one for each deformable group, or for each group of weights where those do not divide),
each read by `share` groups; q cells of c channels in a group, P = N * Ho * Wo positions, K taps.
Shapes: table (share, N * sets * pixels * q, c); columns (sets, positions, q * K * c).
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu_layout import (
    Geometry,
    chunks,
    filters_of,
    image_like,
    offset_of,
    pixels_of,
    put_planes,
    table_of,
    weights_of,
)
from dmbench.layers.kernels.deform_conv2d_cpu_samples import Places

__all__ = ["DeformConv2dCPU", "Geometry", "Tensors"]

Tensors = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]  # image, offset, weight, bias, mask

with warnings.catch_warnings():
    # torch says once in a process that sparse tensors may change; here, where it is heeded (and tested), not to a user.
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    _nothing = torch.zeros(0, dtype=torch.int64)
    torch.sparse_csr_tensor(torch.zeros(2, dtype=torch.int64), _nothing, torch.zeros(0), (1, 1), check_invariants=False)


class DeformConv2dCPU(torch.autograd.Function):
    """The differentiable whole. second derivatives, not worth a kernel, are `canonical`'s."""

    @staticmethod
    def forward(
        image: Tensor,
        offset: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        geometry: Geometry,
        canonical: Callable[..., Tensor],
    ) -> Tensor:
        """Return (N, Cout, Ho, Wo), channels last in memory where the image is, and nothing else."""
        g, filters = geometry, weight.shape[0]
        table, weights, places = table_of(image, g), weights_of(weight, g), Places(offset, mask, g)
        pixels = image.new_empty(g.positions, filters)
        by_group = pixels.view(-1, g.sets, g.share, filters // g.groups)
        for chunk in chunks(g, image.element_size()):
            samples = places.samples(chunk)
            for index in range(g.share):
                for rows, part in samples.parts():
                    for i, columns in enumerate(samples.gather(table[index], part)):
                        by_group[rows, i, index] = product(columns, weights[i * g.share + index])
                    del columns
            del samples
        if bias is not None:
            pixels += bias
        last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
        if last:
            return pixels.view(g.batch, *g.output, -1).permute(0, 3, 1, 2)
        result = pixels.new_empty(g.batch, filters, *g.output)
        put_planes(pixels, result)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the inputs; no columns."""
        *tensors, ctx.geometry, ctx.canonical = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that are asked for; by the canonical form where they are to be differentiated again."""
        tensors, wanted = ctx.saved_tensors, ctx.needs_input_grad[:5]
        if not torch.is_grad_enabled():
            return (*gradients(upstream, tensors, wanted, ctx.geometry), None, None)
        asked = [tensor for tensor, want in zip(tensors, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(ctx.canonical(*tensors), asked, upstream, create_graph=True))
        return (*(next(found) if want else None for want in wanted), None, None)


def gradients(
    upstream: Tensor,
    tensors: Tensors,
    wanted: tuple[bool, ...],
    geometry: Geometry,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of image, offset, weight, bias and mask, None where not `wanted`."""
    g = geometry
    image, offset, weight, bias, mask = tensors
    want_image, want_offset, want_weight, want_bias, want_mask = wanted
    pixels = pixels_of(upstream)
    by_group = pixels.view(-1, g.sets, g.share, weight.shape[0] // g.groups)
    table, weights, places = table_of(image, g), weights_of(weight, g), Places(offset, mask, g)
    to_table = torch.zeros_like(table) if want_image else None
    to_weights = torch.zeros_like(weights) if want_weight else None
    weights = weights.mT.contiguous()
    shape = (g.batch, g.sets * g.q, g.taps, -1, g.area)
    to_offset = places.offset.new_empty(places.offset.numel()).view(shape) if want_offset else None
    to_mask = places.mask.new_empty(places.mask.numel()).view(shape) if want_mask and places.mask is not None else None

    for chunk in chunks(g, image.element_size()):
        samples = places.samples(chunk)
        if to_weights is not None:
            for index in range(g.share):
                for rows, part in samples.parts():
                    for i, columns in enumerate(samples.gather(table[index], part)):
                        to_weights[i * g.share + index].addmm_(by_group[rows, i, index].T, columns)
                    del columns
        if to_table is None and to_offset is None and to_mask is None:
            continue
        order = samples.by_pixel() if to_table is not None else None
        dots = torch.zeros_like(samples.weights) if to_offset is not None or to_mask is not None else None
        for index in range(g.share):
            for j, (rows, part) in enumerate(samples.parts()):
                parts = [product(by_group[rows, i, index], weights[i * g.share + index]) for i in range(g.sets)]
                to_columns = torch.stack(parts) if g.sets > 1 else parts[0]
                if dots is not None:
                    samples.dots(to_columns, table[index], part, dots)
                if to_table is not None and order is not None:
                    order.scatter(to_columns, to_table[index], part, j)
                del to_columns, parts
        if dots is not None:
            samples.to_coordinates(dots, to_offset, to_mask)
        del samples, order, dots

    return (
        None if to_table is None else image_like(image, to_table, g),
        None if to_offset is None else offset_of(to_offset, g),
        None if to_weights is None else filters_of(to_weights, weight, g),
        pixels.sum(0) if want_bias and bias is not None else None,
        None if to_mask is None else offset_of(to_mask, g),
    )


def product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Return rows @ matrix.T; by oneDNN where it is there: on float32 it is 1.1 to 1.4 times as fast as torch.mm."""
    if rows.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.ops.mkldnn._linear_pointwise(rows, matrix, None, "none", [], "")
    return rows @ matrix.T
