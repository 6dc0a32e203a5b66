"""A run on the workers of dask.distributed: those of a scheduler that is there, or some started for the run."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dmbench.harness.cluster_calls import dask
from dmbench.harness.cluster_run import HandingOut
from dmbench.harness.discovery import code_hash
from dmbench.harness.errors import UsageError
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task
from dmbench.harness.records import Record, read


@dataclass(frozen=True)
class Where:
    """A cluster: the address of its scheduler, or how many worker processes to start on this machine."""

    scheduler: str = ""
    workers: int = 0


def on_cluster(tasks: list[Task], settings: Settings, listener: Listener, where: Where) -> Iterator[list[Outcome]]:
    """Measure tasks on a cluster; outcomes come in the order in which cells end, each once, some at a time.

    Raises:
        UsageError: dask.distributed is not installed, nothing answers at the scheduler's address, or workers with GPUs
            were to be started, which only a user can lay out.
    """
    if where.workers and settings.device.startswith("cuda"):
        raise UsageError(
            f"--cluster {where.workers} starts workers without GPUs: start `dask scheduler` and, by --resources GPU=1, "
            "a worker a GPU, and give --scheduler instead"
        )
    distributed = dask()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it has to say of lost connections is said here
    again = recorded(tasks, settings) if settings.resume else {}
    yield [Outcome(task, records, found_again=True) for task, records in again.items()]
    tasks = [task for task in tasks if task not in again]
    local = None
    if not tasks:
        return
    if where.workers:
        local = distributed.LocalCluster(
            n_workers=where.workers, threads_per_worker=1, memory_limit=0, dashboard_address=None, silence_logs=50
        )
    try:
        run = HandingOut(tasks, settings, listener, local.scheduler_address if local else where.scheduler)
        yield from run.outcomes()
    finally:
        if local is not None:
            local.close()


def recorded(tasks: list[Task], settings: Settings) -> dict[Task, tuple[Record, ...]]:
    """Return the newest records of tasks that this code has measured, on whatever machine, with this torch.

    Of implementations that were given there are none: their sources may have changed.
    """
    if settings.given:
        return {}
    mine: dict[tuple[str, str, int | None], dict[str, Record]] = {}
    for record in read(settings.results, {task.stem for task in tasks})[0]:
        same = (
            record.code == code_hash(record.stem)
            and not record.subject
            and record.environment.get("torch") == torch.__version__
            and str(record.environment.get("device")).split(":")[0] == settings.device.split(":")[0]
        )
        if same:
            mine.setdefault((record.stem, record.experiment, record.seed), {})[record.number] = record
    found = {}
    for task in tasks:
        have = mine.get((task.stem, task.experiment, task.seed), {})
        if all(number in have for number in task.numbers):
            found[task] = tuple(have[number] for number in task.numbers)
    return found
