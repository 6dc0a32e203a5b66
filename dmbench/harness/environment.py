"""What a measurement ran on: machine, software, precision flags, and the commit."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dmbench import __version__
from dmbench.harness.paths import checkout


def environment(device: torch.device) -> dict[str, Any]:
    """Return the facts that go into every record; None where one cannot be read."""
    facts: dict[str, Any] = {
        "dmbench": __version__,
        "os": f"{platform.system()} {platform.release()}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "tf32": device.type == "cuda"
        and (torch.get_float32_matmul_precision() != "highest" or torch.backends.cudnn.allow_tf32),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        facts |= _nvidia_smi(device.index or 0)
    return facts


@cache
def cpu_model() -> str:
    """Return the processor's name, as the system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def commit() -> tuple[str, bool]:
    """Return the checkout's commit and whether its sources differ from it; ('', False) outside a checkout.

    Records and tables do not count as sources: a run that writes them leaves the tree as clean as it was.
    """
    root = checkout()
    if root is None:
        return "", False
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "dmbench", "benchmarks", "reference_results/papers")
    except (OSError, subprocess.CalledProcessError):
        return "", False
    return head, bool(changed)


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# What slows a GPU down, by bit (nvml.h, nvmlClocksEventReasons); 1, idle, does not.
THROTTLING = {
    0x2: "set clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "hot",
    0x40: "hardware, hot",
    0x80: "power brake",
    0x100: "display clocks",
}
SMI_FIELDS = (
    "driver_version",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "power.draw",
    "power.limit",
    "temperature.gpu",
    "clocks_throttle_reasons.active",
)


def _nvidia_smi(index: int) -> dict[str, str | None]:
    """Return the driver, clocks, power and what throttles the clocks right now, in words; None for what is not told."""
    found: dict[str, str | None] = dict.fromkeys(SMI_FIELDS)
    for fields in (SMI_FIELDS, *((field,) for field in SMI_FIELDS)):  # one unknown field fails them all
        answer = _ask_smi(index, fields)
        if answer is not None:
            found |= dict(zip(fields, answer, strict=False))
        if fields == SMI_FIELDS and (answer is not None or shutil.which("nvidia-smi") is None):
            break
    return found | {"throttling": throttling(found["clocks_throttle_reasons.active"])}


def throttling(mask: str | None) -> str | None:
    """Say in words what bits like 0x0000000000000004 mean; None if they cannot be read."""
    try:
        bits = int(mask or "", 16)
    except ValueError:
        return None
    return ", ".join(name for bit, name in THROTTLING.items() if bits & bit) or "none"


def _ask_smi(index: int, fields: Sequence[str]) -> list[str] | None:
    command = ["nvidia-smi", f"--id={index}", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        line = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return [value.strip() for value in line.split(",")]
