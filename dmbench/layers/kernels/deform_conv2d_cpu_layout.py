"""Deformable convolution on a CPU, where things lie: images, weights and offsets as tables of rows, and back.

Source and symbols: dmbench/layers/kernels/deform_conv2d_cpu.py.
"""

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu_sizes import Geometry


def table_of(image: Tensor, g: Geometry) -> Tensor:
    """Return the image channels last with its border, (share, N * sets * pixels * q, c)."""
    table = image.new_zeros(g.share, g.rows, g.channels // g.cells)
    for one, into in zip(image, inner(table, g), strict=True):
        pixels = pixels_of(one[None]).view(*g.image, g.sets, g.share, g.q, -1)
        into.copy_(pixels.permute(3, 2, 0, 1, 4, 5))
    return table


def inner(table: Tensor, g: Geometry) -> Tensor:
    """Return a view of the image in its table, (N, share, sets, H, W, q, c)."""
    whole = table[:, g.first * g.q :].view(g.share, g.batch, g.sets, *g.padded, g.q, -1)
    return whole[:, :, :, : g.image[0], : g.image[1]].transpose(0, 1)


def pixels_of(image: Tensor) -> Tensor:
    """Return (N, C, H, W) as contiguous (N * H * W, C)."""
    if image.is_contiguous(memory_format=torch.channels_last):
        return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])
    pixels = image.new_empty(image.shape[0], image.shape[2] * image.shape[3], image.shape[1])
    for one, into in zip(image.reshape(*image.shape[:2], -1), pixels, strict=True):
        into.copy_(one.T)  # a copy of two dimensions goes by blocks, four times as fast as one of four
    return pixels.view(-1, image.shape[1])


def put_planes(pixels: Tensor, into: Tensor) -> None:
    """Undo pixels_of: write (N * H * W, C) into (N, C, H, W)."""
    pixels = pixels.view(into.shape[0], -1, into.shape[1])
    if not into.is_contiguous():
        into.copy_(pixels.mT.reshape(into.shape))
        return
    for one, planes in zip(pixels, into.view(*into.shape[:2], -1), strict=True):
        planes.copy_(one.T)


def image_like(image: Tensor, table: Tensor, g: Geometry) -> Tensor:
    """Undo table_of: (N, C, H, W) in the layout of `image`, the border dropped."""
    result = torch.empty_like(image)
    for index, one in enumerate(inner(table, g)):
        pixels = one.permute(2, 3, 1, 0, 4, 5).reshape(-1, g.channels)
        put_planes(pixels, result[index : index + 1])
    return result


def weights_of(weight: Tensor, g: Geometry) -> Tensor:
    """Return the filters as matrices, (sets, share, Cout / groups, q * K * c)."""
    return weight.reshape(g.sets, g.share, -1, g.q, weight.shape[1] // g.q, g.taps).transpose(4, 5).flatten(3)


def filters_of(matrices: Tensor, weight: Tensor, g: Geometry) -> Tensor:
    """Undo weights_of, to the shape of `weight`."""
    return matrices.view(*matrices.shape[:3], g.q, g.taps, -1).transpose(4, 5).reshape(weight.shape)


def by_cell(offset: Tensor, each: int, g: Geometry) -> Tensor:
    """Return (N, G * K * each, Ho, Wo) as (each, N, sets * q, K, Ho * Wo)."""
    view = offset.reshape(g.batch, g.offset_groups, g.taps, each, -1).permute(3, 0, 1, 2, 4)
    return view if g.sets * g.q == g.offset_groups else view.repeat_interleave(g.cells // g.offset_groups, 2)


def offset_of(gradient: Tensor, g: Geometry) -> Tensor:
    """Undo by_cell for gradients, (N, sets * q, K, each, Ho * Wo): shared coordinates add up."""
    shared = gradient.view(g.batch, g.offset_groups, -1, *gradient.shape[2:])
    one = shared.sum(2) if shared.shape[2] > 1 else shared
    return one.view(g.batch, -1, *g.output)


def grid(g: Geometry, like: Tensor) -> Tensor:
    """Return y and x of p0 + pn, (2, 1, 1, K, Ho * Wo)."""
    found = []
    for axis in (0, 1):
        p0 = torch.arange(g.output[axis], dtype=like.dtype) * g.stride[axis] - g.padding[axis]
        pn = torch.arange(g.kernel[axis], dtype=like.dtype) * g.dilation[axis]
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = len(pn), len(p0)
        found.append((pn.view(-1, 1) + p0).view(shape).expand(*g.kernel, *g.output))
    return torch.stack(found).view(2, 1, 1, g.taps, g.area)
