"""A replay memory on disk: written once, piece by piece, as it grows, so that a checkpoint costs what is new.

A piece holds PIECE times of all columns, frames compressed, and never changes once written. What does not fill a piece
yet is in the state that `save` returns; whoever keeps that state keeps a memory that `load` restores bit for bit.
"""

import io
import os
import pickle
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dmbench.agents.parts.replay import ReplayMemory

PIECE = 1024  # times


def save(memory: ReplayMemory, folder: Path) -> dict[str, Any]:
    """Write the pieces that are full and not there yet, several at a time; return the rest.

    Raises: OSError: the disk is full or cannot be written; what was written before is whole.
    """
    oldest = max(0, memory.added - memory.times)
    last = memory.added // PIECE
    paths = {number: folder / f"{number}.piece" for number in range(oldest // PIECE, last)}

    def write(number: int) -> None:
        _write(paths[number], _packed(_slice(memory, max(number * PIECE, oldest), (number + 1) * PIECE)))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # zlib works without the interpreter's lock
        for _ in pool.map(write, [number for number, path in paths.items() if not path.exists()]):
            pass
    return {"added": memory.added, "rest": _slice(memory, max(last * PIECE, oldest), memory.added)}


def tidy(memory: ReplayMemory, folder: Path) -> None:
    """Delete pieces that were overwritten as a whole: to be called when the state is safely kept."""
    for path in folder.glob("*.piece"):
        if (int(path.stem) + 1) * PIECE <= memory.added - memory.times:
            path.unlink()


def load(memory: ReplayMemory, folder: Path, state: dict[str, Any]) -> None:
    """Restore a memory of the same make from its pieces and the rest.

    Raises: ValueError: a piece is missing, truncated or of another memory.
    """
    memory.added = int(state["added"])
    oldest = max(0, memory.added - memory.times)
    for number in range(oldest // PIECE, memory.added // PIECE):
        path = folder / f"{number}.piece"
        try:
            piece = _unpacked(path.read_bytes())
        except (OSError, zlib.error, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            kind = "missing" if isinstance(error, FileNotFoundError) else "truncated or damaged"
            raise ValueError(f"the replay file {path.name} is {kind}: begin anew with --fresh") from error
        _put(memory, max(number * PIECE, oldest), (number + 1) * PIECE, piece)
    _put(memory, max(memory.added // PIECE * PIECE, oldest), memory.added, state["rest"])
    for path in folder.glob("*.piece"):  # of times after this state: they will be written again
        if int(path.stem) >= memory.added // PIECE:
            path.unlink()
    for path in folder.glob("*.partial"):  # half written when the run was killed
        path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _slice(memory: ReplayMemory, begin: int, end: int) -> dict[str, Tensor]:
    slots = torch.arange(begin, end) % memory.times
    return {name: column[slots.to(column.device)].cpu() for name, column in memory.columns.items()}


def _put(memory: ReplayMemory, begin: int, end: int, piece: dict[str, Tensor]) -> None:
    """Store the last times of a piece, which ends before `end`; it may begin with times long overwritten."""
    slots = torch.arange(begin, end) % memory.times
    for name, column in memory.columns.items():
        part = piece[name][max(0, len(piece[name]) - len(slots)) :]
        if part.shape != (len(slots), *column.shape[1:]) or part.dtype != column.dtype:
            raise ValueError(f"the replay's {name} are of another memory: {tuple(part.shape)}: begin anew with --fresh")
        column[slots.to(column.device)] = part.to(column.device)


def _packed(columns: dict[str, Tensor]) -> bytes:
    content = io.BytesIO()
    torch.save(columns, content)
    return zlib.compress(content.getvalue(), 1)


def _unpacked(content: bytes) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(io.BytesIO(zlib.decompress(content)), weights_only=True)
    return loaded
