"""Deformable convolution on a GPU: what the operators of deform_conv2d_triton_op.py do when they are called.

Tensors are brought to the layouts that the kernels read, and the results to those that the inputs have.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry

Ints = list[int]
COLUMNS = 256 << 20  # bytes of the columns' gradient at a time, where it is written down; one picture at least


def forward(
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
) -> Tensor:
    """Return the convolution, laid out as the image."""
    from dmbench.layers.kernels.deform_conv2d_triton_forward import convolve

    shape = (image.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])
    out = torch.empty(shape, dtype=image.dtype, device=image.device, memory_format=layout_of(image))
    if out.numel():
        g = geometry_of(image, offset, weight, stride, padding, dilation)
        with torch.cuda.device_of(image):  # type: ignore[no-untyped-call]
            modulation = None if mask is None else mask.contiguous()
            convolve(_channels_last(image), offset.contiguous(), _matrices(weight), bias, modulation, out, g)
    return out


def backward(
    upstream: Tensor,
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of image, offset, weight and mask, laid out as those are, empty where not `wanted`."""
    if upstream.numel() == 0:
        room = like((image, offset, weight, mask), wanted)
        for one in room:
            one.zero_()
        return room
    from dmbench.layers.kernels.deform_conv2d_triton_weights import to_weights

    g = geometry_of(image, offset, weight, stride, padding, dilation)
    pixels, places, upstream = _channels_last(image), offset.contiguous(), _channels_last(upstream)
    modulation = None if mask is None else mask.contiguous()
    want_image, want_offset, want_weight, want_mask = wanted
    to_image = to_offset = to_weight = to_mask = None
    with torch.cuda.device_of(image):  # type: ignore[no-untyped-call]
        if want_weight:
            to_weight = to_weights(upstream, pixels, places, modulation, weight.shape[0], g)
            to_weight = to_weight.view(weight.shape[0], *g.kernel, -1).permute(0, 3, 1, 2)
        if want_image or want_offset or want_mask:
            inputs = (upstream, pixels, places, _matrices(weight), modulation)
            to_image, to_offset, to_mask = _to_samples(inputs, want_image, want_offset or want_mask, g)
            to_image = None if to_image is None else to_image.permute(0, 3, 1, 2)
    return (
        _as(image, to_image, image),
        _as(offset, to_offset if want_offset else None, image),
        _as(weight, to_weight, image),
        _as(mask, to_mask if want_mask else None, image),
    )


def _to_samples(
    inputs: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None], want_image: bool, coordinates: bool, g: Geometry
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of image, (N, H, W, C), offset and mask, float32."""
    from dmbench.layers.kernels.deform_conv2d_triton_backward import to_samples

    upstream, image, offset, weight, mask = inputs
    total = None
    if want_image:
        total = torch.zeros(g.batch, *g.image, g.channels, dtype=torch.float32, device=image.device)
    if total is None or not torch.are_deterministic_algorithms_enabled():
        return total, *to_samples(upstream, image, offset, weight, mask, total, False, coordinates, g)

    from dmbench.layers.deform_conv2d import places  # the canonical form, which imports this file
    from dmbench.layers.kernels.deform_conv2d_triton_sorted import sum_samples

    rows = math.prod(g.output) * g.taps
    pictures = max(1, COLUMNS // (4 * rows * g.channels))
    to_offsets, to_masks = [], []
    for start in range(0, g.batch, pictures):
        some = slice(start, min(start + pictures, g.batch))
        few = replace(g, batch=some.stop - some.start)
        columns = torch.empty(few.batch * rows, g.channels, dtype=torch.float32, device=image.device)
        modulation = None if mask is None else mask[some]
        to_offset, to_mask = to_samples(
            upstream[some], image[some], offset[some], weight, modulation, columns, True, coordinates, few
        )
        y, x = (one.permute(1, 0, 3, 4, 2).reshape(g.offset_groups, -1) for one in places(offset[some].float(), few))
        sum_samples(columns, y, x, total[some], few)
        to_offsets += [] if to_offset is None else [to_offset]
        to_masks += [] if to_mask is None else [to_mask]
    return total, torch.cat(to_offsets) if to_offsets else None, torch.cat(to_masks) if to_masks else None


def _as(given: Tensor | None, gradient: Tensor | None, image: Tensor) -> Tensor:
    """Return the gradient in the dtype and layout of what it belongs to, not copied where it has them."""
    if given is None or gradient is None:
        return image.new_empty(0)
    layout = layout_of(given)
    if gradient.dtype == given.dtype and gradient.is_contiguous(memory_format=layout):
        return gradient
    return torch.empty(given.shape, dtype=given.dtype, device=given.device, memory_format=layout).copy_(gradient)


def like(
    tensors: tuple[Tensor, Tensor, Tensor, Tensor | None], wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return room for the gradients of image, offset, weight and mask, of no size where not `wanted`."""
    image = tensors[0]
    to_image, to_offset, to_weight, to_mask = (
        torch.empty(t.shape, dtype=t.dtype, device=t.device, memory_format=layout_of(t))
        if t is not None and want
        else image.new_empty(0)
        for t, want in zip(tensors, wanted, strict=True)
    )
    return to_image, to_offset, to_weight, to_mask


def geometry_of(image: Tensor, offset: Tensor, weight: Tensor, stride: Ints, padding: Ints, dilation: Ints) -> Geometry:
    """Return the sizes that the shapes give."""
    kernel = (weight.shape[2], weight.shape[3])
    return Geometry(
        image=(image.shape[2], image.shape[3]),
        output=(offset.shape[2], offset.shape[3]),
        kernel=kernel,
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1]),
        dilation=(dilation[0], dilation[1]),
        batch=image.shape[0],
        channels=image.shape[1],
        groups=image.shape[1] // weight.shape[1],
        offset_groups=offset.shape[1] // (2 * math.prod(kernel)),
    )


def layout_of(tensor: Tensor) -> torch.memory_format:
    """Return channels last where the tensor can be nothing else, contiguous otherwise."""
    last = tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _matrices(weight: Tensor) -> Tensor:
    """Return (Cout, K, C / groups), contiguous: no copy where the weight is channels last."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1, weight.shape[1]).contiguous()
