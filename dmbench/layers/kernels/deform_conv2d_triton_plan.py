"""Deformable convolution on a GPU: how its kernels are cut into programs. No triton is needed here.

The sizes are heuristics, not measured on a GPU yet; any give the same result but for the order of sums.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dmbench.layers.kernels.deform_conv2d_cpu import Geometry

INT32 = 2**31  # from so many elements on, 64-bit indices
PROCESSORS = 132  # of an H200: where no device can be asked


@dataclass(frozen=True)
class Plan:
    """A tile of m x n, k summed at a time, the sum split; 32 * warps threads."""

    m: int
    n: int
    k: int
    split: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of a launch."""
        return {
            "BM": self.m,
            "BN": self.n,
            "BK": self.k,
            "num_warps": self.warps,
            "num_stages": self.stages,
            "enable_fp_fusion": True,  # as ever; triton 3.9 warns where it is not said
        }


def plan_forward(g: Geometry, filters: int, dtype: torch.dtype, device: torch.device) -> Plan:
    """(positions, filters), summed over channels; split by taps."""
    n = block(filters // g.groups, 128 if dtype == torch.float32 else 256)
    k = block(g.channels // g.cells, 32)
    across = g.groups * tiles(filters // g.groups, n)
    # The rows that the busiest multiprocessor makes: few larger tiles leave others idle. In float32 they would spill.
    heights = (64,) if dtype == torch.float32 else (128, 64)
    m = min(heights, key=lambda m: m * tiles(tiles(g.positions, m) * across, processors(device)))
    split = max(1, min(g.taps, processors(device) // (tiles(g.positions, m) * across)))
    return Plan(m, n, k, split, 8 if n >= 64 else 4, 2 if m == 128 or dtype == torch.float32 else 3)


def plan_samples(g: Geometry, filters: int, dtype: torch.dtype, device: torch.device) -> Plan:
    """(positions, channels), summed over filters; split by blocks of channels."""
    cell = g.channels // g.cells
    n = block(cell, 64 if dtype == torch.float32 else 128)
    k = block(filters // g.groups, 32 if dtype == torch.float32 else 64)
    programs = tiles(g.positions, 64) * g.taps * g.offset_groups
    blocks = g.cells // g.offset_groups * tiles(cell, n)
    split = max(1, min(blocks, 2 * processors(device) // programs))
    return Plan(64, n, k, split, 8 if n >= 64 else 4, 2)


def plan_weights(g: Geometry, filters: int, dtype: torch.dtype, device: torch.device) -> Plan:
    """(filters, channels), summed over positions; split by positions."""
    each, cell = filters // g.groups, g.channels // g.cells
    m, n = block(each, 128 if dtype == torch.float32 else 256), block(cell, 64)
    programs = tiles(each, m) * tiles(cell, n) * g.taps * g.cells
    split = max(1, min(2 * processors(device) // programs, tiles(g.positions, 256)))
    return Plan(m, n, 32, split, 8 if m * n > 64 * 64 else 4, 2)


def block(size: int, most: int) -> int:
    """Return a power of two, of 16 at least, which `tl.dot` takes, and `most` at most, near above size."""
    return max(16, min(most, 1 << (size - 1).bit_length()))


def tiles(size: int, tile: int) -> int:
    """Return how many tiles cover size."""
    return -(-size // tile)


def processors(device: torch.device) -> int:
    """Return the multiprocessors of the device."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else PROCESSORS


def precision_of(dtype: torch.dtype) -> str:
    """Return tl.dot's input_precision: tf32 where torch allows it in matrix products, else three tf32 products for one.

    Those keep about 22 bits of each factor, and run on the matrix units, as plain float32 does not.
    """
    matmul = torch.backends.cuda.matmul
    # fp32_precision came with torch 2.9; once it was set, the older flag raises.
    allowed = matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32
    return "tf32x3" if dtype == torch.float32 and not allowed else "tf32"


def wide(*tensors: Tensor) -> bool:
    """Whether an index into any of them can pass 2^31."""
    return any(tensor.numel() >= INT32 - (1 << 24) for tensor in tensors)  # a block may reach past the end


def total(parts: Tensor) -> Tensor:
    """Return the sum of what the splits made, always in one order."""
    return parts.sum(0) if len(parts) > 1 else parts[0]


def grid_of(g: Geometry) -> tuple[int, ...]:
    """Return kernel, stride, padding and dilation, each rows and then columns."""
    return (*g.kernel, *g.stride, *g.padding, *g.dilation)


def strides_of(tensor: Tensor) -> tuple[int, int, int]:
    """Return the steps of n, of the channel and of the place, (N, C, H, W) contiguous or channels last."""
    _, channels, rows, columns = tensor.shape
    area = rows * columns
    if tensor.is_contiguous():
        return channels * area, area, 1
    return channels * area, 1, channels
