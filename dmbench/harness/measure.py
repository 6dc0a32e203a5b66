"""Measuring: one task, from its artifacts to its records, in whichever process it runs."""

import contextlib
import hashlib
import json
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dmbench.harness import subjects
from dmbench.harness.artifacts import Store
from dmbench.harness.checkpoint import Checkpoint
from dmbench.harness.discovery import code_hash, experiments
from dmbench.harness.environment import commit, environment
from dmbench.harness.errors import ArtifactError, DamagedArtifact, DmbenchError
from dmbench.harness.experiment import Experiment
from dmbench.harness.paths import shown, write_whole
from dmbench.harness.records import Record, read

# What has to be the same for a measurement to be taken as this machine's: no clock, load or count of threads.
SAME_MACHINE = (
    "cpu",
    "gpu",
    "driver_version",
    "cuda",
    "cudnn",
    "python",
    "torch",
    "device",
    "tf32",
    "deterministic",
)
Tell = Callable[[float, float], None]


@dataclass(frozen=True)
class Task:
    """One experiment with one seed (None: deterministic)."""

    stem: str
    experiment: str
    numbers: tuple[str, ...]
    tier: str
    seed: int | None

    def __str__(self) -> str:
        seed = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.stem}/{self.experiment}{seed}"


@dataclass(frozen=True)
class Settings:
    """What holds for a whole run.

    given: by part, the `module:attribute` that replaces ours. resume: True also takes numbers that this code has
    measured on this machine from the records; False also leaves the checkpoints of interrupted runs alone.
    """

    results: Path
    device: str = "cpu"
    given: dict[str, str] = field(default_factory=dict)
    resume: bool | None = None
    run: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a task has come to: records, or the reason why there are none."""

    task: Task
    records: tuple[Record, ...] = ()
    reason: str = ""
    failed: bool = False
    found_again: bool = False
    checkpoint: Checkpoint | None = None  # to be deleted once the records are kept
    trace: str = ""  # of the exception that ended it, where it was none that a user can mend
    kept: tuple[Path, ...] = ()  # the files that it left in the results folder


def measure(
    task: Task,
    settings: Settings,
    tell: Tell = lambda done, total: None,
    store: Store | None = None,
    implementations: dict[str, Any] | None = None,
) -> Outcome:
    """Run one task. Whatever goes wrong with it becomes its outcome's reason."""
    chosen = next(e for e in experiments(task.stem) if e.name == task.experiment)
    if chosen.gpu and not settings.device.startswith("cuda"):
        return Outcome(task, reason=f"needs a GPU: dmbench run {task.stem} --tier {task.tier} --device cuda")
    if chosen.unset:
        return Outcome(task, reason="; ".join(chosen.unset))
    try:
        store = store or Store.from_environment()
        files = {name: store.files(name) for name in chosen.artifacts}
    except ArtifactError as error:
        return Outcome(task, reason=str(error), failed=isinstance(error, DamagedArtifact))
    try:
        given = implementations if implementations is not None else settings.given
        parts = {subject.name for subject in chosen.subjects}
        loaded = subjects.resolve([chosen], {name: thing for name, thing in given.items() if name in parts})
        context = _Context(chosen, task, settings, files, loaded, tell, store)
        again = context.recorded() if settings.resume else ()
        if again:
            return Outcome(task, again, found_again=True)
        return Outcome(task, context.run(), checkpoint=context.checkpoint, kept=tuple(context.kept))
    except DmbenchError as error:
        return Outcome(task, reason=str(error), failed=True)
    except torch.OutOfMemoryError as error:
        return Outcome(task, reason=f"out of GPU memory: {str(error).split('.')[0]}", failed=True)
    except (Exception, SystemExit) as error:  # whatever somebody's implementation raises ends this task alone
        line = f"{type(error).__name__}: {error}".split("\n")[0]
        return Outcome(task, reason=line, failed=True, trace="".join(traceback.format_exception(error)))


class _Context:
    """What an experiment is given (dmbench.harness.experiment.Context), and what it leaves behind."""

    def __init__(
        self,
        chosen: Experiment,
        task: Task,
        settings: Settings,
        files: dict[str, dict[str, Path]],
        loaded: dict[str, Any],
        tell: Tell,
        store: Store,
    ) -> None:
        self.device = torch.device(settings.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # the papers' digits are those of float32
        self.seed = task.seed
        self._experiment, self._task, self._settings = chosen, task, settings
        self._files, self._tell = files, tell
        self._given = loaded
        self._notes: dict[str, Any] = dict(chosen.case)
        self._curve: list[dict[str, float]] = []
        self.kept: list[Path] = []
        self._artifacts = {name: store.checksum(name) for name in chosen.artifacts}
        self._subject = {name: subjects.label(settings.given.get(name, thing)) for name, thing in loaded.items()}
        self._sources = {name: subjects.source_hash(thing) for name, thing in loaded.items()}
        self._code = code_hash(task.stem)
        self._environment = environment(self.device)
        self._threads = [torch.get_num_threads()]
        self._earlier = 0.0  # seconds spent by runs that were interrupted
        self._started = time.perf_counter()
        self.checkpoint = Checkpoint(settings.results / "checkpoints" / f"{task.stem}-{self._key()}.pt")

    def files(self, artifact: str) -> dict[str, Path]:
        return self._files[artifact]

    def subject(self, name: str) -> Any:
        default = next(subject.default for subject in self._experiment.subjects if subject.name == name)
        return self._given.get(name, default)

    def note(self, **settings: object) -> None:
        self._notes.update(settings)

    def progress(self, done: float, total: float) -> None:
        self._tell(done, total)

    def point(self, **values: float) -> None:
        self._curve.append(values)

    def load(self) -> dict[str, Any] | None:
        saved, found = None, self.checkpoint.path.exists()
        if self._settings.resume is not False:
            saved = self.checkpoint.load()
        if saved is None:
            if found and self._settings.resume is not False:
                aside = shown(self.checkpoint.damaged)
                print(f"dmbench: {self._task}: the checkpoint is damaged, beginning anew ({aside})", file=sys.stderr)
            self.checkpoint.delete()  # what is not gone on from, with its parts
            return None
        self._curve, self._earlier = list(saved["curve"]), saved["seconds"]
        self._threads = _threads(saved.get("threads", self._threads), self._task)
        if len(self._threads) > 1:
            self.note(threads=self._threads)  # one after the other
        return dict(saved["state"])

    def save(self, state: dict[str, Any] | Callable[[], dict[str, Any]]) -> bool:
        try:
            whole = state() if callable(state) else state
            self.checkpoint.save({**self._so_far(), "state": whole})
        except OSError as error:  # the result matters more than the means to resume
            reason = error.strerror or error
            print(f"dmbench: {self._task}: no new checkpoint, going on without ({reason})", file=sys.stderr)
            return False
        return True

    def _so_far(self) -> dict[str, Any]:
        return {"curve": self._curve, "seconds": self._seconds(), "threads": self._threads}

    def folder(self) -> Path:
        self.checkpoint.folder.mkdir(parents=True, exist_ok=True)
        return self.checkpoint.folder

    def keep(self, name: str, content: bytes) -> Path:
        seed = "" if self.seed is None else f"-seed{self.seed}"
        path = self._settings.results / "kept" / f"{self._task.stem}-{self._task.experiment}{seed}-{name}"
        write_whole(path, content)
        self.kept.append(path)
        return path

    def _seconds(self) -> float:
        return self._earlier + time.perf_counter() - self._started

    def run(self) -> tuple[Record, ...]:
        """Run the experiment and make its records."""
        torch.manual_seed(self.seed or 0)
        _reset_peak(self.device)
        self._started = time.perf_counter()
        values = self._experiment(self)
        seconds = self._seconds()
        peak, peak_of = _peak(self.device)
        revision, dirty = commit()
        return tuple(
            Record(
                stem=self._task.stem,
                number=number,
                experiment=self._task.experiment,
                value=value,
                seed=self.seed,
                tier=self._task.tier,
                subject=self._subject,
                settings=self._notes,
                artifacts=self._artifacts,
                protocol=self._protocol(),
                code=self._code,
                seconds=round(seconds, 3),
                peak_bytes=peak,
                peak_bytes_of=peak_of,
                commit=revision,
                dirty=dirty,
                environment=self._environment,
                curve=self._curve,
                run=self._settings.run,
            )
            for number, value in values.items()
        )

    def recorded(self) -> tuple[Record, ...]:
        """Return this task's newest records by the same protocol on the same machine, if it has all of them."""
        records, _ = read(self._settings.results, [self._task.stem])
        mine = {
            record.number: record
            for record in records
            if record.seed == self.seed
            and record.protocol == self._protocol()
            and _machine(record.environment) == _machine(self._environment)
        }
        wanted = self._experiment.numbers
        return tuple(mine[number] for number in wanted) if all(n in mine for n in wanted) else ()

    def _protocol(self) -> str:
        """A checksum over what makes two records samples of one quantity: all but the seed and the machine."""
        return _checksum(
            self._task.experiment,
            self._code,
            self._artifacts,
            self._subject,
            self._sources,
            self.device.type,
        )

    def _key(self) -> str:
        return _checksum(self._protocol(), self.seed, _machine(self._environment))


def _threads(earlier: list[int], task: Task) -> list[int]:
    """Return the numbers of threads that a run was on, the last one now; say so where it changed."""
    now = torch.get_num_threads()
    if now == earlier[-1]:
        return earlier
    print(
        f"dmbench: {task}: goes on with {now} threads after {earlier[-1]}: last digits will not be those of a run "
        f"without interruption (OMP_NUM_THREADS={earlier[-1]} keeps them)",
        file=sys.stderr,
    )
    return [*earlier, now]


def _machine(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts.get(name) for name in SAME_MACHINE}


def _checksum(*facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size so far


def _peak(device: torch.device) -> tuple[int | None, str]:
    """Return peak memory and what it is the peak of: a process's resident size includes Python and torch."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "cuda allocator"
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024, "process"
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process, since its start"
