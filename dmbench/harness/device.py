"""The one way to time, and the one way to read peak memory; on a CPU and on a CUDA device.

Times are seconds, memory is bytes, so that more of either is worse.
"""

import ctypes
import time
from collections.abc import Callable

import torch

LEAST_SAMPLES = 5  # below, a test of two sets of samples can say nothing
CPU_TIME, WALL, CUDA_EVENTS = "CPU time", "wall", "CUDA events"
MALLOPT = {-4: 0, -1: 2**31 - 1, -2: 1 << 28}  # malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD


def pick_device(name: str) -> torch.device:
    """Return the device called `name`: "cpu", "cuda", "cuda:1", or "auto": CUDA where there is a device.

    Raises:
        ValueError: no such device on this machine; the message says which there are.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    names = ["cpu", *["cuda"][:gpus], *(f"cuda:{index}" for index in range(gpus))]
    if name not in names:
        raise ValueError(f"no device {name} here: choose from auto, {', '.join(names)}")
    return torch.device(name)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was told; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for good; return whether its C library can (glibc).

    Otherwise each large temporary is fetched from the system anew, page by page. That takes longer than the work on
    it, and how long differs from process to process: PSNR of 1024 x 1024 pixels took 2 ms in one and 14 ms in the next.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(option, value) for option, value in MALLOPT.items())


def clock_of(device: torch.device) -> str:
    """Return which clock `sampler` reads: "CUDA events", or on a CPU "CPU time" with one thread and else "wall".

    The CPU time of a process leaves out what the machine gave to others: on two busy cores 20 runs varied by 14 %
    (6 % with `keep_freed_memory`), where a wall clock varied by 33 to 44 %. With several threads it is their sum, which
    hides what they gain and counts what they wait for each other.
    """
    if device.type == "cuda":
        return CUDA_EVENTS
    fine = time.get_clock_info("process_time").resolution <= 1e-6  # on Windows it ticks 64 times a second
    return CPU_TIME if torch.get_num_threads() == 1 and fine else WALL


def sampler(run: Callable[[], object], device: torch.device, clock: str = "", number: int = 1) -> Callable[[], float]:
    """Return a function that takes one sample: the seconds of a run, averaged over `number` of them in a row.

    On a GPU, where `number` is 1, the sample lies between two CUDA events, after the L2 cache was overwritten; on a CPU
    it is read off `clock`, by default that of `clock_of`, with the caches as the run before left them. A run that goes
    on in another process has a `sample` of its own, which takes the clock's name, or "wall", and returns seconds.
    """
    elsewhere: Callable[[str], float] | None = getattr(run, "sample", None)
    if elsewhere is not None:
        name = WALL if device.type == "cuda" else clock or clock_of(device)
        return lambda: sum(elsewhere(name) for _ in range(number)) / number
    if device.type == "cuda":
        return _gpu_sampler(run, device)
    now = time.process_time if (clock or clock_of(device)) == CPU_TIME else time.perf_counter

    def sample() -> float:
        start = now()
        for _ in range(number):
            run()
        return (now() - start) / number

    return sample


def seconds(
    run: Callable[[], object],
    device: torch.device,
    *,
    repeats: int = 20,
    warmup: int = 3,
    budget: float = 2.0,
    clock: str = "",
) -> list[float]:
    """Time single runs, each as `sampler` does.

    Args:
        run: what to time; on a GPU it may return before the device is done.
        device: where run does its work.
        repeats: how many samples, at least 1.
        warmup: how many runs go before, untimed, at least 0.
        budget: seconds; once they are spent, fewer runs will do: 1 of the warm-up and 5 samples.
        clock: on a CPU, "CPU time" or "wall"; by default that of `clock_of`.

    Returns:
        The samples in the order of measuring, between min(repeats, 5) and repeats of them.

    Raises:
        ValueError: repeats, warmup or budget is too small.
    """
    if repeats < 1 or warmup < 0 or budget < 0:
        raise ValueError(f"need repeats >= 1, warmup >= 0, budget >= 0: {repeats}, {warmup}, {budget}")
    sample = sampler(run, device, clock)
    end = time.perf_counter() + budget
    for index in range(warmup):
        if index >= 1 and time.perf_counter() > end:
            break
        sample()
    samples: list[float] = []
    while len(samples) < repeats:
        if len(samples) >= LEAST_SAMPLES and time.perf_counter() > end:
            break
        samples.append(sample())
    return samples


def _gpu_sampler(run: Callable[[], object], device: torch.device) -> Callable[[], float]:
    cache = torch.cuda.get_device_properties(device).L2_cache_size
    flush = torch.empty(2 * cache, dtype=torch.uint8, device=device)

    def sample() -> float:
        with torch.cuda.device(device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            # While the device overwrites its cache, the host is already queueing the run: its launch is not timed.
            flush.zero_()
            start.record()
            run()
            end.record()
            end.synchronize()
        return float(start.elapsed_time(end)) / 1000  # CUDA counts milliseconds

    return sample


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Measure the most memory that one run's tensors occupy at a time, beyond what was occupied before.

    A first run goes unmeasured, since it fills caches that stay. The figure is the allocator's own: on a GPU
    `torch.cuda.max_memory_allocated`, on a CPU the running total of the profiler's allocation events. It is the same
    each time. What is not allocated by torch (numpy, Python) does not count. A run that goes on in another process has
    a `peak_bytes` of its own.

    Args:
        run: what to measure; what it returns counts.
        device: where run does its work.

    Returns:
        Bytes, at least 0.
    """
    elsewhere: Callable[[], int] | None = getattr(run, "peak_bytes", None)
    if elsewhere is not None:
        return elsewhere()
    run()
    if device.type == "cuda":
        synchronise(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        synchronise(device)
        return torch.cuda.max_memory_allocated(device) - before
    total = peak = 0
    for size in allocations(run):
        total += size
        peak = max(peak, total)
    return peak


def allocations(run: Callable[[], object]) -> list[int]:
    """Return what torch allocates (above 0) and frees (below) on a CPU in one run, bytes, in order."""
    with torch.autograd.profiler.profile(profile_memory=True) as profiler:
        run()
    events = [e for e in profiler.kineto_results.events() if e.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda e: e.start_ns())]
