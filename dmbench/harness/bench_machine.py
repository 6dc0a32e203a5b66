"""The machine that a benchmark runs on: its name, and the peaks that throughput is a fraction of."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from dmbench.harness.device import sampler


@dataclass(frozen=True)
class Roof:
    """What the machine itself reaches in this process: FLOP/s of a large product, bytes/s of a large copy."""

    flops: float
    bandwidth: float


def machine_name(device: torch.device) -> str:
    """Return what results are filed under: `cpu-2-cores` as asv's are, or the GPU's name."""
    if device.type == "cuda":
        return re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(device).lower()).strip("-")
    return f"cpu-{os.cpu_count()}-cores"


@cache
def roofline(device: torch.device, dtype: torch.dtype, threads: int, seconds: float = 1.0) -> Roof:
    """Measure the peaks: of each, the best within `seconds`, by the clock that runs are timed with.

    A product of two square matrices, 2 * side**3 FLOPs, of `dtype` (float32 for one that has no product); a copy of a
    tensor larger than the caches, which reads and writes each byte once.

    threads: as set in torch, so that another number is another measurement.
    """
    gpu = device.type == "cuda"
    kind = dtype if dtype.is_floating_point else torch.float32
    side = 8192 if gpu else 1024
    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    product = torch.empty_like(left)
    source = torch.ones(1 << (30 if gpu else 27), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Roof(
        flops=2 * side**3 / _best(lambda: torch.mm(left, right, out=product), device, seconds),
        bandwidth=2 * source.nbytes / _best(lambda: target.copy_(source), device, seconds),
    )


def _best(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    run()
    sample, end = sampler(run, device), time.perf_counter() + seconds
    best = min(sample() for _ in range(3))
    while time.perf_counter() < end:
        best = min(best, sample())
    return best
