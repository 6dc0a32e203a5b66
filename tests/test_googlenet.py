"""GoogLeNet: BVLC's definition layer by layer, the normalisation as loops, layout of weights, gradients, errors."""

import numpy as np
import pytest
import torch

from dmbench import check
from dmbench.harness.errors import ContractError
from dmbench.models import googlenet
from dmbench.models.googlenet import CAFFE_LAYERS, GoogLeNet, Inception, normalised, read_weights, shrunk
from tests import caffe_nets


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(net):
    """Give a network random weights, of a size that keeps its values near 1, and biases, in float64."""
    net = net.double().eval()
    for seed, parameter in enumerate(net.parameters()):
        scale = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.1
        parameter.data = scale * noise(*parameter.shape, seed=seed)
    return net


@pytest.mark.data
def test_the_network_is_the_one_that_bvlc_defines_layer_by_layer(artifact):
    (path,) = artifact("googlenet_prototxt").values()
    layers = caffe_nets.definition(path)
    assert caffe_nets.weighted(layers) == list(CAFFE_LAYERS)
    net = drawn(GoogLeNet())
    parameters = list(net.parameters())
    weights = dict(zip(CAFFE_LAYERS, zip(parameters[::2], parameters[1::2], strict=True), strict=True))
    x = noise(1, 3, 224, 224)
    with torch.no_grad():
        expected = caffe_nets.calculated(layers, weights, x)["loss3/classifier"]
        torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-11)


def test_an_inception_module_is_figure_2b():
    module = drawn(Inception(4, 2, 3, 5, 2, 3, 2))
    x = noise(2, 4, 6, 5)
    relu = torch.relu
    conv = torch.nn.functional.conv2d
    (w1, b1), (r3, c3), (w3, b3), (r5, c5), (w5, b5), (wp, bp) = zip(
        *(list(module.parameters())[i::2] for i in (0, 1)), strict=True
    )
    expected = [
        relu(conv(x, w1, b1)),
        relu(conv(relu(conv(x, r3, c3)), w3, b3, padding=1)),
        relu(conv(relu(conv(x, r5, c5)), w5, b5, padding=2)),
        relu(conv(caffe_nets.pooled(x, "MAX", 3, 1, 1), wp, bp)),
    ]
    torch.testing.assert_close(module(x), torch.cat(expected, 1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("channels", [3, 5, 9])
def test_the_normalisation_is_its_equation_channel_by_channel(channels):
    x = 300 * noise(2, channels, 3, 4)
    expected = caffe_nets.normalised(x, 5, 1e-4, 0.75)
    torch.testing.assert_close(normalised(x), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("size", [(6, 7), (9, 8), (3, 4)])
def test_a_maximum_past_the_border_is_that_of_what_is_left_as_in_caffe(size):
    x = noise(1, 2, *size) - 3
    torch.testing.assert_close(shrunk(x), caffe_nets.pooled(x, "MAX", 3, 2, 0), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself
def test_gradients():
    assert torch.autograd.gradcheck(normalised, (20 * noise(1, 6, 2, 2)).requires_grad_())
    module = drawn(Inception(3, 2, 2, 2, 2, 2, 2))
    assert torch.autograd.gradcheck(module, noise(1, 3, 4, 4).requires_grad_())


def test_auxiliary_classifiers_answer_in_training_alone_and_leave_the_other_weights_their_places():
    plain, net = GoogLeNet(), GoogLeNet(classes=1000, auxiliary=True)
    counts = [sum(p.numel() for p in n.parameters()) for n in (plain, net)]
    # Of each: 1 x 1 to 128, 4 x 4 x 128 to 1,024, 1,024 to 1,000, and biases.
    later = 128 * 4 * 4 * 1024 + 1024 + 1024 * 1000 + 1000
    assert counts[1] - counts[0] == 512 * 128 + 128 + 528 * 128 + 128 + 2 * later
    shapes = [[p.shape for p in n.parameters()] for n in (plain, net)]
    assert shapes[1][: len(shapes[0])] == shapes[0]
    x = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        assert [tuple(logits.shape) for logits in net(x)] == [(1, 1000)] * 3
        assert net.eval()(x).shape == (1, 1000)


def test_an_auxiliary_classifier_is_section_5_as_printed():
    part = drawn(googlenet.Auxiliary(3, 7))
    x = noise(2, 3, 14, 14)
    w, b, hidden, c, last, d = part.parameters()
    seen = torch.relu(torch.nn.functional.conv2d(caffe_nets.pooled(x, "AVE", 5, 3, 0), w, b)).flatten(1)
    torch.testing.assert_close(part(x), torch.relu(seen @ hidden.T + c) @ last.T + d, rtol=0, atol=1e-12)


def test_the_answer_does_not_hang_on_what_else_is_in_the_batch():
    net = drawn(GoogLeNet(classes=5))
    x = noise(2, 3, 40, 33)
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:], net(x[1:]), rtol=0, atol=1e-12)


def test_weights_are_read_from_one_file_a_layer_input_channel_fastest(tmp_path):
    rng = np.random.default_rng(0)
    files, expected = {}, []
    shapes = [tuple(p.shape) for p in GoogLeNet().parameters()]
    for name, shape, (count,) in zip(CAFFE_LAYERS, shapes[::2], shapes[1::2], strict=True):
        weight, bias = (rng.random(s, dtype=np.float32) for s in (shape, (count,)))
        files |= caffe_nets.layer_files(tmp_path, name, weight, bias)
        expected += [torch.from_numpy(weight), torch.from_numpy(bias)]
    read = read_weights(files)
    assert all(torch.equal(mine, his) for mine, his in zip(read, expected, strict=True))


@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 1, 224, 224), (1, 3, 30, 224)])
def test_what_is_no_batch_of_pictures_is_refused(shape):
    with pytest.raises(ValueError, match="need pictures \\(N, 3, H, W\\) of at least 31 x 31"):
        GoogLeNet()(torch.zeros(shape))


def test_the_smallest_picture_that_is_taken_gives_logits():
    assert GoogLeNet(classes=4).eval()(torch.zeros(1, 3, 31, 31)).shape == (1, 4)


def test_an_implementation_of_ones_own_must_take_the_weights():
    with pytest.raises(ContractError, match="parameters do not take the authors' weights"):
        check("googlenet", numbers="first_top1", googlenet=lambda: torch.nn.Conv2d(3, 1000, 1))
    with pytest.raises(ContractError, match="nothing smaller"):
        check("googlenet", numbers="normalisation*", normalisation=lambda x: x)


def test_a_normalisation_of_ones_own_is_measured():
    def theirs(x):
        return torch.nn.functional.local_response_norm(x, 5, 1e-4, 0.75, 1.0)

    (verdict,) = check("googlenet", numbers="normalisation*", normalisation=theirs)
    assert verdict.kind == "reproduced"
