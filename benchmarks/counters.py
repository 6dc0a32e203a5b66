"""Counters of the headline's cases over commits: exact, so that any step is a change of the code; up is worse.

`dmbench bench counters --check` holds the same to what is committed.
"""

import sys as _sys

import torch

from dmbench.harness.bench_cases import find as _find
from dmbench.harness.bench_gate import count as _count

_CASES = [case for case in _find(_sys.modules[__package__], without="counters")[0] if case.headline]


class Counters:
    """Ours alone, on the CPU with one thread, and on a GPU where there is one."""

    params = (sorted(case.name for case in _CASES), ["cpu", "cuda"])
    param_names = ("case", "device")
    timeout = 600

    def setup_cache(self):
        devices = ["cpu", *["cuda"] * torch.cuda.is_available()]
        return {device: _count(_CASES, torch.device(device))[0] for device in devices}

    setup_cache.timeout = 1800

    def setup(self, counted, case, device):
        if case not in counted.get(device, {}):
            raise NotImplementedError(f"{case} cannot run on {device} here")

    def track_flops(self, counted, case, device):
        """Floating-point operations of products and convolutions."""
        return counted[device][case]["flops"]

    track_flops.unit = "flops"

    def track_operators(self, counted, case, device):
        """Calls of operators below autograd."""
        return counted[device][case]["operators"]

    track_operators.unit = "calls"

    def track_allocated_bytes(self, counted, case, device):
        """Bytes allocated in one run, freed ones included."""
        return counted[device][case]["total_bytes"]

    track_allocated_bytes.unit = "bytes"

    def track_kernel_launches(self, counted, case, device):
        """Kernels launched; nothing on a CPU."""
        return counted[device][case].get("kernel_launches", 0)

    track_kernel_launches.unit = "launches"
