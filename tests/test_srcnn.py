"""SRCNN: the equations as loops, the authors' MATLAB layout, gradients, errors."""

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.ndimage import correlate

from dmbench.experiments._super_resolution import fill
from dmbench.models.srcnn import SRCNN, init_as_paper, read_authors_weights


def small(f2=3, **options):
    torch.manual_seed(0)
    return SRCNN(f2, n1=3, n2=2, **options).double()


def layer_as_printed(planes, weight, bias):
    """W * X + B of Eqs. 1 to 3, pixel by pixel, each plane continued by its border pixels."""
    count, height, width = len(weight), *planes.shape[1:]
    reach = weight.shape[-1] // 2
    out = torch.zeros(count, height, width, dtype=torch.float64)
    for k in range(count):
        for i in range(height):
            for j in range(width):
                total = bias[k].clone()
                for c in range(len(planes)):
                    for di in range(-reach, reach + 1):
                        for dj in range(-reach, reach + 1):
                            row = min(max(i + di, 0), height - 1)
                            column = min(max(j + dj, 0), width - 1)
                            total += weight[k, c, reach + di, reach + dj] * planes[c, row, column]
                out[k, i, j] = total
    return out


@pytest.mark.parametrize("f2", [1, 3])
def test_the_network_is_the_equations_as_printed(f2):
    net = small(f2)
    y = torch.rand(1, 1, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        planes = layer_as_printed(y[0], net.conv1.weight, net.conv1.bias).clamp(min=0)
        planes = layer_as_printed(planes, net.conv2.weight, net.conv2.bias).clamp(min=0)
        planes = layer_as_printed(planes, net.conv3.weight, net.conv3.bias)
        torch.testing.assert_close(net(y)[0], planes, rtol=0, atol=1e-14)


@pytest.mark.parametrize("f2", [1, 5])
def test_the_authors_file_is_read_as_their_test_code_reads_it(tmp_path, f2):
    rng = np.random.default_rng(0)
    variables = {
        "weights_conv1": rng.normal(size=(81, 4)),
        "biases_conv1": rng.normal(size=(4, 1)),
        "weights_conv2": rng.normal(size=(4, f2 * f2, 3)),
        "biases_conv2": rng.normal(size=(3, 1)),
        "weights_conv3": rng.normal(size=(3, 25)),
        "biases_conv3": rng.normal(size=(1, 1)),
    }
    savemat(tmp_path / "x3.mat", variables)
    y = rng.random((12, 15))

    def square(flat):
        side = round(len(flat) ** 0.5)
        return flat.reshape(side, side, order="F")  # MATLAB's reshape goes down the columns

    def imfilter(plane, flat):
        return correlate(plane, square(flat), mode="nearest")  # its imfilter correlates; 'replicate'

    w1, w2, w3 = (variables[f"weights_conv{i}"] for i in (1, 2, 3))
    b1, b2, b3 = (variables[f"biases_conv{i}"].ravel() for i in (1, 2, 3))
    first = [np.maximum(imfilter(y, w1[:, i]) + b1[i], 0) for i in range(4)]
    second = [np.maximum(sum(imfilter(first[j], w2[j, :, i]) for j in range(4)) + b2[i], 0) for i in range(3)]
    expected = sum(imfilter(second[i], w3[i]) for i in range(3)) + b3[0]

    net = SRCNN(f2, n1=4, n2=3)
    fill(net, read_authors_weights(tmp_path / "x3.mat"))
    with torch.no_grad():
        output = net(torch.from_numpy(y)[None, None].float())[0, 0]
    scale = np.abs(expected).max()
    torch.testing.assert_close(output.double() / scale, torch.from_numpy(expected) / scale, rtol=0, atol=2e-6)


def test_gradients():
    net = small()
    assert torch.autograd.gradcheck(net, torch.rand(1, 1, 5, 4, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize(("f2", "border"), [(1, 6), (3, 7), (5, 8)])
def test_the_valid_region_is_the_middle_of_the_same_size_output(f2, border):
    same, valid = small(f2), small(f2, same_size=False)
    assert valid.border == border
    y = torch.rand(2, 1, 20, 21, dtype=torch.float64)
    middle = same(y)[..., border:-border, border:-border]
    torch.testing.assert_close(valid(y), middle, rtol=0, atol=1e-14)


def test_the_papers_initialisation_has_its_deviation_and_no_biases():
    net = init_as_paper(SRCNN(5), torch.Generator().manual_seed(0))
    weights = torch.cat([layer.weight.flatten() for layer in (net.conv1, net.conv2, net.conv3)])
    assert weights.std().item() == pytest.approx(0.001, rel=0.02)
    assert all(not layer.bias.any() for layer in (net.conv1, net.conv2, net.conv3))


@pytest.mark.parametrize("f2", [0, 2, -1])
def test_an_even_or_empty_filter_is_refused(f2):
    with pytest.raises(ValueError, match=f"must be odd and positive: {f2}"):
        SRCNN(f2)


@pytest.mark.data
def test_a_truncated_weight_file_is_refused_in_one_line(tmp_path, artifact):
    whole = next(iter(artifact("srcnn_955").values())).read_bytes()
    path = tmp_path / "x3.mat"
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x3\.mat: (truncated|holds no)") as error:
            read_authors_weights(path)
        assert "\n" not in str(error.value)


def test_another_matlab_file_is_refused_by_what_it_lacks(tmp_path):
    savemat(tmp_path / "other.mat", {"weights_conv1": np.ones((81, 64))})
    with pytest.raises(ValueError, match="holds no biases_conv1: not SRCNN weights"):
        read_authors_weights(tmp_path / "other.mat")
