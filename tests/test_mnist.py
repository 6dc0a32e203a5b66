"""mnist: both formats against files written here, the published content by checksum, limits, errors."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch

from dmbench.datasets import mnist
from dmbench.datasets.mnist import read_mnist

FEW = {"train": 7, "test": 4}
# sha256 of the published files, uncompressed.
PUBLISHED = {
    ("train", 3): "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ("train", 1): "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ("test", 3): "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ("test", 1): "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.fixture
def files(artifact):
    return artifact("mnist")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Random digits in both formats: {"npz": files, "idx": files}, and the arrays."""
    monkeypatch.setattr(mnist, "COUNTS", FEW)
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in FEW.items():
        arrays[f"x_{part}"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = generator.integers(0, 10, count, dtype=np.uint8)
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    idx = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        for letter, kind, array in (("x", "images-idx3", 3), ("y", "labels-idx1", 1)):
            path = tmp_path / f"{prefix}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(as_idx(arrays[f"{letter}_{part}"], array)))
            idx[f"mnist/{path.name}"] = path
    return {"npz": {"mnist/mnist.npz": tmp_path / "mnist.npz"}, "idx": idx}, arrays


def as_idx(array, dimensions):
    return struct.pack(f">{dimensions + 1}I", 2048 + dimensions, *array.shape) + array.tobytes()


@pytest.mark.data
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_digits_are_the_published_ones_in_the_published_order(files, part):
    images, labels = read_mnist(files, part)
    for tensor, dimensions in ((images, 3), (labels, 1)):
        content = as_idx(tensor.numpy().astype(np.uint8), dimensions)
        assert hashlib.sha256(content).hexdigest() == PUBLISHED[part, dimensions]


@pytest.mark.data
def test_mean_and_deviation_are_those_of_the_training_pixels(files):
    pixels = read_mnist(files, "train")[0].double() / 255
    assert round(pixels.mean().item(), 4) == mnist.MEAN
    assert round(pixels.std().item(), 4) == mnist.STD


@pytest.mark.parametrize("form", ["npz", "idx"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_both_formats_give_what_was_written(small, form, part):
    images, labels = read_mnist(small[0][form], part)
    assert torch.equal(images, torch.from_numpy(small[1][f"x_{part}"]))
    assert labels.dtype == torch.int64
    assert labels.tolist() == small[1][f"y_{part}"].tolist()


def test_an_unknown_part_is_refused_by_name(small):
    with pytest.raises(ValueError, match="part must be one of train, test: validation"):
        read_mnist(small[0]["npz"], "validation")


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match="needs t10k-images-idx3-ubyte.gz, or mnist.npz: no files"):
        read_mnist({}, "test")


@pytest.mark.parametrize("form", ["npz", "idx"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no digits", lambda b: b""])
def test_a_damaged_file_is_refused_by_its_path(small, form, damage):
    path = next(
        path for name, path in small[0][form].items() if "test" in name or "t10k-images" in name or "npz" in name
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=path.name):
        read_mnist(small[0][form], "test")


def test_labels_in_the_place_of_images_are_refused(small):
    files = small[0]["idx"]
    images, labels = (next(p for n, p in files.items() if f"t10k-{kind}" in n) for kind in ("images", "labels"))
    images.write_bytes(labels.read_bytes())
    with pytest.raises(ValueError, match="magic number 2049, not 2051"):
        read_mnist(files, "test")


def test_other_counts_are_refused(small, monkeypatch):
    monkeypatch.setattr(mnist, "COUNTS", {"train": 8, "test": 4})
    with pytest.raises(ValueError, match=r"uint8 \(\(8, 28, 28\), \(8,\)\): uint8 \(7, 28, 28\)"):
        read_mnist(small[0]["idx"], "train")
