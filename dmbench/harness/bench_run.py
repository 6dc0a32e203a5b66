"""Timing a case: ours and its peers in one process, in turn, so that what disturbs one disturbs the other.

What is claimed is a ratio of such pairs, which holds on a busy machine where a time does not: over 20 runs times varied
by 6 % at best, and paired ratios by 5 %, on two busy cores; a wall clock by 40 %.
"""

import gc
import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from dmbench.harness.bench_cases import OURS, Case, attempt
from dmbench.harness.bench_counters import work
from dmbench.harness.bench_machine import machine_name, roofline
from dmbench.harness.bench_records import Timing
from dmbench.harness.bench_stats import median_interval
from dmbench.harness.device import clock_of, peak_bytes, sampler
from dmbench.harness.environment import commit, environment

LEAST_ROUNDS, MOST_ROUNDS = 7, 31  # fewer than 6 pairs have no 95 % interval
LEAST_SECONDS = 0.005  # of a sample: the clock's own half microsecond is nothing beside it

Run = Callable[[], object]


def measure(case: Case, device: torch.device, threads: int = 1, *, peers: bool = True, budget: float = 3.0) -> Timing:
    """Time one case.

    Args:
        case: which.
        device: where; the environment of the result is read after the last run, while the clocks are still up.
        threads: torch's, at least 1.
        peers: time the other implementations as well.
        budget: seconds of timing, once each implementation has been timed 7 times.

    Returns:
        The timing; what could not run is in `missing`, and without ours `seconds` is empty.
    """
    set_threads(threads)
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()  # what earlier cases compiled counts against the limit beyond which it compiles no more
    names = (case.implementations if peers else case.implementations[:1]) or (OURS,)
    runs: dict[str, Run] = {}
    declared: dict[str, int] = {}
    missing: dict[str, str] = {}
    for name in names:
        suite, reason = attempt(lambda name=name: _ready(case, name, str(device)))  # type: ignore[misc]
        if reason:
            missing[name] = reason
        else:
            runs[name], declared[name] = suite.run, getattr(suite, "flops", 0)
    if OURS not in runs:
        runs.clear()
    samples = interleave(runs, device, budget)
    done = work(runs[OURS]) if runs else None
    roof = roofline(device, done.dtype if done else torch.float32, threads)
    head, dirty = commit()
    return Timing(
        machine=machine_name(device),
        stem=case.stem,
        case=case.name,
        device=str(device),
        threads=threads,
        seconds={name: _digits(median_interval(times)[0]) for name, times in samples.items()},
        ratios={name: ratio(samples[OURS], times) for name, times in samples.items() if name != OURS},
        peak_bytes={name: peak_bytes(run, device) for name, run in runs.items()},
        missing=missing,
        flops=(declared[OURS] or done.flops) if done else 0,
        traffic=done.traffic if done else 0,
        dtype=str(done.dtype).removeprefix("torch.") if done else "",
        peak_flops=_digits(roof.flops),
        bandwidth=_digits(roof.bandwidth),
        rounds=len(samples.get(OURS, ())),
        clock=clock_of(device),
        headline=case.headline,
        own=list(case.own),
        commit=head,
        dirty=dirty,
        environment=environment(device),
    )


def set_threads(threads: int) -> None:
    """Set torch's threads, in the suites' `setup` as well."""
    torch.set_num_threads(threads)
    common: Any = sys.modules.get("benchmarks._common")
    if common is not None:
        common.THREADS = threads


def _ready(case: Case, implementation: str, device: str) -> Any:
    suite = case.setup(implementation, device)
    for _ in range(2):  # compiles, fills caches; an implementation that is not here says so by now
        suite.run()
    return suite


def interleave(runs: Mapping[str, Run], device: torch.device, budget: float) -> dict[str, list[float]]:
    """Take samples of all runs in rounds, each beginning with another run; return them by name, in seconds."""
    take = {name: sampler(run, device, number=_enough(run, device)) for name, run in runs.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    names, end = list(runs), time.perf_counter() + budget
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for index in range(MOST_ROUNDS if runs else 0):
            if index >= LEAST_ROUNDS and time.perf_counter() > end:
                break
            first = index % len(names)
            for name in names[first:] + names[:first]:
                samples[name].append(take[name]())
    finally:
        if collecting:
            gc.enable()
    return samples


def _enough(run: Run, device: torch.device) -> int:
    """Return how many runs make a sample long enough for the clock."""
    once = sampler(run, device)()
    return 1 if device.type == "cuda" else max(1, min(1000, math.ceil(LEAST_SECONDS / max(once, 1e-7))))


def ratio(ours: list[float], theirs: list[float]) -> list[float]:
    """Return their time over ours, of pairs: median, low, high."""
    return [_digits(part) for part in median_interval([b / a for a, b in zip(ours, theirs, strict=True)])]


def _digits(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")
