"""Layers as caffejs stores them: the order of a filter's values, and files that do not fit."""

import numpy as np
import pytest
import torch

from dmbench.datasets.caffe_layers import read_layer
from tests.caffe_nets import layer_files


def test_a_filter_is_stored_output_row_column_input(tmp_path):
    values = np.arange(2 * 3 * 4 * 5, dtype=np.float32)
    (tmp_path / "conv_filter.bin").write_bytes(values.astype("<f4").tobytes())
    (tmp_path / "conv_bias.bin").write_bytes(np.array([7, 8], "<f4").tobytes())
    files = {name: tmp_path / name for name in ("conv_filter.bin", "conv_bias.bin")}
    weight, bias = read_layer(files, "conv", (2, 5, 3, 4))
    for o, c, i, j in ((0, 0, 0, 1), (0, 3, 0, 0), (1, 4, 2, 3), (0, 1, 2, 0)):
        assert weight[o, c, i, j] == ((o * 3 + i) * 4 + j) * 5 + c
    assert bias.tolist() == [7, 8]


def test_a_linear_layer_is_stored_as_torch_has_it(tmp_path):
    weight, bias = np.random.default_rng(0).random((3, 4), dtype=np.float32), np.zeros(3, np.float32)
    assert torch.equal(read_layer(layer_files(tmp_path, "fc", weight, bias), "fc", (3, 4))[0], torch.from_numpy(weight))


def test_a_layer_is_found_by_its_whole_name(tmp_path):
    files = {}
    for i, name in enumerate(("inception_3a/3x3", "inception_3a/x3x3")):
        files |= layer_files(tmp_path, name, np.full((1, 1, 1, 1), i, np.float32), np.zeros(1, np.float32))
    assert read_layer(dict(reversed(files.items())), "inception_3a/3x3", (1, 1, 1, 1))[0].item() == 0


def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path):
    files = layer_files(tmp_path, "conv", np.zeros((2, 3, 1, 1), np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="conv_filter.bin: has 24 bytes, not the 32 of 8 float32"):
        read_layer(files, "conv", (2, 4, 1, 1))
    with pytest.raises(ValueError, match="no file of the name other_filter.bin among 2"):
        read_layer(files, "other", (2, 3, 1, 1))
    files["weights/conv_bias.bin"].write_bytes(np.array([1, np.nan], "<f4").tobytes())
    with pytest.raises(ValueError, match="conv_bias.bin: holds NaN or infinity"):
        read_layer(files, "conv", (2, 3, 1, 1))
    files["weights/conv_filter.bin"].unlink()
    with pytest.raises(ValueError, match="conv_filter.bin: cannot be read"):
        read_layer(files, "conv", (2, 3, 1, 1))
