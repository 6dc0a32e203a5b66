"""Checkpoints: the state of an interrupted experiment, replaced as a whole or not at all."""

import io
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

from dmbench.harness.paths import write_whole


class Checkpoint:
    """One file of tensors and plain values, and beside it a folder for what is too large to be written anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def folder(self) -> Path:
        """The folder, which need not exist."""
        return self.path.with_suffix(".parts")

    @property
    def damaged(self) -> Path:
        """Where a file that cannot be read is put aside."""
        return self.path.with_suffix(".damaged")

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(self.path, content.getvalue())

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None if there is none that can be read; a damaged file is set aside, not deleted."""
        if not self.path.exists():
            return None
        content = self.path.read_bytes()
        try:
            _check_sums(content)
            return dict(torch.load(io.BytesIO(content), weights_only=True, map_location="cpu"))
        except (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, ValueError, TypeError, OSError):
            self.path.replace(self.damaged)
            return None

    def delete(self) -> None:
        """Remove the state and the folder, and what a kill left of a state half written."""
        self.path.unlink(missing_ok=True)
        for partial in self.path.parent.glob(f".{self.path.name}.*"):
            partial.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _check_sums(content: bytes) -> None:
    """Raise zipfile.BadZipFile where a byte of a saved state has changed, which torch.load does not look for."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("a checksum differs")
