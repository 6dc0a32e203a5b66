"""MNIST: 60,000 training and 10,000 test digits, in the order in which they were published.

Source: LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document recognition; the file format
(IDX) as on the data set's own page. Read from the four published files, or from one .npz of the same content.

Shapes: N digits; images (N, 28, 28), uint8, 0 background to 255 ink; labels (N), int64, 0 to 9.
"""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

COUNTS = {"train": 60_000, "test": 10_000}
PREFIXES = {"train": "train", "test": "t10k"}
SIDE = 28
# Of the training pixels / 255, over all of them; PyTorch's own example normalises by the same values.
MEAN, STD = 0.1307, 0.3081
MAGIC = {1: 2049, 3: 2051}  # by the number of dimensions


def read_mnist(files: Mapping[str, Path], part: str) -> tuple[Tensor, Tensor]:
    """Read the images and labels of one part.

    Args:
        files: the four published files (`...train-images-idx3-ubyte.gz` and so on), or one `...mnist.npz` with
            x_train, y_train, x_test and y_test, by any name that ends so.
        part: "train" or "test".

    Raises:
        ValueError: an unknown part, a file that is missing, damaged or of another format, or other counts or sizes.
    """
    if part not in COUNTS:
        raise ValueError(f"part must be one of {', '.join(COUNTS)}: {part}")
    packed = next((path for name, path in files.items() if name.endswith("mnist.npz")), None)
    if packed is not None:
        images, labels = _from_npz(packed, part)
    else:
        images = _from_idx(_find(files, f"{PREFIXES[part]}-images-idx3-ubyte.gz"), 3)
        labels = _from_idx(_find(files, f"{PREFIXES[part]}-labels-idx1-ubyte.gz"), 1)
    wanted = ((COUNTS[part], SIDE, SIDE), (COUNTS[part],))
    if (images.shape, labels.shape) != wanted or images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise ValueError(f"MNIST's {part} part must be uint8 {wanted}: {images.dtype} {images.shape}, {labels.shape}")
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def _from_npz(path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            return content[f"x_{part}"], content[f"y_{part}"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: damaged, or not MNIST ({str(error)[:80]})") from error


def _from_idx(path: Path, dimensions: int) -> np.ndarray:
    try:
        content = gzip.decompress(path.read_bytes())
        (magic,) = struct.unpack_from(">I", content)
        if magic != MAGIC[dimensions]:
            raise ValueError(f"magic number {magic}, not {MAGIC[dimensions]}")
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        # A copy, for what comes from bytes cannot be written to.
        return np.frombuffer(content, np.uint8, offset=4 * (dimensions + 1)).reshape(shape).copy()
    except (OSError, EOFError, struct.error, ValueError, zlib.error) as error:
        raise ValueError(f"{path}: damaged, or no IDX file ({str(error)[:80]})") from error


def _find(files: Mapping[str, Path], ending: str) -> Path:
    path = next((path for name, path in files.items() if name.endswith(ending)), None)
    if path is None:
        raise ValueError(f"MNIST needs {ending}, or mnist.npz: {', '.join(files) or 'no files'}")
    return path
