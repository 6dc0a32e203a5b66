"""Handing out cells to the workers of a scheduler, and taking each answer once, whatever dies meanwhile.

dask carries and watches; which cell goes where is decided here, because a worker has to be asked first whether it has
this run's torch and sources, and because a cell that killed its worker must not kill all the others. Workers may come
and go; a scheduler that comes back at its address is found again.
"""

import contextlib
import pickle
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dmbench.harness.cells import Answer, Cell, difference, facts
from dmbench.harness.cluster_calls import line_of, work
from dmbench.harness.cluster_link import PATIENCE, Interrupted, Link
from dmbench.harness.cluster_queue import Queue
from dmbench.harness.errors import ArtifactError
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task
from dmbench.harness.paths import write_whole

LOOK_EVERY = 0.5  # seconds between looks at who is there


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
        self.listener, self.results = listener, settings.results
        self.gpu = settings.device.startswith("cuda")
        given = tuple(sorted(settings.given.items()))
        fresh = settings.resume is False
        self.queue = Queue(Cell(task, settings.device, given, settings.run, fresh) for task in tasks)
        self.workers: dict[str, Worker] = {}
        self.at: dict[str, tuple[Worker, list[Cell]]] = {}  # by key of the future; no cells: a greeting
        self.had: list[str] = []  # keys of long answers that workers may forget
        self.tasks = {str(task): task for task in tasks}
        self.begun: set[Task] = set()
        self.mine = facts()
        self.useless_since: float | None = None
        self.looked = 0.0
        self.link = Link(address, listener.said)

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield them, as they come, until all cells have one."""
        try:
            while self.queue.left or any(cells for _, cells in self.at.values()):
                if not self.link.up:
                    self._reconnect()
                if time.monotonic() - self.looked > LOOK_EVERY:
                    yield list(self._look())
                self._hand_out()
                yield list(self._collect())
        finally:
            self._forget()
            self.link.close()

    def _reconnect(self) -> None:
        """Wait for the scheduler; what was with workers is handed out anew, for its answers are lost."""
        for _, cells in self.at.values():
            self.queue.back(cells)
        self.at, self.workers = {}, {}
        self.link.reconnect()

    def _look(self) -> Iterator[Outcome]:
        """See which workers came and went; give up on what no worker can be had for."""
        self.looked = time.monotonic()
        there = self.link.workers()
        if there is None:
            return
        for address in set(self.workers) - set(there):
            yield from self._gone(self.workers.pop(address))
        for address in set(there) - set(self.workers):
            self.workers[address] = worker = Worker(address)
            if self.gpu and not there[address].get("resources", {}).get("GPU"):
                self._refuse(worker, "has no GPU as a dask resource: start it with --resources GPU=1")
                continue
            worker.greeting = self.link.submit(address, facts)
            self.at[worker.greeting.key] = (worker, [])
        if any(worker.greeted and not worker.refused for worker in self.workers.values()):
            self.useless_since = None
        elif self.useless_since is None:
            self.useless_since = self.looked
        elif self.looked - self.useless_since > PATIENCE:
            reasons = "; ".join(f"{w.address} {w.refused}" for w in self.workers.values() if w.refused)
            yield from self.queue.given_up(f"no worker that can be used: {reasons or 'none is there'}")

    def _gone(self, worker: Worker) -> Iterator[Outcome]:
        self.at.pop(worker.greeting.key if worker.greeting else "", None)
        yield from self.queue.died([self.at.pop(future.key)[1] for future in worker.batches], worker.address)

    def _hand_out(self) -> None:
        able = [worker for worker in self.workers.values() if worker.greeted and not worker.refused]
        for worker in sorted(able, key=lambda worker: len(worker.batches)):
            # A second batch of short cells lies ready for when the first has ended.
            while left := self.queue.left:
                if len(worker.batches) >= (2 if left[0].task.tier == "quick" else 1):
                    break
                cells = self.queue.batch(len(able))
                forget, self.had = self.had, []
                future = self.link.submit(worker.address, work, cells, forget, gpu=self.gpu)
                worker.batches.append(future)
                self.at[future.key] = (worker, cells)

    def _collect(self) -> Iterator[Outcome]:
        """Take what has ended; the first wait is short, and the rest comes without one."""
        self._listen()
        wait = 0.1
        while True:
            try:
                future = self.link.ended.get(timeout=wait) if wait else self.link.ended.get_nowait()
            except queue.Empty:
                return
            wait = 0
            if future.key not in self.at:
                continue  # of a worker that was given up
            worker, cells = self.at.pop(future.key)
            worker.batches = [batch for batch in worker.batches if batch.key != future.key]
            if future.status == "cancelled":  # the scheduler went, and all with it
                self.queue.back(cells)
            elif cells:
                yield from self._take(worker, cells, future)
            else:
                self._greet(worker, future)

    def _greet(self, worker: Worker, future: Any) -> None:
        """Use a worker, or say why not."""
        worker.greeted = True
        if future.status == "error":
            self._refuse(worker, f"cannot be asked: {line_of(future.exception())}")
        elif differs := difference(pickle.loads(future.result()), self.mine):
            self._refuse(worker, differs)

    def _refuse(self, worker: Worker, reason: str) -> None:
        worker.refused = reason
        self.listener.said(f"refused: worker {worker.address} {reason}")

    def _take(self, worker: Worker, cells: list[Cell], future: Any) -> Iterator[Outcome]:
        if future.status == "error":  # dask's own doing: an answer too large, say
            why = line_of(future.exception())
            answers = [Answer(c.key, Outcome(c.task, reason=why, failed=True, trace=f"{why}\n")) for c in cells]
        else:
            answers = pickle.loads(future.result())
            self.queue.took(len(answers), sum(one.seconds for one in answers))
        self.queue.back(cells[len(answers) :])  # those that a batch's time was too short for
        for cell, one in zip(cells, answers, strict=False):
            outcome = self._brought(worker, cell, one) if one.wants else one.outcome
            if outcome is None or (outcome.trace and self.queue.again(cell, "raised")) or not self.queue.answered(cell):
                continue
            for name, content in one.kept.items():
                write_whole(self.results / "kept" / name, content)
            if cell.task.tier != "quick":
                self.had.append(cell.key)
            yield outcome

    def _brought(self, worker: Worker, cell: Cell, one: Answer) -> Outcome | None:
        """Bring what a worker lacks and hand out the cell anew (None); or return why that cannot be."""
        try:
            new = [self.link.bring(worker.address, artifact) for artifact in one.wants]
        except ArtifactError as error:
            return replace(one.outcome, reason=line_of(error))
        except Interrupted as error:
            reason = str(error)
        else:
            if any(new):
                self.queue.back([cell])
                return None
            reason = f"{', '.join(one.wants)}: brought to worker {worker.address} before, and not there"
        return None if self.queue.again(cell, "wants") else replace(one.outcome, reason=reason, failed=True)

    def _listen(self) -> None:
        while not self.link.told.empty():
            name, done, total = self.link.told.get()
            task = self.tasks[name]
            if task not in self.begun:
                self.begun.add(task)
                self.listener.started(task)
            self.listener.progressed(task, done, total)

    def _forget(self) -> None:
        if self.had and self.link.up:
            able = [worker for worker in self.workers.values() if worker.greeted and not worker.refused]
            with contextlib.suppress(TimeoutError):  # a worker that is busy keeps an answer too many
                for future in [self.link.submit(worker.address, work, [], self.had) for worker in able]:
                    future.exception(timeout=5)
