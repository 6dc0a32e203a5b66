"""Deformable convolution on a GPU, what all its kernels share: where a sample lies, and what is read there.

Source: Eqs. 2 to 4 of dmbench/layers/deform_conv2d.py, the canonical form. Imported only where triton is.

Names in the kernels: positions N * Ho * Wo; place, a position in its own picture; area Ho * Wo; GRID (kh, kw, stride,
padding, dilation; each rows and then columns); SETS deformable groups; INDEX int32, or int64 past 2^31 elements.
Layouts: image (N, H, W, C); offset (N, SETS, K, 2, area) and mask (N, SETS, K, area); weight (Cout, K, C / groups).
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, unused-ignore"

from typing import Any

import triton
import triton.language as tl


@triton.jit
def locate(offset, mask, position, valid, tap, part, height, width, out_width, area, GRID: tl.constexpr, SETS, INDEX):
    """Return for each position: its pixel above and to the left, the corners inside, its distances, its modulation.

    part: the deformable group. The corners are bits, 1 and 2 above, 4 and 8 below. A NaN stays in the distances; of a
    sample outside, however far, no corner is inside.
    """
    n, place = position // area, position % area
    channel = ((n * SETS + part) * GRID[0] * GRID[1] + tap) * area
    along = channel * 2 + place
    y = tl.load(offset + along, mask=valid, other=0.0).to(tl.float32)
    x = tl.load(offset + along + area, mask=valid, other=0.0).to(tl.float32)
    y += (place // out_width * GRID[2] - GRID[4] + tap // GRID[1] * GRID[6]).to(tl.float32)
    x += (place % out_width * GRID[3] - GRID[5] + tap % GRID[1] * GRID[7]).to(tl.float32)
    # Where it is clamped all four pixels are outside; an infinity becomes finite, and a NaN stays by the comparison.
    y = tl.where(y < -2, -2.0, y)
    x = tl.where(x < -2, -2.0, x)
    y = tl.where(y > height, height * 1.0, y)
    x = tl.where(x > width, width * 1.0, x)
    top, left = tl.floor(y), tl.floor(x)
    ly, lx = y - top, x - left
    rows = tl.where((top >= 0) & (top < height), 3, 0) | tl.where((top >= -1) & (top < height - 1), 12, 0)
    columns = tl.where((left >= 0) & (left < width), 5, 0) | tl.where((left >= -1) & (left < width - 1), 10, 0)
    inside = tl.where(valid, rows & columns, 0)
    row, column = tl.where(inside != 0, top, 0.0).to(INDEX), tl.where(inside != 0, left, 0.0).to(INDEX)
    first = (n * height + row) * width + column
    m = tl.full(ly.shape, 1.0, tl.float32)
    if mask is not None:
        m = tl.load(mask + channel + place, mask=valid, other=0.0).to(tl.float32)
    return first, inside, ly, lx, m


@triton.jit
def corner(image, pixel, inside, channel, ok, channels):
    """Return what stands at the pixels in the channels, (pixels, channels) float32, zero outside."""
    at = image + pixel[:, None] * channels + channel[None, :]
    return tl.load(at, mask=(inside != 0)[:, None] & ok[None, :], other=0.0).to(tl.float32)


@triton.jit
def sample(image, first, inside, ly, lx, m, channel, ok, width, channels):
    """Return the samples of Eqs. 3 and 4, modulated, (positions, channels) float32."""
    high, low, right = (1 - ly) * m, ly * m, 1 - lx
    total = corner(image, first, inside & 1, channel, ok, channels) * (high * right)[:, None]
    total += corner(image, first + 1, inside & 2, channel, ok, channels) * (high * lx)[:, None]
    total += corner(image, first + width, inside & 4, channel, ok, channels) * (low * right)[:, None]
    total += corner(image, first + width + 1, inside & 8, channel, ok, channels) * (low * lx)[:, None]
    return total


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
    """Start a kernel; the one place where any is started."""
    kernel[grid](*arguments, **options)
