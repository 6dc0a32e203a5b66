"""Deformable convolution on a GPU, backward: the gradients of image, offset and mask, and where they are put together.

A program takes BM positions, one tap and one deformable group: the columns' gradient is a product of the result's with
the weights, made BN channels at a time and used at once. Its products with the four pixels sum to the gradients of
offset and mask; it is added to the four pixels itself, by atomics, or, where the result is to be the same bit for bit,
written down and summed in order (deform_conv2d_triton_sorted.py). Names and layouts: deform_conv2d_triton_samples.py.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, unused-ignore"

import torch
import triton
import triton.language as tl
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry
from dmbench.layers.kernels.deform_conv2d_triton_plan import grid_of, plan_samples, precision_of, total, wide
from dmbench.layers.kernels.deform_conv2d_triton_samples import corner, launch, locate

NOTHING, ADDED, WRITTEN = 0, 1, 2  # what becomes of the columns' gradient


@triton.jit
def samples_kernel(
    upstream,
    image,
    offset,
    mask,
    weight,
    to_image,
    to_offset,
    to_mask,
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
    SCATTER: tl.constexpr,
    PRECISION: tl.constexpr,
    INDEX: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
):
    taps: tl.constexpr = GRID[0] * GRID[1]
    share, cell, each = channels // GROUPS, channels // CELLS, filters // GROUPS
    program, split = tl.program_id(0), tl.program_id(1)
    tap, part = program % taps, program // taps % SETS
    position = (program // (taps * SETS)).to(INDEX) * BM + tl.arange(0, BM)
    valid = position < positions
    first, inside, ly, lx, m = locate(
        offset, mask, position, valid, tap, part, height, width, out_width, area, GRID, SETS, INDEX
    )
    to_y = tl.zeros((BM,), tl.float32)
    to_x = tl.zeros((BM,), tl.float32)
    to_m = tl.zeros((BM,), tl.float32)
    blocks = tl.cdiv(cell, BN)
    every = blocks * (CELLS // SETS)
    for index in range(split * every // SPLIT, (split + 1) * every // SPLIT):
        start = (part * (CELLS // SETS) + index // blocks) * cell
        within = index % blocks * BN + tl.arange(0, BN)
        ok = within < cell
        group = start // share
        tile = tl.zeros((BM, BN), tl.float32)
        for begin in range(0, each, BK):
            f = begin + tl.arange(0, BK)
            row = (group * each + f).to(INDEX)
            up = tl.load(
                upstream + (position * filters)[:, None] + row[None, :],
                mask=valid[:, None] & (f < each)[None, :],
                other=0.0,
            )
            w = tl.load(
                weight + (row * (taps * share))[:, None] + (tap * share + start % share + within)[None, :],
                mask=(f < each)[:, None] & ok[None, :],
                other=0.0,
            )
            tile = tl.dot(up, w, tile, input_precision=PRECISION)
        channel = start + within
        # One corner after the other: side by side they take more registers than there are.
        for which in range(4):
            down, along = which // 2, which % 2
            near_y, near_x = tl.where(down == 1, ly, 1 - ly), tl.where(along == 1, lx, 1 - lx)
            pixel, here = first + down * width + along, (inside >> which) & 1
            if to_offset is not None:
                dot = tl.sum(tile * corner(image, pixel, here, channel, ok, channels), 1)
                to_y += tl.where(down == 1, dot, -dot) * near_x
                to_x += tl.where(along == 1, dot, -dot) * near_y
                to_m += dot * near_y * near_x
            if SCATTER == 1:
                at = to_image + pixel[:, None] * channels + channel[None, :]
                sure = (here != 0)[:, None] & ok[None, :]
                tl.atomic_add(at, tile * (near_y * near_x * m)[:, None], mask=sure, sem="relaxed")
        if SCATTER == 2:
            at = to_image + ((position * taps + tap) * channels)[:, None] + channel[None, :]
            tl.store(at, tile * m[:, None], mask=valid[:, None] & ok[None, :])

    if to_offset is not None:
        n, place = position // area, position % area
        at = (n * SETS + part) * taps + tap + split.to(INDEX) * (positions // area) * (SETS * taps)
        tl.store(to_offset + at * 2 * area + place, to_y * m, mask=valid)
        tl.store(to_offset + (at * 2 + 1) * area + place, to_x * m, mask=valid)
        if to_mask is not None:
            tl.store(to_mask + at * area + place, to_m, mask=valid)


def to_samples(
    upstream: Tensor,
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    to_image: Tensor | None,
    written: bool,
    coordinates: bool,
    g: Geometry,
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of offset and mask, float32, where `coordinates`; give `to_image` what it asks for.

    upstream: channels last in memory, as image; offset, mask: contiguous; weight: (Cout, K, C / groups), contiguous.
    to_image: float32; (N, H, W, C), to be added to, or (positions, K, C) where `written`; None where it is not wanted.
    """
    filters = weight.shape[0]
    plan = plan_samples(g, filters, image.dtype, image.device)
    to_offset = to_mask = None
    if coordinates:
        to_offset = torch.empty(plan.split, *offset.shape, dtype=torch.float32, device=image.device)
        to_mask = None if mask is None else to_offset.new_empty(plan.split, *mask.shape)
    scatter = NOTHING if to_image is None else WRITTEN if written else ADDED
    indexed = [t for t in (image, offset, upstream, to_image, to_offset) if t is not None]
    launch(
        samples_kernel,
        (triton.cdiv(g.positions, plan.m) * g.taps * g.offset_groups, plan.split),
        upstream,
        image,
        offset,
        mask,
        weight,
        to_image,
        to_offset,
        to_mask,
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
        SCATTER=scatter,
        PRECISION=precision_of(image.dtype),
        INDEX=tl.int64 if wide(*indexed) else tl.int32,
        **plan.options,
    )
    return None if to_offset is None else total(to_offset), None if to_mask is None else total(to_mask)
