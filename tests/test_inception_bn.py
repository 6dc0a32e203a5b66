"""Inception with batch normalisation: modules as their paths in turn, the figure's rows, gradients, limits, errors."""

import pytest
import torch
from torch.nn import functional as F

from dmbench import check
from dmbench.experiments._layer_table import multiply_adds, outputs, parameters, weighted_layers
from dmbench.harness.errors import ContractError
from dmbench.models.inception_bn import MODULES, Conv, Inception, InceptionBN, Widths

SMALL = Widths(2, 3, 4, 2, 3, 2)
PASSING = Widths(0, 3, 4, 2, 3, 0, "max", 2)


def scrambled(net):
    """Float64 in inference, with statistics and parameters that hide nothing."""
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.3 + 0.5 * (tensor.ndim == 1))
    return net.double().eval()


def values(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def layer_by_hand(layer, x, stride=1):
    y = F.conv2d(x, layer.conv.weight, None, stride, layer.conv.weight.shape[-1] // 2)
    mean, var, weight, bias = (
        t[:, None, None] for t in (layer.norm.running_mean, layer.norm.running_var, layer.norm.weight, layer.norm.bias)
    )
    return ((y - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)


def pool_by_hand(x, kind, stride):
    """A 3 x 3 maximum or average of what lies inside, as loops."""
    count, channels, height, width = x.shape
    y = torch.empty(count, channels, -(-height // stride), -(-width // stride), dtype=x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            rows, columns = slice(max(stride * i - 1, 0), stride * i + 2), slice(max(stride * j - 1, 0), stride * j + 2)
            window = x[:, :, rows, columns].flatten(2)
            y[:, :, i, j] = window.amax(2) if kind == "max" else window.mean(2)
    return y


@pytest.mark.parametrize("kind", ["avg", "max"])
@torch.no_grad()
def test_a_module_is_its_four_paths_side_by_side(kind):
    module = scrambled(Inception(5, Widths(2, 3, 4, 2, 3, 2, kind)))
    x = values(2, 5, 6, 4)
    three = layer_by_hand(module.path_3[1], layer_by_hand(module.path_3[0], x))
    double = layer_by_hand(module.path_33[0], x)
    double = layer_by_hand(module.path_33[2], layer_by_hand(module.path_33[1], double))
    pooled = layer_by_hand(module.projection, pool_by_hand(x, kind, 1))
    expected = torch.cat([layer_by_hand(module.path_1, x), three, double, pooled], 1)
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_a_module_of_stride_2_strides_last_and_passes_its_input_through():
    module = scrambled(Inception(5, PASSING))
    x = values(2, 5, 6, 4)
    three = layer_by_hand(module.path_3[1], layer_by_hand(module.path_3[0], x), 2)
    double = layer_by_hand(module.path_33[1], layer_by_hand(module.path_33[0], x))
    double = layer_by_hand(module.path_33[2], double, 2)
    expected = torch.cat([three, double, pool_by_hand(x, "max", 2)], 1)
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_the_first_convolution_is_seven_by_seven_on_each_colour_and_then_mixes():
    conv = scrambled(InceptionBN(10)).conv1.conv
    x = values(1, 3, 9, 9)
    expected = torch.zeros(1, 64, 5, 5, dtype=torch.float64)
    for colour in range(3):
        for k in range(8):
            plane = F.conv2d(x[:, colour : colour + 1], conv[0].weight[8 * colour + k][None], None, 2, 3)
            expected += conv[1].weight[:, 8 * colour + k] * plane
    torch.testing.assert_close(conv(x), expected, rtol=1e-12, atol=1e-12)


def test_the_network_is_pools_and_modules_in_turn():
    net = scrambled(InceptionBN(10))
    x = values(1, 3, 40, 33)
    with torch.no_grad():
        y = F.max_pool2d(net.conv1(x), 3, 2, 1)
        y = F.max_pool2d(net.conv2(net.conv2_reduce(y)), 3, 2, 1)
        for name in MODULES:
            y = net.inception[name](y)
        expected = y.mean((2, 3)) @ net.classifier.weight.T + net.classifier.bias
        torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("widths", [SMALL, PASSING])
def test_gradients(widths):
    torch.manual_seed(0)
    module = Inception(2, widths).double()
    x = values(2, 2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(module, x, fast_mode=True)


def test_with_the_projections_as_printed_4e_no_longer_has_1024_channels():
    with torch.device("meta"):
        net = InceptionBN(pool_4cd=128)
    found = [shape[0] for shape in outputs(net, net.inception.values(), (3, 224, 224))]
    assert found[5:8] == [608, 608, 1056]


def test_plain_or_separable_the_first_layer_differs_by_its_weights_alone():
    with torch.device("meta"):
        nets = InceptionBN(), InceptionBN(separable=False)
    assert parameters(nets[1]) - parameters(nets[0]) == 64 * 3 * 49 - (24 * 49 + 24 * 64)
    assert weighted_layers(nets[0]) - weighted_layers(nets[1]) == 1


def test_multiplications_are_those_by_hand():
    module = Inception(5, PASSING)
    by_hand = 5 * 3 * 24 + 9 * 3 * 4 * 6 + 5 * 2 * 24 + 9 * 2 * 3 * 24 + 9 * 3 * 3 * 6
    assert multiply_adds(module, (5, 6, 4)) == by_hand
    assert multiply_adds(torch.nn.Linear(7, 3), (7,)) == 21


def test_no_convolution_has_a_bias_and_each_is_normalised():
    with torch.device("meta"):
        net = InceptionBN()
    convs = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    assert all(conv.bias is None for conv in convs)
    assert sum(isinstance(module, Conv) for module in net.modules()) == len(convs) - 1


@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 1, 224, 224), (1, 3, 32, 224)])
def test_pictures_that_do_not_fit_are_refused(shape):
    with torch.device("meta"):
        net = InceptionBN()
    with pytest.raises(ValueError, match=r"need pictures \(N, 3, H, W\) of at least 33 x 33 pixels"):
        net(torch.empty(shape, device="meta"))


def test_another_network_with_these_modules_keeps_the_contract_and_one_without_does_not():
    class Plain(InceptionBN):
        def __init__(self):
            super().__init__(separable=False)

    assert check("inception_bn", numbers="channels", inception_bn=Plain)
    with pytest.raises(ContractError, match=r"returned \(1, 10\), not shape \(1, 1000\)"):
        check("inception_bn", numbers="channels", inception_bn=lambda: InceptionBN(10))
