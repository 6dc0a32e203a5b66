"""The runner: which experiments, in which order, on how many processes. A number is recorded as soon as it is there."""

import multiprocessing
import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import experiment_of
from dmbench.harness.errors import RecordsError, UsageError, nearest
from dmbench.harness.experiment import TIERS, Experiment
from dmbench.harness.measure import Outcome, Settings, Task, measure
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.records import Record, append

PROGRESS_EVERY = 0.2  # seconds between looks at what the workers tell


class Listener:
    """What a run tells while it goes on; the base class keeps quiet."""

    def started(self, task: Task) -> None:
        """Tell that a task has begun."""

    def progressed(self, task: Task, done: float, total: float) -> None:
        """Tell how far a task is."""

    def finished(self, outcome: Outcome) -> None:
        """Tell what a task has come to."""


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

    @property
    def records(self) -> list[Record]:
        """All records made or found again, in the order of measuring."""
        return [record for outcome in self.outcomes for record in outcome.records]

    def reasons(self) -> dict[str, tuple[str, bool]]:
        """Return, by `stem/key`, why a number has no record and whether that is a failure."""
        return {
            f"{outcome.task.stem}/{key}": (outcome.reason, outcome.failed)
            for outcome in self.outcomes
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
        count = seeds or found.seeds
        for seed in range(count) if found.seeds else [None]:
            tasks.append(Task(found.stem, found.name, found.numbers, found.tier, seed))
    return tasks


def run(
    numbers: list[Number],
    settings: Settings,
    *,
    seeds: int | None = None,
    workers: int = 1,
    listener: Listener | None = None,
    implementations: dict[str, Any] | None = None,
) -> Run:
    """Measure numbers and record each; a task that fails costs only itself.

    Args:
        numbers: what to measure.
        settings: device, folder and so on, the same for all tasks.
        seeds: how many seeds for numbers that have any; None: as many as the experiment declares.
        workers: processes; 1 measures in this one.
        listener: told of progress.
        implementations: objects to measure instead of ours, by part, when settings names none by module.

    Raises:
        RecordsError: the results folder cannot be written.
    """
    listener = listener or Listener()
    result = Run(numbers, settings)
    tasks = plan(numbers, seeds)
    check_writable(settings.results)
    outcomes = (
        _in_this_process(tasks, settings, listener, implementations)
        if workers <= 1
        else _in_processes(tasks, settings, listener, workers)
    )
    for outcome in outcomes:
        if outcome.records and not outcome.found_again:
            append(settings.results, outcome.records)
        result.outcomes.append(outcome)
        listener.finished(outcome)
    return result


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


def _in_processes(tasks: list[Task], settings: Settings, listener: Listener, workers: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # torch's threads and CUDA do not survive a fork
    with context.Manager() as manager, ProcessPoolExecutor(workers, mp_context=context) as pool:
        told = manager.Queue()
        futures: dict[Future[Outcome], Task] = {
            pool.submit(_measure_telling, task, settings, told, workers): task for task in tasks
        }
        waiting = set(futures)
        try:
            while waiting:
                _pass_on(told, listener)
                try:
                    for future in as_completed(list(waiting), timeout=PROGRESS_EVERY):
                        waiting.discard(future)
                        yield _outcome(future, futures[future])
                except TimeoutError:
                    continue
        except BaseException:
            for future in waiting:
                future.cancel()
            raise


def _outcome(future: "Future[Outcome]", task: Task) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # a worker that died: out of memory, killed
        return Outcome(task, reason=f"its process ended: {str(error).split('.')[0]}", failed=True)


def _measure_telling(task: Task, settings: Settings, told: Any, workers: int) -> Outcome:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
    told.put((task, None))

    def tell(done: float, total: float) -> None:
        told.put((task, (done, total)))

    return measure(task, settings, tell)


def _pass_on(told: Any, listener: Listener) -> None:
    while True:
        try:
            task, progress = told.get_nowait()
        except Empty:
            return
        if progress is None:
            listener.started(task)
        else:
            listener.progressed(task, *progress)
