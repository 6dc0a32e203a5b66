"""Records of benchmarks: one JSON object a line, in <results>/bench/<machine>.jsonl; only ever appended to."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from dmbench.harness.errors import RecordsError
from dmbench.harness.paths import shown
from dmbench.harness.records import Problem, append_or_undo

SCHEMA = 1


@dataclass(frozen=True)
class Timing:
    """One case, ours and its peers side by side in one run.

    seconds, peak_bytes: by implementation, ours first; medians. ratios: by peer, its time over ours: median, low, high
    (95 %), of pairs. missing: by implementation, why it could not run. flops, traffic, dtype: of ours, as
    `bench_counters.Work` has them. peak_flops, bandwidth: the machine's own, per second, in the same process.
    own: implementations that are no peers.
    """

    machine: str
    stem: str
    case: str
    device: str
    threads: int
    seconds: dict[str, float]
    ratios: dict[str, list[float]]
    peak_bytes: dict[str, int]
    missing: dict[str, str]
    flops: int
    traffic: int
    dtype: str
    peak_flops: float
    bandwidth: float
    rounds: int
    clock: str
    headline: bool
    own: list[str]
    commit: str
    dirty: bool
    environment: dict[str, Any]
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    id: str = field(default_factory=lambda: uuid4().hex)
    schema: int = SCHEMA


def append(folder: Path, timings: Iterable[Timing]) -> list[Path]:
    """Add timings to the folder's files, and return which.

    Raises:
        RecordsError: a file cannot be written.
    """
    by_machine: dict[str, list[Timing]] = {}
    for timing in timings:
        by_machine.setdefault(timing.machine, []).append(timing)
    paths = []
    for machine, rows in by_machine.items():
        path = folder / "bench" / f"{machine}.jsonl"
        text = "".join(json.dumps(asdict(row), separators=(",", ":")) + "\n" for row in rows)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                append_or_undo(path, text.encode())
        except OSError as error:
            raise RecordsError(f"{shown(path)}: cannot be written ({error.strerror or error})") from error
        paths.append(path)
    return paths


def read(folder: Path) -> tuple[list[Timing], list[Problem]]:
    """Read the timings of all machines, oldest first, and name the lines that could not be used.

    Raises:
        RecordsError: a file cannot be opened.
    """
    timings: dict[str, Timing] = {}
    problems: list[Problem] = []
    for path in sorted((folder / "bench").glob("*.jsonl")):
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise RecordsError(f"{shown(path)}: cannot be read: {error.strerror}") from error
        for i, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                timing = _timing(json.loads(line), path.stem)
                timings.setdefault(timing.id, timing)
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                reason = str(error).split("\n")[0].replace("Timing.__init__() ", "")
                problems.append(Problem(path, i, f"damaged line, left out ({reason[:100]})"))
    return sorted(timings.values(), key=lambda timing: timing.time), problems


def _timing(content: Any, machine: str) -> Timing:
    if isinstance(content, dict) and isinstance(content.get("schema"), int) and content["schema"] > SCHEMA:
        raise ValueError(f"schema {content['schema']} is newer than this dmbench's {SCHEMA}: upgrade dmbench")
    timing = Timing(**content)
    if timing.machine != machine:
        raise ValueError(f"it is of {timing.machine}")
    numbers = [*timing.seconds.values(), *(part for ratio in timing.ratios.values() for part in ratio)]
    if not all(isinstance(number, int | float) and 0 <= number < float("inf") for number in numbers):
        raise ValueError("a time or ratio is no number above 0")
    for ratio in timing.ratios.values():
        _, _, _ = ratio
    if not timing.peak_bytes.keys() == timing.seconds.keys() >= timing.ratios.keys():
        raise ValueError("seconds, peak_bytes and ratios are of unlike implementations")
    if not all(isinstance(text, str) for text in (timing.case, timing.stem, timing.device, timing.time, timing.id)):
        raise ValueError("a name is no text")
    return timing


def latest(timings: Iterable[Timing]) -> list[Timing]:
    """Return the last timing of each case on each machine, device and number of threads, by file and case."""
    last = {(t.machine, t.device, t.threads, t.stem, t.case): t for t in timings}
    return [last[key] for key in sorted(last)]
