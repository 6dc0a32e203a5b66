"""Handing out cells to the workers of a scheduler, one by one, and taking each answer once, whatever dies meanwhile.

dask carries and watches; which cell goes where is decided here, because a worker has to be asked first whether it has
this run's torch and sources, and because a cell that killed its worker must not kill all the others. Workers may come
and go; a scheduler that comes back at its address is found again.
"""

import pickle
import queue
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dmbench.harness.artifacts import Store
from dmbench.harness.cells import Answer, Cell, deliver, facts
from dmbench.harness.cluster_calls import TOPIC, carried, dask, line_of, work
from dmbench.harness.errors import ArtifactError, UsageError
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task
from dmbench.harness.paths import write_whole

TRIES = 3  # of a cell that raises, or whose worker dies
LOOK_EVERY = 0.5  # seconds between looks at who is there
PATIENCE = 120.0  # seconds without a scheduler, or without any worker that can be used, before a run gives up
LARGEST_BATCH = 32  # quick cells a message


@dataclass
class Worker:
    """What is known of one: why it gets nothing (empty: it may), and what it is at, oldest first."""

    address: str
    refused: str = ""
    greeted: bool = False
    greeting: Any = None
    batches: list[Any] = field(default_factory=list)  # futures, which dask forgets when nobody holds them


class HandingOut:
    """One run's cells, from the first worker to the last answer."""

    def __init__(self, tasks: list[Task], settings: Settings, listener: Listener, address: str) -> None:
        self.listener, self.address, self.results = listener, address, settings.results
        self.gpu = settings.device.startswith("cuda")
        given = tuple(sorted(settings.given.items()))
        fresh = settings.resume is False
        self.left = deque(Cell(task, settings.device, given, settings.run, fresh) for task in tasks)
        self.tries: Counter[str] = Counter()
        self.alone: set[str] = set()  # cells whose worker died: handed out by themselves from then on
        self.workers: dict[str, Worker] = {}
        self.at: dict[str, tuple[Worker, list[Cell]]] = {}  # by key of the future; no cells: a greeting
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.had: list[str] = []  # keys of long answers that workers may forget
        self.brought: set[tuple[str, str]] = set()
        self.tasks = {str(task): task for task in tasks}
        self.begun: set[Task] = set()
        self.mine = facts()
        self.useless_since: float | None = None
        self.looked = 0.0
        self.client = self._connected(10)

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield them, as they come, until all cells have one."""
        try:
            while self.left or any(cells for _, cells in self.at.values()):
                if self.client.status != "running":
                    self._reconnect()
                if time.monotonic() - self.looked > LOOK_EVERY:
                    yield list(self._look())
                self._hand_out()
                yield list(self._collect())
        finally:
            self._forget()
            self.client.close(timeout=5)

    def _connected(self, patience: float) -> Any:
        try:
            client = dask().Client(self.address, timeout=patience, set_as_default=False, name="dmbench")
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"no scheduler answers at {self.address}: start one with `dask scheduler`, and workers with "
                f"`dask worker {self.address} --nthreads 1`"
            ) from error
        client.subscribe_topic(TOPIC, lambda event: self.told.put(event[1]))
        return client

    def _reconnect(self) -> None:
        """Wait for the scheduler; what was with workers is handed out anew, for its answers are lost."""
        self.listener.said(f"the scheduler at {self.address} is gone: waiting for it")
        for _, cells in self.at.values():
            self.left.extendleft(reversed(cells))
        self.at, self.workers = {}, {}
        self.client.close(timeout=1)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.client = self._connected(5)
            except UsageError:
                if time.monotonic() > until:
                    raise
                time.sleep(LOOK_EVERY)
            else:
                self.listener.said(f"the scheduler at {self.address} is back")
                return

    def _look(self) -> Iterator[Outcome]:
        """See which workers came and went; give up on what no worker can be had for."""
        self.looked = time.monotonic()
        try:
            there = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError, TimeoutError):
            return  # the next look at the client's status tells
        for address in set(self.workers) - set(there):
            yield from self._gone(self.workers.pop(address))
        for address in set(there) - set(self.workers):
            self.workers[address] = worker = Worker(address)
            if self.gpu and not there[address].get("resources", {}).get("GPU"):
                self._refuse(worker, "has no GPU as a dask resource: start it with --resources GPU=1")
                continue
            worker.greeting = self._submit(worker, facts)
            self.at[worker.greeting.key] = (worker, [])
        if any(worker.greeted and not worker.refused for worker in self.workers.values()):
            self.useless_since = None
        elif self.useless_since is None:
            self.useless_since = self.looked
        elif self.looked - self.useless_since > PATIENCE:
            reasons = "; ".join(f"{w.address} {w.refused}" for w in self.workers.values() if w.refused)
            for cell in self.left:
                yield Outcome(
                    cell.task, reason=f"no worker that can be used: {reasons or 'none is there'}", failed=True
                )
            self.left.clear()

    def _gone(self, worker: Worker) -> Iterator[Outcome]:
        """Hand out anew what a dead worker was at; only the oldest batch can have killed it."""
        batches = [self.at.pop(future.key)[1] for future in worker.batches]
        self.at.pop(worker.greeting.key if worker.greeting else "", None)
        for position, cells in enumerate(batches):
            for cell in reversed(cells):
                if position == 0:
                    self.alone.add(cell.key)
                if position == 0 and len(cells) == 1:
                    self.tries[cell.key] += 1
                    if self.tries[cell.key] >= TRIES:
                        reason = f"its worker died {TRIES} times, the last one {worker.address}: run it alone"
                        yield Outcome(cell.task, reason=reason, failed=True)
                        continue
                self.left.appendleft(cell)

    def _submit(self, worker: Worker, function: Any, *arguments: Any) -> Any:
        resources = {"GPU": 1} if self.gpu and function is work else None
        content = pickle.dumps((function, arguments))
        future = self.client.submit(carried(), content, workers=[worker.address], pure=False, resources=resources)
        future.add_done_callback(self.ended.put)
        return future

    def _hand_out(self) -> None:
        able = [worker for worker in self.workers.values() if worker.greeted and not worker.refused]
        for worker in sorted(able, key=lambda worker: len(worker.batches)):
            while self.left and len(worker.batches) < (2 if self.left[0].task.tier == "quick" else 1):
                cells = self._batch(len(able))
                forget, self.had = self.had, []
                future = self._submit(worker, work, cells, forget)
                worker.batches.append(future)
                self.at[future.key] = (worker, cells)

    def _batch(self, workers: int) -> list[Cell]:
        """Take the next cells: one, or several quick ones, fewer as the end comes near."""
        cells = [self.left.popleft()]
        most = min(LARGEST_BATCH, len(self.left) // (4 * workers))
        while (
            len(cells) < most
            and not {cells[0].key, self.left[0].key} & self.alone
            and {cells[0].task.tier, self.left[0].task.tier} == {"quick"}
        ):
            cells.append(self.left.popleft())
        return cells

    def _collect(self) -> Iterator[Outcome]:
        """Take what has ended; the first wait is short, and the rest comes without one."""
        self._listen()
        wait = 0.1
        while True:
            try:
                future = self.ended.get(timeout=wait) if wait else self.ended.get_nowait()
            except queue.Empty:
                return
            wait = 0
            if future.key not in self.at:
                continue  # of a worker that was given up
            worker, cells = self.at.pop(future.key)
            worker.batches = [batch for batch in worker.batches if batch.key != future.key]
            if future.status == "cancelled":  # the scheduler went, and all with it
                self.left.extendleft(reversed(cells))
            elif cells:
                yield from self._take(worker, cells, future)
            else:
                self._greet(worker, future)

    def _greet(self, worker: Worker, future: Any) -> None:
        """Use a worker, or say why not."""
        worker.greeted = True
        if future.status == "error":
            self._refuse(worker, f"cannot be asked: {line_of(future.exception())}")
            return
        his = pickle.loads(future.result())
        for name in ("torch", "python", "dmbench's sources"):
            if his[name] != self.mine[name]:
                self._refuse(worker, f"on {his['host']} has {name} {his[name]}, this run {self.mine[name]}")
                return

    def _refuse(self, worker: Worker, reason: str) -> None:
        worker.refused = reason
        self.listener.said(f"refused: worker {worker.address} {reason}")

    def _take(self, worker: Worker, cells: list[Cell], future: Any) -> Iterator[Outcome]:
        if future.status == "error":  # dask's own doing: an answer too large, say
            reason = line_of(future.exception())
            answers = [
                Answer(cell.key, Outcome(cell.task, reason=reason, failed=True, trace=f"{reason}\n")) for cell in cells
            ]
        else:
            answers = pickle.loads(future.result())
        for cell, one in zip(cells, answers, strict=True):
            outcome = one.outcome
            if one.wants:
                outcome = replace(outcome, reason=self._bring(worker, one.wants))
            if outcome.trace or (one.wants and not outcome.reason):
                self.tries[cell.key] += bool(outcome.trace)
                if self.tries[cell.key] < TRIES:
                    self.left.append(cell)
                    continue
            for name, content in one.kept.items():
                write_whole(self.results / "kept" / name, content)
            if cell.task.tier != "quick":
                self.had.append(cell.key)
            yield outcome

    def _bring(self, worker: Worker, wants: tuple[str, ...]) -> str:
        """Bring artifacts to a worker, each once; return why one cannot be."""
        store = Store.from_environment()
        try:
            for artifact in wants:
                if (worker.address, artifact) in self.brought:
                    continue
                files = store.files(artifact)
                self.listener.said(f"bringing {artifact} to worker {worker.address}")
                for name, path in files.items():
                    content = self.client.scatter(path.read_bytes(), workers=[worker.address], hash=False)
                    what = pickle.dumps((deliver, (artifact, name)))
                    done = self.client.submit(carried(), what, content, workers=[worker.address], pure=False)
                    done.result(timeout=PATIENCE)
                self.brought.add((worker.address, artifact))
        except (ArtifactError, OSError) as error:
            return line_of(error)
        return ""

    def _listen(self) -> None:
        while not self.told.empty():
            name, done, total = self.told.get()
            task = self.tasks[name]
            if task not in self.begun:
                self.begun.add(task)
                self.listener.started(task)
            self.listener.progressed(task, done, total)

    def _forget(self) -> None:
        if self.had and self.client.status == "running":
            futures = [self._submit(worker, work, [], self.had) for worker in self.workers.values() if worker.greeted]
            for future in futures:
                future.exception(timeout=5)
