"""What the suites share: a device or a skip, and how seconds and bytes are tracked.

asv takes every public class that a module holds for a benchmark, also an imported one: hence the underscore.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.harness.device import keep_freed_memory, peak_bytes, pick_device, seconds

THREADS = 1  # `dmbench bench run --threads` sets another; asv has one, since threads differ more between runs


class _Measured:
    """Tracks `self.run` on `self.device`, which a suite's `setup` sets; asv hashes `setup` to know a changed case.

    Samples go to asv as they are, so that it computes intervals and tests two commits against each other. A suite's
    `headline` names the cases, without implementation and device, that `dmbench bench` takes when not told `--all`;
    `own` the implementations that are no peers: ours in another form, or a floor.
    """

    timeout = 600

    def track_seconds(self, *case: Any) -> dict[str, Any]:
        """Time of one run."""
        return {"samples": seconds(self.run, self.device), "number": 1}

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]

    def track_peak_bytes(self, *case: Any) -> int:
        """Peak memory of one run's tensors, results included, inputs not."""
        return peak_bytes(self.run, self.device)

    track_peak_bytes.unit = "bytes"  # type: ignore[attr-defined]

    run: Callable[[], object]
    device: torch.device


def device_or_skip(name: str) -> torch.device:
    """Return the device, and quiet the process; where the device is missing asv records a skip.

    Freed memory is kept: page faults differ more between runs than commits do.
    """
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    try:
        return pick_device(name)
    except ValueError as error:
        raise NotImplementedError(str(error)) from error


def with_peers(ours: Any, peers: Mapping[str, Mapping[str, Any]], part: str) -> dict[str, Any]:
    """Return the implementations of a part by label: ours as "dmbench", then what a user would call instead."""
    return {"dmbench": ours, **{label: parts[part] for label, parts in peers.items() if part in parts}}


def forward(net: nn.Module, x: Tensor) -> Callable[[], object]:
    """Inference: no graph is kept."""

    def run() -> object:
        with torch.no_grad():
            return net(x)

    return run


def forward_and_backward(net: nn.Module, x: Tensor) -> Callable[[], object]:
    """One step of training without the optimiser: gradients of all parameters, and of x where it asks for them."""
    wanted = [*net.parameters(), *([x] if x.requires_grad else [])]
    with torch.no_grad():
        upstream = torch.randn_like(net(x))

    def run() -> object:
        return torch.autograd.grad(net(x), wanted, upstream)

    return run


PASSES = {"forward": forward, "forward+backward": forward_and_backward}
