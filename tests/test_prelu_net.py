"""The PReLU paper's networks: layers in turn, the pyramid as loops, initialisation, gradients, errors."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dmbench import check
from dmbench.experiments._layer_table import parameters
from dmbench.harness.errors import ContractError
from dmbench.models.prelu_net import LAYOUTS, Layout, PReLUNet, Pyramid, init_as_paper

TINY = {
    "tiny": Layout((7, 2, 2, 0), 3, ((2, 3, 3), (2, 4, 2)), (2, 1)),
    "wide": Layout((3, 2, 1, 1), 1, ((3, 3, 1), (3, 4, 2)), (3, 1)),
}


@pytest.fixture
def tiny(monkeypatch):
    for name, layout in TINY.items():
        monkeypatch.setitem(LAYOUTS, name, layout)

    def build(name, activation="channel"):
        torch.manual_seed(0)
        net = PReLUNet(name, activation, classes=3, hidden=5).double()
        for module in net.modules():
            if isinstance(module, nn.PReLU):
                module.weight.data = torch.rand_like(module.weight)
        return net.eval()

    return build


def values(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def bend(y, prelu):
    slope = 0 if isinstance(prelu, nn.ReLU) else prelu.weight.view(1, -1, *[1] * (y.ndim - 2))
    return y.clamp(min=0) + slope * y.clamp(max=0)


def maxima_as_loops(x, bins):
    """Each bin from floor(i H / n) to ceil((i + 1) H / n), levels one after another."""
    found = []
    for n in bins:
        for c in range(x.shape[1]):
            for i in range(n):
                for j in range(n):
                    rows = slice(i * x.shape[2] // n, -(-(i + 1) * x.shape[2] // n))
                    columns = slice(j * x.shape[3] // n, -(-(j + 1) * x.shape[3] // n))
                    found.append(x[:, c, rows, columns].flatten(1).amax(1))
    return torch.stack(found, 1)


@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (1, 2, 8, 9), (1, 1, 14, 14)])
def test_the_pyramid_is_its_bins_as_loops(shape):
    x = values(*shape)
    torch.testing.assert_close(Pyramid((7, 3, 2, 1))(x), maxima_as_loops(x, (7, 3, 2, 1)), rtol=0, atol=0)


def test_bins_that_divide_a_map_share_nothing():
    x = torch.arange(196.0).view(1, 1, 14, 14)
    assert torch.equal(Pyramid((7,))(x), F.max_pool2d(x, 2).flatten(1))


@pytest.mark.parametrize("activation", ["relu", "shared", "channel"])
@torch.no_grad()
def test_the_small_network_is_its_layers_in_turn(tiny, activation):
    net = tiny("tiny", activation)
    x = values(2, 3, 60, 60)
    convs = [module for module in net.features if isinstance(module, nn.Conv2d)]
    bends = [module for module in net.features if isinstance(module, nn.PReLU | nn.ReLU)]
    y = bend(F.conv2d(x, convs[0].weight, convs[0].bias, stride=2), bends[0])
    y = F.max_pool2d(y, 3)
    for i, padding in enumerate((0, 1, 0)):
        y = bend(F.conv2d(y, convs[1 + i].weight, convs[1 + i].bias, padding=padding), bends[1 + i])
    y = F.max_pool2d(y, 2)
    for i, padding in enumerate((0, 1)):
        y = bend(F.conv2d(y, convs[4 + i].weight, convs[4 + i].bias, padding=padding), bends[4 + i])
    y = maxima_as_loops(y, (2, 1))
    linear = [module for module in net.classifier if isinstance(module, nn.Linear)]
    last = [module for module in net.classifier if isinstance(module, nn.PReLU | nn.ReLU)]
    for i in range(2):
        y = bend(y @ linear[i].weight.T + linear[i].bias, last[i])
    torch.testing.assert_close(net(x), y @ linear[2].weight.T + linear[2].bias, rtol=0, atol=1e-13)


@torch.no_grad()
def test_three_by_three_convolutions_keep_their_maps_and_no_pool_follows_the_first(tiny):
    net = tiny("wide")
    kinds = [type(module).__name__ for module in net.features if not isinstance(module, nn.PReLU)]
    assert kinds == ["Conv2d", "Conv2d", "MaxPool2d", "Conv2d", "Conv2d"]
    assert net.features(values(1, 3, 8, 6)).shape == (1, 4, 4, 3)


def test_dropout_follows_the_first_two_linear_layers_in_training_alone(tiny):
    net = tiny("tiny")
    kinds = [type(module).__name__ for module in net.classifier]
    assert kinds == ["Linear", "PReLU", "Dropout", "Linear", "PReLU", "Dropout", "Linear"]
    assert all(module.p == 0.5 for module in net.classifier if isinstance(module, nn.Dropout))
    x = values(1, 3, 60, 60)
    assert torch.equal(net(x), net(x))
    net.train()
    assert not torch.equal(net(x), net(x))


def test_gradients(tiny):
    assert torch.autograd.gradcheck(tiny("tiny"), values(1, 3, 44, 44).requires_grad_(), fast_mode=True)


def test_slopes_are_one_a_channel_one_a_layer_or_none():
    counts = {}
    for activation in ("relu", "shared", "channel"):
        with torch.device("meta"):
            counts[activation] = parameters(PReLUNet("small", activation))
    assert counts["shared"] - counts["relu"] == 13
    assert counts["channel"] - counts["relu"] == 64 + 4 * 128 + 6 * 256 + 2 * 4096


@pytest.mark.parametrize(("activation", "factor"), [("relu", 2), ("channel", 2 / (1 + 0.25**2))])
def test_the_initialisation_is_the_papers_backward_form(activation, factor):
    net = init_as_paper(PReLUNet("small", activation, hidden=64), torch.Generator().manual_seed(0))
    convs = [module for module in net.features if isinstance(module, nn.Conv2d)]
    for conv in (
        convs[1],
        convs[5],
        convs[-1],
    ):  # the first of 256 filters has 128 channels: backward differs from forward
        backward = len(conv.weight) * 4
        assert conv.weight.std().item() == pytest.approx((factor / backward) ** 0.5, rel=0.02)
        assert not conv.bias.any()
    linear = [module for module in net.classifier if isinstance(module, nn.Linear)]
    assert [round(layer.weight.std().item(), 4) for layer in linear] == [0.01, pytest.approx(0.01, rel=0.05), 0.001]
    assert all((m.weight == 0.25).all() for m in net.modules() if isinstance(m, nn.PReLU))


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match="need a layout of small, small_30, a, b, c, vgg_19 and an .*: d, relu"):
        PReLUNet("d", "relu")
    with pytest.raises(ValueError, match="an activation of relu, shared, channel: small, elu"):
        PReLUNet("small", "elu")
    with pytest.raises(ValueError, match=r"need a map of at least 6 pixels for the pyramid: \(5, 9\)"):
        Pyramid((6, 1))(torch.zeros(1, 1, 5, 9))


def test_a_network_of_the_contract_is_measured_and_another_refused():
    class Own(PReLUNet):
        pass

    assert check("prelu_net", numbers="layers_*", prelu_net=Own)
    with pytest.raises(ContractError, match=r"returned \(1, 10\), not shape \(1, 1000\)"):
        check("prelu_net", numbers="layers_*", prelu_net=lambda layout, activation: PReLUNet(layout, activation, 10))
