"""Worker processes: tasks spread over several, which tell how far they are, and end when the run ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from queue import Empty
from typing import Any

import torch

from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task, measure

PROGRESS_EVERY = 0.2  # seconds between looks at what the workers tell
ATTEMPTS = 3  # pools, when workers die
LOST = "its process was killed, perhaps for want of memory: run it alone, or with fewer --workers"

_told: Any = None  # in a worker: the queue to the run


def in_processes(tasks: list[Task], settings: Settings, listener: Listener, workers: int) -> Iterator[Outcome]:
    """Measure tasks in worker processes; one that dies costs only the task that it was at."""
    left = tasks
    for _ in range(ATTEMPTS):
        again: list[Task] = []
        yield from _one_pool(left, settings, listener, workers, again)
        left = again
    for task in left:
        yield Outcome(task, reason=LOST, failed=True)


def _one_pool(
    tasks: list[Task], settings: Settings, listener: Listener, workers: int, again: list[Task]
) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")  # torch's threads and CUDA do not survive a fork
    told = context.Queue()
    threads = max(1, torch.get_num_threads() // workers)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(told, threads))
    begun: set[Task] = set()
    try:
        futures = {pool.submit(_measure, task, settings): task for task in tasks}
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=PROGRESS_EVERY, return_when=FIRST_COMPLETED)
            _pass_on(told, listener, begun)
            for future in done:
                task = futures[future]
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    if task not in begun:
                        again.append(task)
                        continue
                    outcome = Outcome(task, reason=LOST, failed=True)
                yield outcome
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _begin(told: Any, threads: int) -> None:
    """Prepare a worker: it leaves Ctrl-C to the run, and does not outlive it."""
    global _told
    _told = told
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _measure(task: Task, settings: Settings) -> Outcome:
    _told.put((task, None))
    return measure(task, settings, lambda done, total: _told.put((task, (done, total))))


def _pass_on(told: Any, listener: Listener, begun: set[Task]) -> None:
    while True:
        try:
            task, progress = told.get_nowait()
        except Empty:
            return
        if progress is None:
            begun.add(task)
            listener.started(task)
        else:
            listener.progressed(task, *progress)
