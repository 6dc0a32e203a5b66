"""Timing and peak memory: cases that can be computed by hand, and a CUDA device that only writes down its orders."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from dmbench.harness.device import (
    CPU_TIME,
    CUDA_EVENTS,
    WALL,
    clock_of,
    peak_bytes,
    pick_device,
    sampler,
    seconds,
    synchronise,
)

CPU = torch.device("cpu")


def doubles(count):
    return torch.empty(count, dtype=torch.float64)


def test_the_peak_is_the_largest_running_total_and_not_the_sum():
    def run():
        a = doubles(1000)
        b = doubles(500)
        del a
        c = doubles(200)
        del b
        return c

    assert peak_bytes(run, CPU) == 8 * 1500


def test_the_peak_comes_last_where_nothing_is_freed():
    def run():
        kept = [doubles(count) for count in (100, 200, 300)]
        return sum(len(tensor) for tensor in kept)

    assert peak_bytes(run, CPU) == 8 * 600


def test_temporaries_of_an_expression_count_while_they_live():
    x = torch.ones(1000)
    assert peak_bytes(lambda: x * x * x * x, CPU) == 2 * 4 * 1000


def test_what_was_allocated_before_does_not_count():
    before = [doubles(100_000)]

    def run():
        before.clear()
        return doubles(10)

    assert peak_bytes(run, CPU) == 80


def test_the_peak_is_exactly_repeatable():
    torch.manual_seed(0)
    layer, x = torch.nn.Conv2d(3, 8, 3), torch.rand(2, 3, 20, 20)
    parameters = list(layer.parameters())

    def run():
        return torch.autograd.grad(layer(x).square().sum(), parameters)

    assert len({peak_bytes(run, CPU) for _ in range(5)}) == 1


def test_a_run_without_tensors_takes_no_memory():
    assert peak_bytes(lambda: None, CPU) == 0


def test_samples_are_seconds_of_single_runs():
    samples = seconds(lambda: time.sleep(0.01), CPU, repeats=7, warmup=0, clock=WALL)
    assert len(samples) == 7
    assert min(samples) >= 0.01
    assert sorted(samples)[3] < 0.1


def test_the_warm_up_runs_and_is_not_timed():
    naps = [0.2, 0.2, 0.001, 0.001]
    assert max(seconds(lambda: time.sleep(naps.pop(0)), CPU, repeats=2, warmup=2, clock=WALL)) < 0.15
    assert naps == []


def test_a_spent_budget_leaves_one_warm_up_run_and_five_samples():
    runs = []
    assert len(seconds(lambda: runs.append(1), CPU, repeats=20, warmup=3, budget=0)) == 5
    assert len(runs) == 6


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warmup": -1}, {"budget": -1.0}])
def test_seconds_refuses_counts_that_are_too_small(wrong):
    with pytest.raises(ValueError, match="need repeats >= 1, warmup >= 0, budget >= 0"):
        seconds(lambda: None, CPU, **wrong)


def test_kept_memory_is_not_fetched_from_the_system_again():
    program = """
import resource
from dmbench.harness.device import keep_freed_memory
import torch

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(1 << 23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

loose = faults()
if keep_freed_memory():
    torch.ones(1 << 23)
    print(loose, faults())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if not done.stdout:
        pytest.skip("the C library is not glibc")
    loose, kept = map(int, done.stdout.split())
    assert kept < 0.1 * loose


def test_one_thread_is_timed_by_its_cpu_time_and_several_by_the_wall(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert clock_of(CPU) == CPU_TIME
    assert max(seconds(lambda: time.sleep(0.02), CPU, repeats=5, warmup=0)) < 0.01
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert clock_of(CPU) == WALL
    assert min(seconds(lambda: time.sleep(0.02), CPU, repeats=5, warmup=0)) >= 0.02
    assert clock_of(torch.device("cuda")) == CUDA_EVENTS


def test_a_sample_is_the_mean_of_its_runs():
    runs = []
    assert 0.01 <= sampler(lambda: (runs.append(1), time.sleep(0.01)), CPU, WALL, number=5)() < 0.05
    assert len(runs) == 5


class Gpu:
    """A device that works through its queue after the host has gone on: what it does when is in milliseconds."""

    type = "cuda"
    L2_cache_size = 50

    def __init__(self):
        self.now, self.waited, self.cached, self.allocated, self.peak = 0.0, -1.0, True, 100, 900

    def enqueue(self, milliseconds):
        self.now += milliseconds

    def flush(self):
        self.enqueue(3.0)
        self.cached = False

    def kernel(self):
        """7 ms; 1 ms where what it reads is in the cache still. Takes 75 bytes for a while."""
        self.enqueue(1.0 if self.cached else 7.0)
        self.cached = True
        self.peak = max(self.peak, self.allocated + 75)

    def wait(self):
        self.waited = self.now

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


@pytest.fixture
def gpu(monkeypatch):
    device = Gpu()

    class Event:
        at = None

        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = device.now

        def synchronize(self):
            device.waited = max(device.waited, self.at)

        def elapsed_time(self, end):
            assert device.waited >= end.at, "device not ready"  # as CUDA says it
            return end.at - self.at

    def empty(size, **options):
        assert size >= 2 * device.L2_cache_size
        return SimpleNamespace(zero_=device.flush)

    def reset(_):
        device.peak = device.allocated

    monkeypatch.setattr(torch, "empty", empty)
    for name, replacement in {
        "Event": Event,
        "device": lambda device: device,
        "get_device_properties": lambda device: device,
        "synchronize": lambda device: device.wait(),
        "memory_allocated": lambda device: device.allocated,
        "max_memory_allocated": lambda device: device.peak,
        "reset_peak_memory_stats": reset,
    }.items():
        monkeypatch.setattr(torch.cuda, name, replacement)
    return device


def test_on_a_gpu_a_sample_is_the_kernels_own_time_with_a_cold_cache(gpu):
    """An event recorded before the kernel or the flush has ended, or no flush, gives another figure."""
    assert seconds(gpu.kernel, gpu, repeats=3, warmup=1) == [0.007] * 3


def test_on_a_gpu_what_the_device_did_before_is_no_part_of_a_sample(gpu):
    sample = sampler(gpu.kernel, gpu)
    gpu.enqueue(50.0)
    assert sample() == 0.007


def test_on_a_gpu_an_earlier_peak_is_no_part_of_a_runs(gpu):
    """Read without a reset it would be 800 bytes, and with what was there before 175."""
    assert peak_bytes(gpu.kernel, gpu) == 75
    assert gpu.waited == gpu.now


@pytest.mark.gpu
def test_a_gpus_peak_is_computable_by_hand(cuda):

    def run():
        a = torch.empty(1 << 20, dtype=torch.uint8, device=cuda)
        del a
        return torch.empty(1 << 19, dtype=torch.uint8, device=cuda)

    assert peak_bytes(run, cuda) == 1 << 20


@pytest.mark.parametrize(("gpus", "picked"), [(0, "cpu"), (2, "cuda")])
def test_auto_is_cuda_where_there_is_a_device(monkeypatch, gpus, picked):
    machine_with(monkeypatch, gpus)
    assert pick_device("auto") == torch.device(picked)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_picked_by_name(monkeypatch, name):
    machine_with(monkeypatch, 2)
    assert pick_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("gpus", "name", "choice"),
    [(0, "cuda", "auto, cpu"), (1, "cuda:1", "auto, cpu, cuda, cuda:0"), (0, "gpu", "auto, cpu"), (0, "", "auto, cpu")],
)
def test_a_missing_device_is_refused_with_what_there_is(monkeypatch, gpus, name, choice):
    machine_with(monkeypatch, gpus)
    with pytest.raises(ValueError, match=f"^no device {name} here: choose from {choice}$"):
        pick_device(name)


def test_waiting_for_a_cpu_is_no_wait():
    synchronise(CPU)


def machine_with(monkeypatch, gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


def test_a_run_in_another_process_measures_itself():
    class Elsewhere:
        def __init__(self):
            self.asked = []

        def __call__(self):
            raise AssertionError("not to be timed from here")

        def sample(self, clock):
            self.asked.append(clock)
            return len(self.asked)

        def peak_bytes(self):
            return 77

    run, cpu = Elsewhere(), torch.device("cpu")
    assert sampler(run, cpu, "CPU time", number=2)() == 1.5
    assert sampler(run, torch.device("cuda"))() == 3
    assert run.asked == ["CPU time", "CPU time", "wall"]
    assert peak_bytes(run, cpu) == 77
