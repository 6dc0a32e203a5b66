"""The gate on counters: what the cases of the headline count now, against what is committed for this torch.

<results>/counters/<stem>.json holds, by torch and device, each case's counters. They are exact: a difference is a
change of the code, to the better or the worse, and is committed with it.
"""

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dmbench.harness.bench_cases import OURS, Case, attempt
from dmbench.harness.bench_counters import counters, work
from dmbench.harness.environment import cpu_model
from dmbench.harness.errors import NumbersError
from dmbench.harness.paths import shown, write_whole

BYTES = ("total_bytes", "peak_bytes")
BYTES_ON = "bytes_on"

Counted = dict[str, dict[str, Any]]


@dataclass
class Gate:
    """What a check found: lines for what differs, for what could not be compared, and how many counters agree."""

    differences: list[str] = field(default_factory=list)
    not_comparable: list[str] = field(default_factory=list)
    agree: int = 0


def place(device: torch.device) -> str:
    """Return what counters depend on: torch's version, without its build, and the GPU or the processor's family."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu {platform.machine()}"
    return f"torch {torch.__version__.partition('+')[0]}, {where}"


def count(cases: Iterable[Case], device: torch.device) -> tuple[Counted, dict[str, str]]:
    """Count ours in each case; return the counters, and why cases cannot run, both by name."""
    found: Counted = {}
    missing: dict[str, str] = {}
    for case in (case for case in cases if device.type in case.devices):
        result, reason = attempt(lambda case=case: _count(case, device))  # type: ignore[misc]
        if reason:
            missing[case.name] = reason
        else:
            found[case.name] = result
    return found, missing


def _count(case: Case, device: torch.device) -> dict[str, Any]:
    run = case.setup(OURS, str(device)).run
    found: dict[str, Any] = dict(counters(run, device))
    if getattr(case.suite, "stateful", False):
        del found["peak_bytes"]
    if device.type == "cpu" and work(run).library:
        # oneDNN picks its layouts by the processor, and reorders into them.
        found[BYTES_ON] = f"{cpu_model()}, {torch.backends.cpu.get_cpu_capability()}"
    return found


def write(folder: Path, cases: Sequence[Case], found: Counted, device: torch.device) -> list[Path]:
    """Write the counters of this torch and device, beside those of others; return the files."""
    paths = []
    for stem in sorted({case.stem for case in cases}):
        path = folder / "counters" / f"{stem}.json"
        everything = _read(path)
        here = {case.name: found[case.name] for case in cases if case.stem == stem and case.name in found}
        if here:
            everything[place(device)] = everything.get(place(device), {}) | here
            write_whole(path, (json.dumps(everything, indent=1, sort_keys=True) + "\n").encode())
            paths.append(path)
    return paths


def check(folder: Path, cases: Sequence[Case], found: Counted, missing: dict[str, str], device: torch.device) -> Gate:
    """Compare counters with the committed ones."""
    gate = Gate()
    for stem in sorted({case.stem for case in cases}):
        path = folder / "counters" / f"{stem}.json"
        everything = _read(path)
        committed = everything.get(place(device))
        if committed is None:
            others = " and ".join(everything) or "nothing"
            gate.not_comparable.append(f"{stem}: {shown(path)} holds {others}, this is {place(device)}")
            continue
        for case in (case for case in cases if case.stem == stem):
            _compare(case.name, committed.get(case.name), found.get(case.name), missing, gate)
    return gate


def _compare(
    name: str, before: dict[str, Any] | None, now: dict[str, Any] | None, missing: dict[str, str], gate: Gate
) -> None:
    if now is None:
        (gate.differences if before else gate.not_comparable).append(f"{name}: cannot run here: {missing.get(name)}")
    elif before is None:
        gate.differences.append(f"{name}: is new")
    else:
        elsewhere = before.get(BYTES_ON) != now.get(BYTES_ON)
        for key in sorted({*before, *now} - {BYTES_ON}):
            if elsewhere and key in BYTES:
                gate.not_comparable.append(f"{name}: {key} depends on the processor, and is of {before.get(BYTES_ON)}")
            elif before.get(key) != now.get(key):
                gate.differences.append(f"{name}: {key} {_number(before.get(key))} -> {_number(now.get(key))}")
            else:
                gate.agree += 1


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "none"


def _read(path: Path) -> dict[str, Counted]:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise NumbersError(f"{shown(path)}: no JSON ({error}): take the committed one, or write it anew") from error
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise NumbersError(f"{shown(path)}: not counters by torch and case: take the committed one, or write it anew")
    return content
