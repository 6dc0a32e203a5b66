"""Checkpoints: the state of an interrupted experiment, replaced as a whole or not at all."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """One file of tensors and plain values."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, state: dict[str, Any]) -> None:
        """Write the state beside the old one, to the disk, then put it in its place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}")
        try:
            with partial.open("wb") as stream:
                torch.save(state, stream)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None if there is none that can be read; a damaged file is set aside, not deleted."""
        if not self.path.exists():
            return None
        try:
            return dict(torch.load(self.path, weights_only=True, map_location="cpu"))
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, TypeError):
            self.path.replace(self.path.with_suffix(".damaged"))
            return None

    def delete(self) -> None:
        """Forget the state, once the result is there."""
        self.path.unlink(missing_ok=True)
