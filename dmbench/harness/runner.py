"""The runner: which experiments, in which order, on how many processes. A number is recorded as soon as it is there."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from dmbench.harness.artifacts import Store
from dmbench.harness.cluster import Where, on_cluster
from dmbench.harness.discovery import experiment_of
from dmbench.harness.errors import RecordsError, UsageError, nearest
from dmbench.harness.experiment import TIERS, Experiment
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task, measure
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.paths import shown, write_whole
from dmbench.harness.records import Record, append
from dmbench.harness.workers import in_processes

TASKS_A_PROCESS = 10  # fewer are done before another process has begun


@dataclass(frozen=True)
class Selection:
    """Which numbers to measure: of which stems, tiers (none: all) and keys (shell patterns; none: all)."""

    stems: tuple[str, ...]
    tiers: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()  # only experiments that have one of these subjects

    def numbers(self, papers: dict[str, Paper]) -> list[Number]:
        """Return the numbers selected, in the order of their files.

        Raises:
            UsageError: a tier is unknown, or a pattern matches no number of the stems.
        """
        for tier in self.tiers:
            if tier not in TIERS:
                raise UsageError(f"unknown tier {tier}{nearest(tier, list(TIERS))}")
        numbers = [number for stem in self.stems for number in papers[stem].numbers.values()]
        for pattern in self.patterns:
            if not any(fnmatch(number.key, pattern) for number in numbers):
                keys = [number.key for number in numbers]
                hint = nearest(pattern, keys) if len(keys) < 20 else nearest(pattern, keys).split(": choose")[0]
                raise UsageError(f"no number matches {pattern}{hint}; dmbench list STEM shows them")
        return [number for number in numbers if self._selected(number)]

    def _selected(self, number: Number) -> bool:
        if self.patterns and not any(fnmatch(number.key, pattern) for pattern in self.patterns):
            return False
        found = experiment_of(number)
        if found is None:
            return not self.tiers and not self.parts
        if self.parts and not any(subject.name in self.parts for subject in found.subjects):
            return False
        return not self.tiers or found.tier in self.tiers


@dataclass
class Run:
    """One run: its settings, and what has come of it so far."""

    numbers: list[Number]
    settings: Settings
    outcomes: list[Outcome] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)  # what could not be written, and where it is instead

    @property
    def records(self) -> list[Record]:
        """All records made or found again, in the order of measuring."""
        return [record for outcome in self.outcomes for record in outcome.records]

    def reasons(self) -> dict[str, tuple[str, bool]]:
        """Return, by `stem/key`, why a number has no record and whether that is a failure."""
        return {
            f"{outcome.task.stem}/{key}": (outcome.reason, outcome.failed)
            # A seed that failed tells more than one that could not begin.
            for outcome in sorted(self.outcomes, key=lambda outcome: outcome.failed)
            if outcome.reason
            for key in outcome.task.numbers
        }


def plan(numbers: Sequence[Number], seeds: int | None) -> list[Task]:
    """Return the tasks that measure the numbers: one per experiment and seed, quick ones first."""
    chosen: dict[tuple[str, str], Experiment] = {}
    for number in numbers:
        found = None if number.unchecked else experiment_of(number)
        if found is not None:
            chosen[found.stem, found.name] = found
    tasks = []
    for found in sorted(chosen.values(), key=lambda e: TIERS.index(e.tier)):
        count = found.seeds if seeds is None else seeds
        for seed in range(count) if found.seeds else [None]:
            tasks.append(Task(found.stem, found.name, found.numbers, found.tier, seed))
    return tasks


def processes(tasks: Sequence[Task], device: str) -> int:
    """Return how many processes are worth their start: several for many quick tasks on a CPU, as torch has threads."""
    if device.startswith("cuda") or any(task.tier != "quick" for task in tasks):
        return 1
    return max(1, min(torch.get_num_threads(), len(tasks) // TASKS_A_PROCESS))


def run(
    numbers: list[Number],
    settings: Settings,
    *,
    seeds: int | None = None,
    workers: int = 1,
    cluster: Where | None = None,
    listener: Listener | None = None,
    implementations: dict[str, Any] | None = None,
) -> Run:
    """Measure numbers and record each; a task that fails costs only itself.

    Args:
        numbers: what to measure.
        settings: device, folder and so on, the same for all tasks.
        seeds: how many seeds for numbers that have any; None: as many as the experiment declares.
        workers: processes; 1 measures in this one.
        cluster: of dask.distributed, that measures instead of them.
        listener: told of progress.
        implementations: objects to measure instead of ours, by part, when settings names none by module.

    Raises:
        RecordsError: the results folder cannot be written at the start. Later failures are in the run's `unsaved`.
    """
    listener = listener or Listener()
    result = Run(numbers, settings)
    tasks = plan(numbers, seeds)
    check_writable(settings.results)
    if cluster is not None:
        outcomes = on_cluster(tasks, settings, listener, cluster)
    elif workers > 1:
        outcomes = ([one] for one in in_processes(tasks, settings, listener, workers))
    else:
        outcomes = ([one] for one in _in_this_process(tasks, settings, listener, implementations))
    for some in outcomes:
        _keep(some, result)
        for outcome in some:
            result.outcomes.append(_with_trace(outcome, settings.results) if outcome.trace else outcome)
            listener.finished(result.outcomes[-1])
    return result


def _keep(outcomes: list[Outcome], result: Run) -> None:
    """Record what is new, in one write a stem; only then are its checkpoints deleted."""
    new = [outcome for outcome in outcomes if outcome.records and not outcome.found_again]
    if not new:
        return
    try:
        append(result.settings.results, [record for outcome in new for record in outcome.records])
    except RecordsError as error:
        result.unsaved.append(str(error))  # checkpoints stay, so that nothing need be measured anew
        return
    for outcome in new:
        if outcome.checkpoint is not None:
            outcome.checkpoint.delete()


def _with_trace(outcome: Outcome, results: Path) -> Outcome:
    """Write a failure's traceback beside the records, and name its file in the reason."""
    path = results / "failures" / f"{str(outcome.task).replace('/', '-').replace(' ', '-')}.txt"
    try:
        write_whole(path, outcome.trace.encode())
    except OSError:
        return outcome  # the reason's line says what matters
    return replace(outcome, reason=f"{outcome.reason} ({shown(path)})")


def check_writable(results: Path) -> None:
    """Raise RecordsError, before hours are spent, if the folder cannot be written."""
    probe = results / "measured" / f".{uuid.uuid4().hex}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RecordsError(
            f"results folder {results} cannot be written ({error.strerror}): choose another with --results"
        ) from error


def _in_this_process(
    tasks: list[Task],
    settings: Settings,
    listener: Listener,
    implementations: dict[str, Any] | None,
) -> Iterator[Outcome]:
    store = Store.from_environment()
    for task in tasks:
        listener.started(task)

        def tell(done: float, total: float, task: Task = task) -> None:
            listener.progressed(task, done, total)

        yield measure(task, settings, tell, store=store, implementations=implementations)
