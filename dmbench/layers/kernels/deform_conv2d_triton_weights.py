"""Deformable convolution on a GPU: the weights' gradient, from columns that are gathered once more.

A program makes BM filters of BN channels for one tap, and sums a part of the positions; the parts are added up after,
always in one order. Names and layouts: deform_conv2d_triton_samples.py.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, unused-ignore"

import torch
import triton
import triton.language as tl
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry
from dmbench.layers.kernels.deform_conv2d_triton_plan import grid_of, plan_weights, precision_of, total, wide
from dmbench.layers.kernels.deform_conv2d_triton_samples import launch, locate, sample


@triton.jit
def weights_kernel(
    upstream,
    image,
    offset,
    mask,
    to_weight,
    positions,
    height,
    width,
    out_width,
    area,
    channels,
    filters,
    GRID: tl.constexpr,
    GROUPS: tl.constexpr,
    SETS: tl.constexpr,
    CELLS: tl.constexpr,
    SPLIT: tl.constexpr,
    PRECISION: tl.constexpr,
    INDEX: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    taps: tl.constexpr = GRID[0] * GRID[1]
    share, cell, each = channels // GROUPS, channels // CELLS, filters // GROUPS
    program, split = tl.program_id(0), tl.program_id(1)
    # Programs of the same columns follow each other.
    f_blocks, c_blocks = tl.cdiv(each, BM), tl.cdiv(cell, BN)
    f = program % f_blocks * BM + tl.arange(0, BM)
    program = program // f_blocks
    within = program % c_blocks * BN + tl.arange(0, BN)
    program = program // c_blocks
    tap, index = program % taps, program // taps
    start = index * cell
    row = (start // share * each + f).to(INDEX)
    ok = within < cell

    tile = tl.zeros((BM, BN), tl.float32)
    steps = tl.cdiv(positions, BK)
    # Whole steps to each part: the last may have fewer.
    most = tl.cdiv(steps, SPLIT)
    for step in range(split * most, tl.minimum((split + 1) * most, steps)):
        position = (step + tl.zeros((BK,), INDEX)) * BK + tl.arange(0, BK)
        valid = position < positions
        owner = start // (channels // SETS)
        first, inside, ly, lx, m = locate(
            offset, mask, position, valid, tap, owner, height, width, out_width, area, GRID, SETS, INDEX
        )
        columns = sample(image, first, inside, ly, lx, m, start + within, ok, width, channels)
        up = tl.load(
            upstream + (position * filters)[None, :] + row[:, None],
            mask=valid[None, :] & (f < each)[:, None],
            other=0.0,
        )
        tile = tl.dot(up, columns.to(up.dtype), tile, input_precision=PRECISION)
    to_weight += split.to(INDEX) * filters * taps * share
    at = to_weight + (row * (taps * share))[:, None] + (tap * share + start % share + within)[None, :]
    tl.store(at, tile, mask=(f < each)[:, None] & ok[None, :])


def to_weights(
    upstream: Tensor, image: Tensor, offset: Tensor, mask: Tensor | None, filters: int, g: Geometry
) -> Tensor:
    """Return the gradient of the weights, (Cout, K, C / groups), float32. upstream, image: channels last in memory."""
    plan = plan_weights(g, filters, image.dtype, image.device)
    shape = (plan.split, filters, g.taps, g.channels // g.groups)
    parts = torch.empty(shape, dtype=torch.float32, device=image.device)
    cell = g.channels // g.cells
    launch(
        weights_kernel,
        (triton.cdiv(filters // g.groups, plan.m) * triton.cdiv(cell, plan.n) * g.taps * g.cells, plan.split),
        upstream,
        image,
        offset,
        mask,
        parts,
        g.positions,
        *g.image,
        g.output[1],
        g.output[0] * g.output[1],
        g.channels,
        filters,
        GRID=grid_of(g),
        GROUPS=g.groups,
        SETS=g.offset_groups,
        CELLS=g.cells,
        SPLIT=plan.split,
        PRECISION=precision_of(image.dtype),
        INDEX=tl.int64 if wide(image, offset, upstream, parts) else tl.int32,
        **plan.options,
    )
    return total(parts)
