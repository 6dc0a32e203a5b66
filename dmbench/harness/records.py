"""Records: what was measured, one JSON object a line, in <results>/measured/<stem>.jsonl.

A file is only ever appended to, under a lock and in one write that is undone if it fails. A line that a kill cut short
is closed by the next append, named by the next read, and costs only itself. Two branches' records merge as a union
of lines (.gitattributes); an id counts once.
"""

import json
import math
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from dmbench.harness.errors import RecordsError
from dmbench.harness.paths import shown

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One measurement of one number with one seed (None: deterministic).

    subject: by part, the `module:attribute` that replaced ours; empty for ours. protocol: a checksum over the
    experiment, code, artifacts, subject and kind of device; records that share it are samples of one quantity.
    seconds and peak_bytes are the whole experiment's. curve: points of a learning curve, dictionaries of equal keys.
    """

    stem: str
    number: str
    experiment: str
    value: float | list[float]
    seed: int | None
    tier: str
    subject: dict[str, str]
    settings: dict[str, Any]
    artifacts: dict[str, str]
    protocol: str
    code: str
    seconds: float
    peak_bytes: int | None
    peak_bytes_of: str
    commit: str
    dirty: bool
    environment: dict[str, Any]
    curve: list[dict[str, float]] = field(default_factory=list)
    run: str = ""
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    schema: int = SCHEMA

    @property
    def whose(self) -> str:
        """'dmbench', or the implementations that were measured instead of ours."""
        return name_subject(self.subject)


def name_subject(given: Mapping[str, str]) -> str:
    """Return 'dmbench', or the implementations given by part: 'part=module:attribute'."""
    return ", ".join(f"{part}={place}" for part, place in sorted(given.items())) or "dmbench"


@dataclass(frozen=True)
class Problem:
    """A line that could not be used, and why."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line}: {self.reason}"


def append(folder: Path, records: Iterable[Record]) -> None:
    """Add records to the folder's files.

    Raises:
        RecordsError: they could not be written; the line says where they were kept instead.
    """
    by_stem: dict[str, list[Record]] = {}
    for record in records:
        by_stem.setdefault(record.stem, []).append(record)
    for stem, rows in by_stem.items():
        text = "".join(json.dumps(asdict(row), separators=(",", ":")) + "\n" for row in rows)
        path = folder / "measured" / f"{stem}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                append_or_undo(path, text.encode())
        except OSError as error:
            reason = error.strerror or str(error)
            raise RecordsError(f"{shown(path)}: cannot be written ({reason}); {_keep_elsewhere(stem, text)}") from error


def append_or_undo(path: Path, data: bytes) -> None:
    """Append whole lines to a file, all or none."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # closes the line that a killed run cut short
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _keep_elsewhere(stem: str, text: str) -> str:
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"dmbench-{stem}-", suffix=".jsonl")
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
    except OSError:
        if name:
            Path(name).unlink(missing_ok=True)
        return f"nor elsewhere; the records are: {text.strip()}"
    return f"the records are in {name}: append that file to it when it can be written again"


def read(folder: Path, stems: Iterable[str] | None = None) -> tuple[list[Record], list[Problem]]:
    """Read the records of all stems, or of some, oldest first; and name the lines that could not be used.

    Raises:
        RecordsError: a file cannot be opened.
    """
    wanted = None if stems is None else set(stems)
    records: dict[str, Record] = {}
    problems: list[Problem] = []
    for path in sorted((folder / "measured").glob("*.jsonl")):
        if wanted is None or path.stem in wanted:
            for found in _read_file(path):
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    records.setdefault(found.id, found)
    return sorted(records.values(), key=lambda record: record.time), problems


def _read_file(path: Path) -> Iterator[Record | Problem]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RecordsError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    for i, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            if not isinstance(content, dict):
                raise ValueError("not an object")
            schema = content.get("schema")
            if isinstance(schema, int) and schema > SCHEMA:
                yield Problem(
                    path,
                    i,
                    f"schema {schema} is newer than this dmbench's {SCHEMA}: upgrade dmbench",
                )
                continue
            record = Record(**content)
            for name, kinds in FIELDS.items():
                if not isinstance(getattr(record, name), kinds) or isinstance(getattr(record, name), bool):
                    raise ValueError(f"{name} is {getattr(record, name)!r}")
            if record.stem != path.stem or not _is_value(record.value):
                raise ValueError("its stem or value does not belong here")
            yield record
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            reason = str(error).split("\n")[0].replace("Record.__init__() ", "")
            yield Problem(path, i, f"damaged line, left out ({reason[:100]})")


# What judging relies on, by field; anything else in a line would break every table.
FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("stem", "number", "experiment", "tier", "protocol", "code", "commit", "time", "id"), (str,)),
    **dict.fromkeys(("subject", "settings", "artifacts", "environment"), (dict,)),
    "seed": (int, type(None)),
    "seconds": (int, float),
    "curve": (list,),
    "schema": (int,),
}


def _is_value(value: object) -> bool:
    parts = value if isinstance(value, list) else [value]
    numbers = [part for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    return bool(parts) and len(numbers) == len(parts) and all(math.isfinite(float(part)) for part in numbers)
