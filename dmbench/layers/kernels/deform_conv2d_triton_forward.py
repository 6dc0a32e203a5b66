"""Deformable convolution on a GPU, forward: one product whose left factor is gathered while it is needed.

A program makes BM positions of BN filters of a group: for each tap and each part of the channels that lies in one group
and one deformable group (a cell) it reads the offsets once, then for every BK channels the four pixels of each sample,
and multiplies. Small pictures are split by taps, so that all multiprocessors have work; the parts are added up after.
Names and layouts: deform_conv2d_triton_samples.py.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, unused-ignore"

import torch
import triton
import triton.language as tl
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry
from dmbench.layers.kernels.deform_conv2d_triton_plan import grid_of, plan_forward, precision_of, strides_of, wide
from dmbench.layers.kernels.deform_conv2d_triton_samples import launch, locate, sample


@triton.jit
def forward_kernel(
    image,
    offset,
    mask,
    weight,
    bias,
    out,
    positions,
    height,
    width,
    out_width,
    area,
    channels,
    filters,
    out_n,
    out_c,
    out_p,
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
    blocks = tl.cdiv(each, BN)
    program, split = tl.program_id(0), tl.program_id(1)
    # Programs of the same positions follow each other, so that they find the pixels in the cache.
    group = program % (blocks * GROUPS) // blocks
    f = program % blocks * BN + tl.arange(0, BN)
    position = (program // (blocks * GROUPS)).to(INDEX) * BM + tl.arange(0, BM)
    valid = position < positions
    rows = (group * each + f).to(INDEX) * (taps * share)

    tile = tl.zeros((BM, BN), tl.float32)
    for tap in range(split * taps // SPLIT, (split + 1) * taps // SPLIT):
        for part in range(CELLS // GROUPS):
            start = group * share + part * cell
            owner = start // (channels // SETS)
            first, inside, ly, lx, m = locate(
                offset, mask, position, valid, tap, owner, height, width, out_width, area, GRID, SETS, INDEX
            )
            for begin in range(0, cell, BK):
                channel = begin + tl.arange(0, BK)
                ok = channel < cell
                columns = sample(image, first, inside, ly, lx, m, start + channel, ok, width, channels)
                w = tl.load(
                    weight + rows[None, :] + (tap * share + part * cell + channel)[:, None],
                    mask=ok[:, None] & (f < each)[None, :],
                    other=0.0,
                )
                tile = tl.dot(columns.to(w.dtype), w, tile, input_precision=PRECISION)
    column = (group * each + f).to(INDEX)
    if bias is not None:
        tile += tl.load(bias + column, mask=f < each, other=0.0).to(tl.float32)[None, :]
    n, place = position // area, position % area
    out += split.to(INDEX) * positions * filters
    at = out + (n * out_n + place * out_p)[:, None] + (column * out_c)[None, :]
    tl.store(at, tile.to(out.dtype.element_ty), mask=valid[:, None] & (f < each)[None, :])


def convolve(
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    out: Tensor,
    g: Geometry,
) -> None:
    """Write the convolution to `out`, (N, Cout, Ho, Wo), contiguous or channels last.

    image: channels last in memory; offset, mask: contiguous; weight: (Cout, K, C / groups), contiguous.
    """
    filters = weight.shape[0]
    plan = plan_forward(g, filters, image.dtype, image.device)
    target, added = out, bias
    if plan.split > 1:
        shape = (plan.split, g.batch, *g.output, filters)
        target, added = torch.empty(shape, dtype=torch.float32, device=image.device), None
    launch(
        forward_kernel,
        (triton.cdiv(g.positions, plan.m) * g.groups * triton.cdiv(filters // g.groups, plan.n), plan.split),
        image,
        offset,
        mask,
        weight,
        added,
        target,
        g.positions,
        *g.image,
        g.output[1],
        g.output[0] * g.output[1],
        g.channels,
        filters,
        *(strides_of(out) if target is out else (g.output[0] * g.output[1] * filters, 1, filters)),
        GRID=grid_of(g),
        GROUPS=g.groups,
        SETS=g.offset_groups,
        CELLS=g.cells,
        SPLIT=plan.split,
        PRECISION=precision_of(image.dtype),
        INDEX=tl.int64 if wide(image, offset, target) else tl.int32,
        **plan.options,
    )
    if target is not out:
        total = target.sum(0)
        out.copy_((total if bias is None else total + bias.float()).permute(0, 3, 1, 2))
