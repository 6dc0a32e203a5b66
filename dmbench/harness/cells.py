"""Cells: what a worker on another machine is asked for, and what it answers. A cell is a task with all it hangs on.

Its answer depends on the cell alone: stem, experiment, seed, device, implementations and the sources of dmbench, whose
checksum `facts` tells before a worker is given any. A long one is kept on the worker until the run has it, so that a
connection lost at its end does not cost the training.
"""

import hashlib
import json
import pickle
import platform
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch

from dmbench.harness.artifacts import Store, cache_folder
from dmbench.harness.discovery import experiments
from dmbench.harness.errors import ArtifactError, DamagedArtifact
from dmbench.harness.measure import Outcome, Settings, Task, measure
from dmbench.harness.paths import PACKAGE, write_whole

BATCH_SECONDS = 1.0  # after which a worker answers with what it has, and begins no other cell of the batch
_alone = threading.Lock()  # torch's random state is the process's, and so is its memory's peak


@dataclass(frozen=True)
class Cell:
    """A task and the settings that it is measured with; `run` sets two runs of the same task apart."""

    task: Task
    device: str = "cpu"
    given: tuple[tuple[str, str], ...] = ()
    run: str = ""
    fresh: bool = False

    @cached_property
    def key(self) -> str:
        """A checksum over all of it."""
        facts = (str(self.task), self.task.numbers, self.device, self.given, self.run)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answer:
    """An outcome, the files that it keeps by name, and artifacts that have to be brought to the worker first.

    seconds: that the worker was at it, with all that is no part of the experiment.
    """

    key: str
    outcome: Outcome
    kept: dict[str, bytes] = field(default_factory=dict)
    wants: tuple[str, ...] = ()
    seconds: float = 0.0


def facts() -> dict[str, str]:
    """Return what has to be equal on all machines of a run, by name, and the host's name."""
    return {
        "torch": torch.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "dmbench's sources": sources(),
        "host": socket.gethostname(),
    }


def difference(his: dict[str, str], mine: dict[str, str]) -> str:
    """Return what a worker has that differs from the run's, the first of it; empty: nothing does."""
    differing = (
        f"on {his['host']} has {name} {his[name]}, this run {mine[name]}"
        for name in mine
        if name != "host" and his[name] != mine[name]
    )
    return next(differing, "")


def sources() -> str:
    """Return a checksum over all of dmbench's modules."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def answer(cells: list[Cell], forget: list[str], tell: Callable[[Task, float, float], None]) -> list[Answer]:
    """Measure cells, one at a time in this process: all, or as many as can be begun in BATCH_SECONDS, at least one.

    Args:
        cells: what to measure; those that are left when the time is over are the last ones.
        forget: keys of answers that the run has.
        tell: called with a task, and how far it is.
    """
    with _alone:
        for key in forget:
            _answered(key).unlink(missing_ok=True)
        store = Store.from_environment()
        answers: list[Answer] = []
        begun = before = time.monotonic()
        for cell in cells:
            one = _answer(cell, tell, store)
            now = time.monotonic()
            answers.append(replace(one, seconds=now - before))
            before = now
            if now - begun > BATCH_SECONDS:
                break
        return answers


def deliver(artifact: str, name: str, content: bytes) -> None:
    """Put a file of an artifact into this machine's cache, if it is the one of the registry.

    Raises:
        DamagedArtifact: its checksum differs.
    """
    listed = Store.from_environment().registry[artifact]
    file = next(file for file in (*listed.files, *listed.instead) if file.name == name)
    actual = hashlib.sha256(content).hexdigest()
    if file.sha256 and actual != file.sha256:
        raise DamagedArtifact(f"{name}: its sha256 is {actual[:12]}..., not {file.sha256[:12]}...: it came damaged")
    write_whole(cache_folder() / name, content)


def _answer(cell: Cell, tell: Callable[[Task, float, float], None], store: Store) -> Answer:
    chosen = next(e for e in experiments(cell.task.stem) if e.name == cell.task.experiment)
    wants = tuple(name for name in chosen.artifacts if not _here(store, name))
    if wants:
        return Answer(cell.key, Outcome(cell.task, reason=f"{', '.join(wants)}: not on the worker"), wants=wants)
    long = cell.task.tier != "quick"
    if long and (before := _read(_answered(cell.key))) is not None:
        return before
    tell(cell.task, 0, 1)
    settings = Settings(_folder(), cell.device, dict(cell.given), False if cell.fresh else None, cell.run)
    outcome = measure(cell.task, settings, lambda done, total: tell(cell.task, done, total), store=store)
    kept = {path.name: path.read_bytes() for path in outcome.kept}
    whole = Answer(cell.key, replace(outcome, checkpoint=None, kept=()), kept)
    if long and outcome.records:
        write_whole(_answered(cell.key), pickle.dumps(whole))
    if outcome.checkpoint is not None:
        outcome.checkpoint.delete()
    for path in outcome.kept:
        path.unlink(missing_ok=True)
    return whole


def _here(store: Store, artifact: str) -> bool:
    try:
        store.files(artifact)
    except DamagedArtifact:
        return True  # which its experiment tells
    except ArtifactError:
        return False
    return True


def _folder() -> Path:
    return cache_folder() / "cells"


def _answered(key: str) -> Path:
    return _folder() / "answers" / key


def _read(path: Path) -> Answer | None:
    try:
        found = pickle.loads(path.read_bytes())
    except (OSError, pickle.UnpicklingError, EOFError):
        return None
    return found if isinstance(found, Answer) else None
