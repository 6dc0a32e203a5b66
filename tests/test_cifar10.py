"""cifar10: both archives and the hundred pictures against files written here, what pickles may not do, errors."""

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
import torch

from dmbench.datasets import cifar10
from dmbench.datasets.cifar10 import read_cifar10, read_first_100

FEW = 6


def pictures(seed):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (FEW, 3, 32, 32), np.uint8), generator.integers(0, 10, FEW, np.uint8)


BATCHES = {name: pictures(i) for i, name in enumerate([*cifar10.MEMBERS["train"], *cifar10.MEMBERS["test"]])}


def text(word):
    """A string as Python 2 pickled it."""
    return b"U" + bytes([len(word)]) + word


def number(value):
    return b"J" + struct.pack("<i", value)


def pickled(images, labels):
    """A batch as Python 2's numpy pickled it: strings are bytes without an encoding."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + text(b"b") + b"tR("
    kind = b"cnumpy\ndtype\n(" + text(b"u1") + number(0) + number(1) + b"tR("
    kind += number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    data = images.tobytes()
    state = number(1) + b"(" + number(len(images)) + number(3072) + b"t" + kind + b"\x89"
    array += state + b"T" + struct.pack("<i", len(data)) + data + b"tb"
    listed = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def binary(images, labels):
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def write(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return {f"cifar10/{path.name}": path}


@pytest.fixture
def both(tmp_path, monkeypatch):
    """The same few pictures in both published formats."""
    monkeypatch.setattr(cifar10, "BATCH", FEW)
    return {
        "binary": write(
            tmp_path / cifar10.BINARY, {f"cifar-10-batches-bin/{n}.bin": binary(*b) for n, b in BATCHES.items()}
        ),
        "python": write(
            tmp_path / cifar10.PYTHON, {f"cifar-10-batches-py/{n}": pickled(*b) for n, b in BATCHES.items()}
        ),
    }


FORMS = pytest.mark.parametrize("form", ["binary", "python"])


@FORMS
@pytest.mark.parametrize("part", ["train", "test"])
def test_both_archives_give_what_was_written_in_order(both, form, part):
    images, labels = read_cifar10(both[form], part)
    expected = [BATCHES[name] for name in cifar10.MEMBERS[part]]
    assert torch.equal(images, torch.from_numpy(np.concatenate([batch[0] for batch in expected])))
    assert labels.dtype == torch.int64
    assert labels.tolist() == np.concatenate([batch[1] for batch in expected]).tolist()


@pytest.mark.data
def test_the_hundred_pictures_are_the_first_of_the_test_set(artifact):
    images, labels = read_first_100(artifact("cifar10_test_first100"))
    assert images.shape == (100, 3, 32, 32)
    # A cat, two ships, an airplane, frogs: as on the data set's page and in every notebook.
    assert [cifar10.CLASSES[label] for label in labels[:6]] == ["cat", "ship", "ship", "airplane", "frog", "frog"]


@pytest.mark.data
def test_the_archive_begins_with_the_hundred_pictures(artifact):
    images, labels = read_cifar10(artifact("cifar10"), "test")
    few = read_first_100(artifact("cifar10_test_first100"))
    assert torch.equal(images[:100], few[0])
    assert torch.equal(labels[:100], few[1])


def test_a_pickle_that_asks_for_more_than_arrays_is_refused_before_it_acts(tmp_path, monkeypatch):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    files = write(tmp_path / cifar10.PYTHON, {"cifar-10-batches-py/test_batch": pickle.dumps({b"data": Hostile()})})
    with pytest.raises(ValueError, match=r"cifar-10-python.tar.gz: damaged, .*asks for (_)?io.open, which no array"):
        read_cifar10(files, "test")
    assert not (tmp_path / "made").exists()


@FORMS
@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"no pictures", lambda b: b"", lambda b: b"\x1f\x8b" + b[9:]]
)
def test_a_damaged_archive_is_refused_in_one_line_by_its_path(both, form, damage):
    (path,) = both[form].values()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name}: damaged, or not CIFAR-10") as refused:
        read_cifar10(both[form], "train")
    assert "\n" not in str(refused.value)


def test_an_archive_without_its_batch_is_refused(tmp_path):
    files = write(tmp_path / cifar10.BINARY, {"readme.html": b"hello"})
    with pytest.raises(ValueError, match="cifar-10-batches-bin/test_batch.bin"):
        read_cifar10(files, "test")


def test_other_counts_are_refused(both, monkeypatch):
    monkeypatch.setattr(cifar10, "BATCH", FEW + 1)
    for files in both.values():
        with pytest.raises(ValueError, match="holds 6 pictures, not 7"):
            read_cifar10(files, "test")


def test_labels_that_do_not_match_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "BATCH", FEW)
    images, labels = pictures(0)
    files = write(tmp_path / cifar10.BINARY, {"cifar-10-batches-bin/test_batch.bin": binary(images, labels + 10)})
    with pytest.raises(ValueError, match="the labels do not match: need one of 0 to 9 for each of 6 pictures"):
        read_cifar10(files, "test")
    files = write(tmp_path / cifar10.PYTHON, {"cifar-10-batches-py/test_batch": pickled(images, labels[1:])})
    with pytest.raises(ValueError, match="the labels do not match"):
        read_cifar10(files, "test")


def test_unknown_parts_and_missing_files_are_named(both):
    with pytest.raises(ValueError, match="part must be one of train, test: validation"):
        read_cifar10(both["binary"], "validation")
    with pytest.raises(ValueError, match="needs cifar-10-binary.tar.gz or cifar-10-python.tar.gz: no files"):
        read_cifar10({}, "test")
    with pytest.raises(ValueError, match="needs cifar10_test_first100.npz: no files"):
        read_first_100({})


@pytest.mark.parametrize("content", [b"", b"PK no archive", None])
def test_a_damaged_file_of_the_hundred_is_refused(tmp_path, content):
    path = tmp_path / "cifar10_test_first100.npz"
    if content is None:
        np.savez(path, x=np.zeros((100, 3, 32, 32), np.uint8), y=np.zeros(100, np.uint8))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="cifar10_test_first100.npz: damaged"):
        read_first_100({path.name: path})
