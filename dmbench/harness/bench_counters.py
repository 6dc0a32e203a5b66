"""Counters of one run that noise cannot touch: floating-point operations, operators, bytes, kernel launches.

FLOPs are those of matrix products, convolutions and attention (torch.utils.flop_counter's formulas, and those that a
custom operator registers there), two for a multiplication and its addition. Operators are the calls below autograd.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from dmbench.harness.device import allocations, peak_bytes, synchronise

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel")  # with ExC, Ex and cooperative variants behind


def _linear_flops(x: Tensor, weight: Tensor, *_: Any, out_val: Tensor, **options: Any) -> int:
    return 2 * out_val.numel() * x.shape[-1]


FORMULAS = {"mkldnn::_linear_pointwise": _linear_flops}  # what torch's registry lacks


@dataclass
class Work:
    """What a run does: `flops`, `operators`, and `traffic`: bytes of all that it reads from outside and returns.

    Traffic counts each tensor once: what any implementation has to move at least. dtype: that of most of these bytes.
    library: it calls oneDNN, whose memory depends on the processor.
    """

    flops: int = 0
    operators: int = 0
    library: bool = False
    read: dict[int, tuple[int, torch.dtype]] = field(default_factory=dict)
    written: dict[int, tuple[int, torch.dtype]] = field(default_factory=dict)

    @property
    def traffic(self) -> int:
        return sum(size for part in (self.read, self.written) for size, _ in part.values())

    @property
    def dtype(self) -> torch.dtype:
        sizes: dict[torch.dtype, int] = {}
        for part in (self.read, self.written):
            for size, dtype in part.values():
                sizes[dtype] = sizes.get(dtype, 0) + size
        return max(sizes, key=lambda dtype: sizes[dtype], default=torch.float32)


def work(run: Callable[[], object]) -> Work:
    """Count the work of one run, by what reaches the dispatcher; a compiled region shows none of it."""
    counting = _Counting()
    with counting:
        result = run()
    for tensor in _tensors(result):
        key, facts = _storage(tensor)
        if key not in counting.work.read:
            counting.work.written[key] = facts
    return counting.work


def counters(run: Callable[[], object], device: torch.device) -> dict[str, int]:
    """Count one run by name: flops, operators, total_bytes, peak_bytes, and on a GPU kernel_launches.

    A first run goes uncounted, since it fills caches that stay.
    """
    run()
    done = work(run)
    found = {"flops": done.flops, "operators": done.operators, "total_bytes": total_bytes(run, device)}
    found["peak_bytes"] = peak_bytes(run, device)
    if device.type == "cuda":
        found["kernel_launches"] = kernel_launches(run, device)
    return found


def total_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Count the bytes that one run allocates, freed ones included."""
    if device.type == "cuda":
        before = torch.cuda.memory_stats(device)["allocated_bytes.all.allocated"]
        run()
        synchronise(device)
        return int(torch.cuda.memory_stats(device)["allocated_bytes.all.allocated"] - before)
    return sum(size for size in allocations(run) if size > 0)


def kernel_launches(run: Callable[[], object], device: torch.device) -> int:
    """Count the kernels that one run launches; what a CUDA graph replays is one launch of another name."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        synchronise(device)
    return sum(event.name.startswith(LAUNCHES) for event in profiler.events() or ())


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Passes every call on, and counts it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work = Work()
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            key, facts = _storage(tensor)
            if key not in self._made and facts[0]:
                self.work.read.setdefault(key, facts)
        out = func(*args, **kwargs)
        self._made.update(key for key, _ in map(_storage, _tensors(out)) if key not in self.work.read)
        self.work.operators += 1
        self.work.library |= "convolution" in func.__name__ or func.namespace == "mkldnn"
        formula = FORMULAS.get(func.name().partition(".")[0]) or flop_registry.get(_written_out(func))
        if formula is not None:
            self.work.flops += formula(*args, **kwargs, out_val=out)
        return out


def _written_out(func: Any) -> Any:
    """Return the operator that an in-place one is a variant of: the registry knows mm and addmm, not addmm_."""
    packet = func._overloadpacket
    name = packet.__name__
    return getattr(torch.ops.aten, name[:-1]) if func.namespace == "aten" and name.endswith("_") else packet


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> tuple[int, tuple[int, torch.dtype]]:
    try:
        storage = tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):  # oneDNN's own layouts, and sparse ones, have none
        return id(tensor), (tensor.numel() * tensor.element_size(), tensor.dtype)
    return storage.data_ptr(), (storage.nbytes(), tensor.dtype)
