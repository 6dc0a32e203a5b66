"""SqueezeNet: the authors' definition calculated layer by layer, the layout of weights, gradients, limits, errors."""

import numpy as np
import pytest
import torch

from dmbench import check
from dmbench.harness.errors import ContractError
from dmbench.models.squeezenet import CAFFE_LAYERS, VERSIONS, Fire, SqueezeNet, read_weights, shrunk
from tests import caffe_nets
from tests.test_googlenet import drawn, noise


@pytest.mark.data
@pytest.mark.parametrize("side", [227, 231])
def test_version_1_0_is_the_one_that_its_authors_define_layer_by_layer(artifact, side):
    files = artifact("squeezenet_10_compressed")
    layers = caffe_nets.definition(next(path for name, path in files.items() if name.endswith(".prototxt")))
    net = drawn(SqueezeNet("1.0"))
    parameters = list(net.parameters())
    names = caffe_nets.weighted(layers)
    weights = dict(zip(names, zip(parameters[::2], parameters[1::2], strict=True), strict=True))
    x = noise(1, 3, side, side)
    with torch.no_grad():
        expected = caffe_nets.calculated(layers, weights, x)["pool_final"]
        torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def as_described(net, x, pooled_after, padding):
    """The whole of a version from its parameters, in Table 1's order."""
    conv = torch.nn.functional.conv2d
    parameters = list(net.parameters())
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    x = conv(x, *layers[0], stride=2).clamp(min=0)
    for i in range(1, 10):
        if i > 1:
            squeeze, expand1, expand3 = layers[3 * i - 5 : 3 * i - 2]
            s = conv(x, *squeeze).clamp(min=0)
            x = torch.cat([conv(s, *expand1), conv(s, *expand3, padding=1)], 1).clamp(min=0)
        if i in pooled_after:
            x = caffe_nets.pooled(x, "MAX", 3, 2, 0)
    return conv(x, *layers[-1], padding=padding).clamp(min=0).mean((2, 3))


@pytest.mark.parametrize(("version", "pooled_after", "padding"), [("1.0", (1, 4, 8), 1), ("1.1", (1, 3, 5), 0)])
def test_a_version_is_its_table_read_from_top_to_bottom(version, pooled_after, padding):
    net, x = drawn(SqueezeNet(version, classes=6)), noise(2, 3, 62, 57)
    with torch.no_grad():
        torch.testing.assert_close(net(x), as_described(net, x, pooled_after, padding), rtol=0, atol=1e-13)


def test_a_pad_of_one_averages_the_biases_in_where_conv10_sees_nothing():
    padded, plain = (drawn(SqueezeNet("1.0", classes=4, padding=p)) for p in (1, 0))
    x = noise(1, 3, 60, 60)
    with torch.no_grad():
        inner, outer = plain(x)[0], padded(x)[0]
    side = 3  # 60 to 27, 13, 6, 3
    bias = plain.conv10.bias.detach().clamp(min=0)
    expected = (side**2 * inner + ((side + 2) ** 2 - side**2) * bias) / (side + 2) ** 2
    torch.testing.assert_close(outer, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("version", list(VERSIONS))
def test_without_weights_the_logits_are_the_last_biases(version):
    net = SqueezeNet(version, classes=3)
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    net.conv10.bias.data = torch.tensor([1.0, -1.0, 0.5])
    assert net.eval()(torch.ones(1, 3, 40, 40)).tolist() == [[1.0, 0.0, 0.5]]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself
def test_gradients():
    fire = drawn(Fire(3, 2, 3))
    assert torch.autograd.gradcheck(fire, noise(1, 3, 4, 3).requires_grad_())
    assert torch.autograd.gradcheck(shrunk, noise(1, 2, 6, 5).requires_grad_())


def test_weights_are_read_from_one_file_a_layer_input_channel_fastest(tmp_path):
    rng = np.random.default_rng(0)
    files, expected = {}, []
    shapes = [tuple(p.shape) for p in SqueezeNet("1.1").parameters()]
    for name, shape, (count,) in zip(CAFFE_LAYERS, shapes[::2], shapes[1::2], strict=True):
        weight, bias = (rng.random(s, dtype=np.float32) for s in (shape, (count,)))
        files |= caffe_nets.layer_files(tmp_path, name, weight, bias)
        expected += [torch.from_numpy(weight), torch.from_numpy(bias)]
    assert all(torch.equal(mine, his) for mine, his in zip(read_weights(files), expected, strict=True))


def test_an_unknown_version_is_refused():
    with pytest.raises(ValueError, match="version must be one of 1.0, 1.1: 2"):
        SqueezeNet("2")


@pytest.mark.parametrize("shape", [(3, 227, 227), (1, 4, 227, 227), (1, 3, 20, 227)])
def test_what_is_no_batch_of_pictures_is_refused(shape):
    with pytest.raises(ValueError, match="need pictures \\(N, 3, H, W\\) of at least 21 x 21"):
        SqueezeNet()(torch.zeros(shape))


@pytest.mark.parametrize("version", list(VERSIONS))
def test_the_smallest_picture_that_is_taken_gives_logits(version):
    assert SqueezeNet(version, classes=4).eval()(torch.zeros(1, 3, 21, 21)).shape == (1, 4)


def test_an_implementation_of_ones_own_must_take_the_weights():
    with pytest.raises(ContractError, match="parameters do not take the authors' weights"):
        check("squeezenet", numbers="first_top1_11", squeezenet=lambda version: torch.nn.Conv2d(3, 1000, 1))
