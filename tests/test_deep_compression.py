"""Deep compression: a writer of the format as the oracle, the released file's own counts, damaged files."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.datasets.deep_compression import read_compressed

SHAPES = ((3, 2, 3, 3), (5, 3, 1, 1))


def written(layers):
    """Compress (weight, bias) pairs whose values all lie in a layer's codebook: bytes of the file."""
    counts, parts = [], []
    for weight, bias in layers:
        codebook = np.zeros(256, "<f4")
        shared = np.unique(weight[weight != 0])
        codebook[1 : 1 + len(shared)] = shared
        entries, waited = [], 0  # (place in the codebook, zeros before)
        flat = weight.reshape(-1)
        for value in flat[: np.flatnonzero(flat)[-1] + 1] if flat.any() else []:
            if value != 0:
                entries.append((1 + int(np.searchsorted(shared, value)), waited))
                waited = 0
            elif waited == 15:
                entries.append((0, 15))  # a filler
                waited = 0
            else:
                waited += 1
        gaps = [gap for _, gap in entries] + [0] * (len(entries) % 2)
        pairs = bytes(low | high << 4 for low, high in zip(gaps[::2], gaps[1::2], strict=True))
        counts.append(len(entries))
        parts.append(codebook.tobytes() + bias.astype("<f4").tobytes() + bytes(code for code, _ in entries) + pairs)
    return np.array(counts, "<u4").tobytes() + b"".join(parts)


def sparse(seed, density, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    layers = []
    for shape in shapes:
        weight = rng.integers(1, 200, shape).astype(np.float32) / 64 - 2
        weight[(rng.random(shape) >= density) | (weight == 0)] = 0
        layers.append((weight, rng.random(shape[0], dtype=np.float32)))
    return layers


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
def test_what_was_compressed_comes_back(tmp_path_factory, seed, density):
    layers = sparse(seed, density, ((4, 3, 5, 5), *SHAPES))
    path = tmp_path_factory.mktemp("net") / "a.net"
    path.write_bytes(written(layers))
    read = read_compressed(path, [weight.shape for weight, _ in layers])
    expected = [torch.from_numpy(part) for layer in layers for part in layer]
    assert all(torch.equal(mine, his) for mine, his in zip(read, expected, strict=True))


@pytest.mark.data
def test_the_released_file_has_as_many_weights_left_as_were_counted(artifact):
    from dmbench.models.squeezenet import read_compressed_weights

    files = artifact("squeezenet_10_compressed")
    tensors = read_compressed_weights(next(path for name, path in files.items() if name.endswith(".net")))
    weights = tensors[::2]
    assert sum(int(w.count_nonzero()) for w in weights) == 415_921
    assert sum(w.numel() for w in weights) == 1_244_448
    assert all(len(w.unique()) <= 256 for w in weights)


@pytest.fixture
def damaged(tmp_path):
    def path(change):
        file = tmp_path / "a.net"
        file.write_bytes(change(written(sparse(1, 0.5))))
        return file

    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"", "ends after 0 bytes: cut short"),
        (lambda content: content[:-1], "cut short, or of another network"),
        (lambda content: content + b"\0", "1 bytes are left over"),
        (lambda content: b"\xff\xff\0\0" + content[4:], "layer 1 has 65,535 entries for 54 weights"),
        (lambda content: content[:8] + b"\0\0\x80\x3f" + content[12:], "no codebook of numbers that begins with 0"),
        (lambda content: content[:12] + b"\0\0\xc0\x7f" + content[16:], "no codebook of numbers"),
        (lambda content: content[:-1] + b"\xff", "layer 2 has weights beyond its 15"),
        (lambda content: b"<html>404</html>" * 200, "layer 1 has 1,836,345,404 entries"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(damaged, change, words):
    path = damaged(change)
    with pytest.raises(ValueError, match=words) as caught:
        read_compressed(path, SHAPES)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.net: cannot be read: No such file"):
        read_compressed(tmp_path / "nowhere.net", SHAPES)
