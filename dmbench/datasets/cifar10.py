"""CIFAR-10: 50,000 training and 10,000 test pictures of ten classes, in the order in which they were published.

Source: Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images; the formats as on the data set's own
page. Read from the published binary archive, or from the Python one, whose pickles may make arrays and nothing else.

Shapes: N pictures; images (N, 3, 32, 32), uint8, red, green, blue; labels (N), int64, 0 to 9.
"""

import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH = 10_000  # pictures in one of the archive's files
MEMBERS = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
BINARY, PYTHON, FIRST = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "cifar10_test_first100.npz"
DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError, tarfile.TarError, zlib.error)
Pictures = tuple[Tensor, Tensor]


def read_cifar10(files: Mapping[str, Path], part: str) -> Pictures:
    """Read the pictures and labels of one part.

    Args:
        files: one of the published archives, by any name that ends as it is called there.
        part: "train" or "test".

    Raises:
        ValueError: an unknown part, no archive, or one that is damaged, of another format or with other counts.
    """
    if part not in MEMBERS:
        raise ValueError(f"part must be one of {', '.join(MEMBERS)}: {part}")
    path = _find(files, BINARY) or _find(files, PYTHON)
    if path is None:
        raise ValueError(f"CIFAR-10 needs {BINARY} or {PYTHON}: {', '.join(files) or 'no files'}")
    read, folder, ending = (_binary, "cifar-10-batches-bin", ".bin")
    if path.name.endswith(PYTHON):
        read, folder, ending = (_pickled, "cifar-10-batches-py", "")
    try:
        with tarfile.open(path, "r:gz") as archive:
            batches = [read(_member(archive, f"{folder}/{name}{ending}")) for name in MEMBERS[part]]
    except (*DAMAGE, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: damaged, or not CIFAR-10 ({str(error)[:80]}): fetch it again") from error
    return _checked(np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches]), path)


def read_first_100(files: Mapping[str, Path]) -> Pictures:
    """Read the first hundred test pictures from `cifar10_test_first100.npz`, whose x is (100, 32, 32, 3).

    Raises:
        ValueError: no such file, or one that is damaged, or of other counts.
    """
    path = _find(files, FIRST)
    if path is None:
        raise ValueError(f"needs {FIRST}: {', '.join(files) or 'no files'}")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            images, labels = content["x"], content["y"]
        if images.shape != (100, 32, 32, 3) or images.dtype != np.uint8:
            raise ValueError(f"x is {images.dtype} {images.shape}")
    except (*DAMAGE, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged, or not CIFAR-10 ({str(error)[:80]}): fetch it again") from error
    return _checked(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels, path)


def _find(files: Mapping[str, Path], ending: str) -> Path | None:
    return next((path for name, path in files.items() if name.endswith(ending)), None)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)  # into memory: nothing is written
    if stream is None:
        raise ValueError(f"{name} is no file")
    return stream.read()


def _binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Split a binary file into its records: a label and the picture's planes, one byte each."""
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    _count(len(records))
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def _pickled(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of the Python version: a dictionary with data (N, 3072) and a list of labels."""
    batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    images = batch[b"data"]
    if images.dtype != np.uint8:
        raise ValueError(f"data is {images.dtype}")
    _count(len(images))
    return images.reshape(-1, *SHAPE), np.asarray(batch[b"labels"])


class _ArraysOnly(pickle.Unpickler):
    """Knows what numpy's arrays are made of; whatever else a pickle asks for is refused, and never called."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"asks for {module}.{name}, which no array needs")


def _count(pictures: int) -> None:
    if pictures != BATCH:
        raise ValueError(f"holds {pictures:,} pictures, not {BATCH:,}")


def _checked(images: np.ndarray, labels: np.ndarray, path: Path) -> Pictures:
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"{path}: the labels do not match: need one of 0 to 9 for each of {len(images):,} pictures")
    return torch.from_numpy(np.array(images)), torch.from_numpy(labels.astype(np.int64))
