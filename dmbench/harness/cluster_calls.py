"""What goes over dask's wires: calls that a scheduler can pass on without having dmbench, and what a worker does."""

import pickle
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from dmbench.harness.cells import Answer, Cell, answer
from dmbench.harness.errors import UsageError
from dmbench.harness.measure import Task

TELL_EVERY = 1.0  # seconds between two words of a worker on its cells
TOPIC = "dmbench"


def dask() -> Any:
    """Return dask.distributed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError as error:
        raise UsageError("a cluster needs dask.distributed: pip install 'dmbench[cluster]'") from error


def carried() -> Callable[..., bytes]:
    """Return a function that dask carries whole: a scheduler need not have dmbench to pass it on."""

    def call(content: bytes, *more: Any) -> bytes:

        function, arguments = pickle.loads(content)
        return pickle.dumps(function(*arguments, *more))

    return call


def work(cells: list[Cell], forget: list[str]) -> list[Answer]:
    """Answer cells on a worker, telling the run from time to time how far it is: short cells are over before that."""
    worker = dask().get_worker()
    last = -TELL_EVERY

    def tell(task: Task, done: float, total: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > TELL_EVERY:
            last = now
            worker.log_event(TOPIC, (str(task), done, total))

    return answer(cells, forget, tell)


def line_of(error: BaseException | None) -> str:
    """Return an exception as one line."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:200]
