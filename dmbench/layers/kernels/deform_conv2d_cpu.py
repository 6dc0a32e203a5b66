"""Deformable convolution on a CPU: gather, one matrix product, and nothing kept for the backward pass.

Source: the equations of dmbench/layers/deform_conv2d.py, the canonical form of this file; here is only their order of
work. The image lies channels last in a table of pixels with a border of zeros: a sample is a weighted sum of four rows,
which `embedding_bag` fuses. The output is made in chunks of positions; the backward pass makes the columns again, so
that memory is the chunk's, not the picture's. The image's gradient is a stable sort by pixel and a sum per pixel: no
order of threads enters, and it is the same bit for bit each time.

The floor is the matrix product. Beside it stand the preparation and the sort, which cost the same for a sample of any
number of channels: 4 deformable groups of 16 channels pay most, 256 channels in one group least.

Symbols: sets of coordinates (one for each deformable group, or for each group of weights where those do not divide),
each read by `share` groups; q cells of c channels in a group, P = N * Ho * Wo positions, K taps.
Shapes: table (share, N * sets * pixels * q, c); columns (sets, positions, q * K * c); upstream (P, sets, share, ...).
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu_layout import (
    filters_of,
    image_like,
    offset_of,
    pixels_of,
    put_planes,
    table_of,
    weights_of,
)
from dmbench.layers.kernels.deform_conv2d_cpu_samples import Places
from dmbench.layers.kernels.deform_conv2d_cpu_sizes import Geometry, chunks
from dmbench.layers.kernels.product import product

__all__ = ["DeformConv2dCPU", "Geometry", "Tensors"]

Tensors = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]  # image, offset, weight, bias, mask

FORWARD, BACKWARD = 2, 4  # parts at least: the backward pass holds more beside its columns

with warnings.catch_warnings():
    # torch says once in a process that sparse tensors may change: here, where tests would show it, and not to a user.
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1), check_invariants=False)


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
        table, weights, places = table_of(image, g), weights_of(weight, g), Places(offset, mask, g, FORWARD)
        shape = g.batch, filters, *g.output
        channels_last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
        if channels_last:
            # Returned as it is, and not a view of its pixels: autograd lets nobody change a view in place.
            result = torch.empty(shape, dtype=image.dtype, memory_format=torch.channels_last)
            pixels = result.permute(0, 2, 3, 1).view(-1, filters)
        else:
            pixels = image.new_empty(g.positions, filters)
        by_group = pixels.view(-1, g.sets, g.share, filters // g.groups)
        for chunk in chunks(g, image.element_size(), FORWARD):
            samples = places.samples(chunk)
            for index in range(g.share):
                for rows, part in samples.parts():
                    columns = samples.gather(table[index], part)
                    for i in range(g.sets):
                        by_group[rows, i, index] = product(columns[i], weights[i, index])
                    del columns  # before the next are made
            del samples
        if bias is not None:
            pixels += bias
        if not channels_last:
            result = pixels.new_empty(shape)
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
    table, weights, places = table_of(image, g), weights_of(weight, g), Places(offset, mask, g, BACKWARD)
    to_table = torch.zeros_like(table) if want_image else None
    to_weights = torch.zeros_like(weights) if want_weight else None
    weights = weights.mT.contiguous()
    shape = g.batch, g.sets * g.q, g.taps, -1, g.area
    to_offset = offset.new_empty(places.offset.numel()).view(shape) if want_offset else None
    to_mask = offset.new_empty(places.mask.numel()).view(shape) if want_mask and places.mask is not None else None
    of_columns = to_table is not None or to_offset is not None or to_mask is not None

    for chunk in chunks(g, image.element_size(), BACKWARD):
        samples = places.samples(chunk)
        if to_weights is not None:
            for index in range(g.share):
                for rows, part in samples.parts():
                    columns = samples.gather(table[index], part)
                    for i in range(g.sets):
                        to_weights[i, index].addmm_(by_group[rows, i, index].T, columns[i])
                    del columns  # before the next are made
        order = samples.by_pixel() if to_table is not None else None
        dots = torch.zeros_like(samples.weights) if to_offset is not None or to_mask is not None else None
        for index in range(g.share if of_columns else 0):
            for number, (rows, part) in enumerate(samples.parts()):
                to_columns = products(by_group[rows, :, index], weights[:, index])
                if dots is not None:
                    samples.add_dots(dots, to_columns, table[index], part)
                if to_table is not None and order is not None:
                    order.scatter(to_columns, to_table[index], number, part)
                del to_columns
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


def products(rows: Tensor, matrices: Tensor) -> Tensor:
    """Return the product of each set: rows (P, sets, n) with matrices (sets, m, n), as (sets, P, m)."""
    if len(matrices) == 1:
        return product(rows[:, 0], matrices[0])[None]
    result = rows.new_empty(len(matrices), len(rows), matrices.shape[1])
    for index, matrix in enumerate(matrices):
        result[index] = product(rows[:, index], matrix)
    return result
