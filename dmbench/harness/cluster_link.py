"""The connection to a scheduler: calls to its workers, who of them is there, and files that are brought to them."""

import pickle
import queue
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from dmbench.harness.artifacts import Store
from dmbench.harness.cells import deliver
from dmbench.harness.cluster_calls import TOPIC, carried, dask
from dmbench.harness.errors import UsageError

PATIENCE = 120.0  # seconds without a scheduler, or without any worker that can be used, before a run gives up
ANSWER_WITHIN = 10.0  # seconds for a scheduler that is there
RETRY_EVERY = 0.5  # seconds between two attempts to reach a scheduler that went
Said = Callable[[str], None]


class Interrupted(Exception):
    """A worker or the scheduler went while something was brought."""


class Link:
    """A client of dask.distributed that finds its scheduler again.

    ended: futures, as they end. told: what workers tell of their cells, as (task, done, total).
    """

    def __init__(self, address: str, said: Said) -> None:
        self.address, self._said = address, said
        self.ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._brought: set[tuple[str, str]] = set()
        self._client = self._connected(ANSWER_WITHIN)

    @property
    def up(self) -> bool:
        """Whether the scheduler answers."""
        return bool(self._client.status == "running")

    def close(self) -> None:
        """End the connection."""
        self._client.close(timeout=5)

    def reconnect(self) -> None:
        """Wait for a scheduler at the same address; all futures of the old one are lost.

        Raises:
            UsageError: none came in time.
        """
        self._said(f"the scheduler at {self.address} is gone: waiting for it")
        self._client.close(timeout=1)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._client = self._connected(ANSWER_WITHIN)
            except UsageError:
                if time.monotonic() > until:
                    raise
                time.sleep(RETRY_EVERY)
            else:
                self._said(f"the scheduler at {self.address} is back")
                return

    def workers(self) -> dict[str, Any] | None:
        """Return what the scheduler knows of its workers, by address; None: it cannot be asked just now."""
        try:
            found: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError, TimeoutError):
            return None  # `up` tells
        return found

    def submit(self, address: str, function: Any, *arguments: Any, gpu: bool = False) -> Any:
        """Have a worker call a function of dmbench; the future comes to `ended`."""
        future = self._call(address, (function, arguments), resources={"GPU": 1} if gpu else None)
        future.add_done_callback(self.ended.put)
        return future

    def bring(self, address: str, artifact: str) -> bool:
        """Bring an artifact's files to a worker that lacks them; False: it was brought them before.

        Raises:
            ArtifactError: they are not on this machine either, or came damaged. Interrupted: something went meanwhile.
        """
        if (address, artifact) in self._brought:
            return False
        files = Store.from_environment().files(artifact)
        self._said(f"bringing {artifact} to worker {address}")
        try:
            for name, path in files.items():
                content = self._client.scatter(path.read_bytes(), workers=[address], hash=False)
                self._call(address, (deliver, (artifact, name)), content).result(timeout=PATIENCE)
        except (OSError, CancelledError) as error:
            raise Interrupted(f"{artifact} could not be brought to worker {address}") from error
        self._brought.add((address, artifact))
        return True

    def _call(self, address: str, what: tuple[Any, tuple[Any, ...]], *more: Any, resources: Any = None) -> Any:
        content = pickle.dumps(what)
        return self._client.submit(carried(), content, *more, workers=[address], pure=False, resources=resources)

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
