"""The sides of a comparison: the sources of two commits, and a process for each side."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dmbench.harness.bench_compare import LostSide
from dmbench.harness.errors import UsageError
from dmbench.harness.paths import PACKAGE

WORKING_TREE = "."
# The last line of a side's complaints is its reason: neither the profiler's starts nor a warning may follow it.
QUIET = {"KINETO_LOG_LEVEL": "99", "PYTHONWARNINGS": "ignore"}


@contextmanager
def sources(checkout: Path, word: str) -> Iterator[Path]:
    """Give the folder that holds dmbench/ as of a commit, or the checkout itself for `.`.

    Raises:
        UsageError: there is no such commit, or it has no dmbench.
    """
    if word == WORKING_TREE:
        yield checkout
        return
    git = ["git", "-C", str(checkout)]
    known = subprocess.run([*git, "rev-parse", "--verify", "--quiet", f"{word}^{{commit}}"], capture_output=True)
    if known.returncode:
        raise UsageError(f"{word} is no commit here: name one, or {WORKING_TREE} for the working tree")
    packed = subprocess.run([*git, "archive", known.stdout.decode().strip(), "dmbench"], capture_output=True)
    if packed.returncode:
        raise UsageError(f"{word} has no folder dmbench: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="dmbench-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


class Side:
    """A process that measures the components of one folder with this checkout's suites."""

    def __init__(self, components: Path, device: str) -> None:
        """Raises LostSide if it does not come up."""
        worker = PACKAGE / "harness" / "bench_worker.py"
        command = [sys.executable, "-P", str(worker), str(components), str(PACKAGE.parent), device]
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process lives
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, env=os.environ | QUIET
        )
        try:
            self._reply()
        except LostSide:
            self.close()
            raise

    def prepare(self, case: str, weigh: bool) -> tuple[str, int | None]:
        """Set a case up; return why it cannot run, or nothing, and its peak bytes if they are to be read and can be."""
        reply = self._ask({"do": "prepare", "case": case, "weigh": weigh})
        return reply["reason"], reply.get("peak_bytes")

    def sample(self, number: int) -> float:
        """Return the seconds of a run of the case that was prepared, averaged over `number` of them."""
        return float(self._ask({"do": "sample", "number": number})["seconds"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        stream = self._process.stdin
        try:
            if stream is not None:
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()
        except OSError as error:
            raise LostSide(self._last_words()) from error
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise LostSide(self._last_words())
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        self._complaints.seek(0)
        words = self._complaints.read().decode(errors="replace").strip().splitlines()
        return words[-1] if words else "its process ended without a word"
