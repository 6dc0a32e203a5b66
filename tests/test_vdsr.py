"""VDSR: the network as loops, adjustable clipping by hand, the authors' layout, errors."""

import re

import numpy as np
import pytest
import torch
from scipy.io import savemat

from dmbench.experiments.vdsr import butterfly
from dmbench.layers.bicubic import imresize
from dmbench.metrics.ycbcr import rgb2ycbcr
from dmbench.models.vdsr import VDSR, init_as_paper, read_authors_weights


def small():
    torch.manual_seed(0)
    return VDSR(depth=3, width=2).double()


def layer_as_loops(planes, weight, bias):
    """A 3 x 3 correlation, pixel by pixel; zeros beyond the border."""
    height, width = planes.shape[1:]
    out = bias[:, None, None].repeat(1, height, width)
    for k in range(len(weight)):
        for i in range(height):
            for j in range(width):
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            out[k, i, j] += weight[k, :, 1 + di, 1 + dj] @ planes[:, i + di, j + dj]
    return out


def test_the_network_is_loops_plus_the_input():
    net = small()
    y = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        planes = y[0]
        for i, layer in enumerate(net.convs):
            planes = layer_as_loops(planes if i == 0 else planes.clamp(min=0), layer.weight, layer.bias)
        torch.testing.assert_close(net(y)[0], y[0] + planes, rtol=0, atol=1e-14)


def test_the_authors_file_is_row_column_in_out(tmp_path):
    rng = np.random.default_rng(0)
    shapes = [(3, 3, 1, 4), (3, 3, 4, 4), (3, 3, 4)]  # MATLAB drops the last dimension of one filter
    weights, biases = np.empty((1, 3), dtype=object), np.empty((1, 3), dtype=object)
    for i, shape in enumerate(shapes):
        weights[0, i] = rng.normal(size=shape).astype(np.float32)
        biases[0, i] = rng.normal(size=(shape[3] if len(shape) == 4 else 1, 1)).astype(np.float32)
    savemat(tmp_path / "vdsr.mat", {"model": {"weight": weights, "bias": biases}})
    tensors = read_authors_weights(tmp_path / "vdsr.mat")
    assert len(tensors) == 6
    for layer, (row, column, channel_in, channel_out) in ((0, (0, 2, 0, 3)), (1, (1, 0, 2, 3)), (2, (2, 1, 3, 0))):
        stored = weights[0, layer] if layer < 2 else weights[0, layer][..., None]
        assert tensors[2 * layer][channel_out, channel_in, row, column] == stored[row, column, channel_in, channel_out]
        assert torch.equal(tensors[2 * layer + 1], torch.from_numpy(biases[0, layer].ravel()))


def test_gradients():
    y = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(small(), y)


def test_the_papers_initialisation_keeps_the_variance_of_rectified_signals():
    net = init_as_paper(VDSR(), torch.Generator().manual_seed(0))
    for layer in net.convs[1:-1]:
        assert layer.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
        assert not layer.bias.any()


def test_a_network_of_one_layer_is_refused():
    with pytest.raises(ValueError, match="depth must be at least 2: 1"):
        VDSR(depth=1)


@pytest.mark.data
def test_a_truncated_weight_file_is_refused_in_one_line(tmp_path, artifact):
    (whole,) = (path.read_bytes() for path in artifact("vdsr").values())
    path = tmp_path / "vdsr.mat"
    for length in (0, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"vdsr\.mat: (truncated|holds no)") as error:
            read_authors_weights(path)
        assert "\n" not in str(error.value)


def test_another_matlab_file_is_refused_by_what_it_lacks(tmp_path):
    savemat(tmp_path / "other.mat", {"weights": np.ones(3)})
    with pytest.raises(ValueError, match=r"holds no model\.weight and model\.bias"):
        read_authors_weights(tmp_path / "other.mat")


@pytest.mark.data
def test_the_report_shows_each_method_sharper_than_the_one_before(artifact):
    class Drawing:
        device = torch.device("cpu")

        def files(self, name):
            return artifact(name)

        def subject(self, name):
            return {"bicubic": imresize, "ycbcr": rgb2ycbcr, "vdsr": VDSR}[name]

        def note(self, **settings):
            pass

    labels = [axes.get_xlabel() for axes in butterfly(Drawing()).axes]
    assert labels[0] == "truth"
    decibels = [float(re.search(r"([\d.]+) dB", label)[1]) for label in labels[1:4]]
    assert decibels == sorted(decibels)
    errors = [float(re.search(r"error, ([\d.]+)", label)[1]) for label in labels[5:8]]
    assert errors == sorted(errors, reverse=True)
