"""Deformable convolution on a GPU: the image's gradient without atomics, the same bit for bit each time.

The columns' gradient is written down, a few pictures at a time; the samples are sorted, stably, by the pixel above and
to the left of them; then each pixel sums the samples of the four pixels' places around it, in that order.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, unused-ignore"

import torch
import triton
import triton.language as tl
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry
from dmbench.layers.kernels.deform_conv2d_triton_plan import block, tiles, wide
from dmbench.layers.kernels.deform_conv2d_triton_samples import launch


@triton.jit
def sums_kernel(
    columns,
    order,
    starts,
    distances,
    to_image,
    height,
    width,
    channels,
    part,
    share,
    INDEX: tl.constexpr,
    BN: tl.constexpr,
):
    """A pixel's sum over its samples, for BN of the `share` channels of one deformable group."""
    pixel = tl.program_id(0).to(INDEX)
    within = tl.program_id(1) * BN + tl.arange(0, BN)
    ok = within < share
    channel = part * share + within
    n, place = pixel // (height * width), pixel % (height * width)
    row, column = place // width, place % width
    total = tl.zeros((BN,), tl.float32)
    for corner in range(4):
        down, along = corner // 2, corner % 2
        # Samples whose own pixel, above and to the left, stands at (row - down, column - along); it starts at -1.
        key = (n * (height + 1) + row - down + 1) * (width + 1) + column - along + 1
        for index in range(tl.load(starts + key), tl.load(starts + key + 1)):
            sample = tl.load(order + index)
            ly, lx = tl.load(distances + sample * 2), tl.load(distances + sample * 2 + 1)
            near = tl.where(down == 1, ly, 1 - ly) * tl.where(along == 1, lx, 1 - lx)
            total += near * tl.load(columns + sample * channels + channel, mask=ok, other=0.0)
    tl.store(to_image + pixel * channels + channel, total, mask=ok)


def sum_samples(columns: Tensor, y: Tensor, x: Tensor, to_image: Tensor, g: Geometry) -> None:
    """Write the gradient of the image, (N, H, W, C), float32.

    columns: (positions * K, C), float32, modulated. y, x: (G, positions * K), pixels from the centre of the first.
    """
    height, width = g.image
    keys_per_image = (height + 1) * (width + 1)
    share = g.channels // g.offset_groups
    wanted = torch.arange(g.batch * keys_per_image + 1, device=y.device)
    n = torch.arange(y.shape[1], device=y.device) // (y.shape[1] // g.batch)
    index, across = tl.int64 if wide(columns, to_image) else tl.int32, block(share, 256)
    for part in range(g.offset_groups):
        top, left = y[part].floor(), x[part].floor()
        distances = torch.stack([y[part] - top, x[part] - left], 1)
        near = (top >= -1) & (top < height) & (left >= -1) & (left < width)
        row, column = (torch.where(near, one, 0).long() + 1 for one in (top, left))
        key = torch.where(near, n * keys_per_image + row * (width + 1) + column, g.batch * keys_per_image)
        found, order = key.sort(stable=True)
        starts = torch.searchsorted(found, wanted)
        launch(
            sums_kernel,
            (g.batch * height * width, tiles(share, across)),
            columns,
            order,
            starts,
            distances,
            to_image,
            height,
            width,
            g.channels,
            part,
            share,
            INDEX=index,
            BN=across,
            num_warps=2,
            enable_fp_fusion=True,
        )
