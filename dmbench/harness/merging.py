"""Merging: the results folders of machines that never met, joined into one without loss and without counting twice."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from dmbench.harness.errors import RecordsError, UsageError
from dmbench.harness.paths import shown, write_whole
from dmbench.harness.records import append_or_undo

FOLDERS = ("measured", "bench")  # of lines of JSON, each with an id of its own


@dataclass
class Merged:
    """What a merge has done."""

    added: int = 0  # records
    there: int = 0  # records that the target had
    files: int = 0  # kept files that were copied
    problems: list[str] = field(default_factory=list)  # what was left out, a line each


def merge(sources: list[Path], into: Path) -> Merged:
    """Add the records and kept files of some results folders to another's; the sources stay as they are.

    A record is known by its id, whichever folders it is in and however often; lines are copied as they are. A kept
    file of the same name and another content is left out and named.

    Raises:
        UsageError: a source is no results folder. RecordsError: a file cannot be read or written.
    """
    for source in sources:
        if not any((source / name).is_dir() for name in FOLDERS):
            raise UsageError(f"{shown(source)} is no results folder: it has neither measured/ nor bench/")
    merged = Merged()
    for source in sources:
        try:
            for name in FOLDERS:
                for path in sorted((source / name).glob("*.jsonl")):
                    _merge_file(path, into / name / path.name, merged)
            for path in sorted((source / "kept").glob("*")):
                _copy(path, into / "kept" / path.name, merged)
        except OSError as error:
            raise RecordsError(f"{error.filename}: {error.strerror}; run the merge again when it can be") from error
    return merged


def _merge_file(source: Path, target: Path, merged: Merged) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        known = {found for found, _ in _lines(target, Merged())}
        fresh = {}
        for found, line in _lines(source, merged):
            if found in known or found in fresh:
                merged.there += 1
            else:
                fresh[found] = line
        if fresh:
            append_or_undo(target, b"".join(line + b"\n" for line in fresh.values()))
            merged.added += len(fresh)


def _lines(path: Path, merged: Merged) -> list[tuple[str, bytes]]:
    """Return the lines of a file that are records, with their ids."""
    found = []
    for i, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], 1):
        try:
            content = json.loads(line)
            found.append((str(content["id"]), line))
        except (ValueError, KeyError, TypeError):
            if line.strip():
                merged.problems.append(f"{shown(path)}:{i}: damaged line, left out")
    return found


def _copy(source: Path, target: Path, merged: Merged) -> None:
    content = source.read_bytes()
    if not target.exists():
        write_whole(target, content)
        merged.files += 1
    elif target.read_bytes() != content:
        merged.problems.append(f"{shown(source)}: {shown(target)} is another file of that name, which stays")
