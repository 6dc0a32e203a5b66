"""LeNet: layers as loops, counts, gradients, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments.lenet import NETWORKS
from dmbench.harness.errors import ContractError
from dmbench.models.lenet import (
    C3_READS,
    LeNet5,
    LeNet5Caffe,
    LeNet300,
    competitive_loss,
    layer_table,
)
from dmbench.models.parts.lenet_layers import PartialConv, Subsample, squash

few = settings(deadline=None, max_examples=15, derandomize=True)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def squashed(value):
    return 1.7159 * math.tanh(2 * value / 3)


@few
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_subsampling_is_one_coefficient_times_the_sum_of_four_squashed(maps, height, width):
    layer, x = Subsample(maps).double(), noise(2, maps, 2 * height, 2 * width)
    found = layer(x)
    for n in range(2):
        for c in range(maps):
            for i in range(height):
                for j in range(width):
                    four = sum(x[n, c, 2 * i + di, 2 * j + dj].item() for di in (0, 1) for dj in (0, 1))
                    expected = squashed(layer.weight[c].item() * four + layer.bias[c].item())
                    assert found[n, c, i, j].item() == pytest.approx(expected, abs=1e-14)


def test_c3_reads_the_maps_of_table_one():
    assert len(C3_READS) == len({frozenset(maps) for maps in C3_READS}) == 16
    assert [len(maps) for maps in C3_READS] == [3] * 6 + [4] * 9 + [6]
    assert [sum(s2 in maps for maps in C3_READS) for s2 in range(6)] == [10] * 6
    # A row of the table for each map of S2: X at these maps of C3.
    rows = ["0 4 5 6 9 10 11 12 14 15", "0 1 5 6 7 10 11 12 13 15", "0 1 2 6 7 8 11 13 14 15"]
    rows += ["1 2 3 6 7 8 9 12 14 15", "2 3 4 7 8 9 10 12 13 15", "3 4 5 8 9 10 11 13 14 15"]
    for s2, row in enumerate(rows):
        assert [c3 for c3, maps in enumerate(C3_READS) if s2 in maps] == [int(word) for word in row.split()]


@few
@given(st.integers(1, 2), st.integers(3, 5))
def test_a_partial_convolution_is_a_sum_over_the_maps_that_are_read(side, size):
    reads = ((0, 2), (1,), (2, 0, 1))
    layer, x = PartialConv(reads, side).double(), noise(2, 3, size, size)
    found, place = layer(x), 0
    for out, maps in enumerate(reads):
        expected = torch.full((2, size - side + 1, size - side + 1), layer.bias[out].item(), dtype=torch.float64)
        for read in maps:
            for i in range(side):
                for j in range(side):
                    window = x[:, read, i : i + size - side + 1, j : j + size - side + 1]
                    expected += layer.weight[place, i, j].item() * window
            place += 1
        torch.testing.assert_close(found[:, out], expected, rtol=0, atol=1e-14)


def test_lenet_5_is_its_layers_squashed_and_distances_from_codes():
    net = LeNet5().double()
    x = noise(2, 1, 32, 32)
    c1 = squash(torch.nn.functional.conv2d(x, net.c1.weight, net.c1.bias))
    c3 = squash(torch.nn.functional.conv2d(net.s2(c1), net.c3.dense(), net.c3.bias))
    c5 = squash(net.s4(c3).flatten(1) @ net.c5.weight.flatten(1).T + net.c5.bias)
    f6 = squash(c5 @ net.f6.weight.T + net.f6.bias)
    found = net(x)
    for n in range(2):
        for digit in range(10):
            pairs = zip(f6[n].tolist(), net.output.codes[digit].tolist(), strict=True)
            assert found[n, digit].item() == pytest.approx(sum((a - b) ** 2 for a, b in pairs), abs=1e-11)


@few
@given(st.integers(1, 4), st.floats(0.1, 5))
def test_the_competitive_loss_is_equation_9(count, rubbish):
    penalties, labels = noise(count, 10).abs(), torch.arange(count) % 10
    rows = zip(penalties.tolist(), labels.tolist(), strict=True)
    each = [row[label] + math.log(math.exp(-rubbish) + sum(math.exp(-y) for y in row)) for row, label in rows]
    assert competitive_loss(penalties, labels, rubbish).item() == pytest.approx(sum(each) / count, abs=1e-14)


def test_caffes_network_rectifies_what_it_pools():
    net, x = LeNet5Caffe().double(), noise(2, 1, 28, 28)
    maps = torch.nn.functional.max_pool2d(torch.relu(net.conv1(x)), 2)
    maps = torch.nn.functional.max_pool2d(torch.relu(net.conv2(maps)), 2)
    expected = net.fc2(torch.relu(net.fc1(maps.flatten(1))))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-14)
    plain = LeNet5Caffe(rectify=False).double()
    plain.load_state_dict(net.state_dict())
    maps = torch.nn.functional.max_pool2d(net.conv1(x), 2)
    maps = torch.nn.functional.max_pool2d(net.conv2(maps), 2)
    torch.testing.assert_close(plain(x), net.fc2(torch.relu(net.fc1(maps.flatten(1)))), rtol=0, atol=1e-14)


def test_lenet_300_is_three_matrices_and_two_rectifiers():
    net, x = LeNet300().double(), noise(3, 1, 28, 28)
    h = torch.relu(x.flatten(1) @ net.fc1.weight.T + net.fc1.bias)
    h = torch.relu(h @ net.fc2.weight.T + net.fc2.bias)
    torch.testing.assert_close(net(x), h @ net.fc3.weight.T + net.fc3.bias, rtol=0, atol=1e-14)
    torch.testing.assert_close(net(x.flatten(1)), net(x), rtol=0, atol=0)


def test_a_layers_connections_are_its_units_times_their_inputs():
    rows = {row.name: row for row in layer_table(LeNet5(), 32)}
    assert rows["c1"].connections == 6 * 28 * 28 * (25 + 1)
    assert rows["c3"].connections == 100 * sum(25 * len(maps) + 1 for maps in C3_READS)
    assert rows["s4"].connections == 16 * 25 * 5
    assert (rows["output"].parameters, rows["output"].connections) == (0, 840)
    assert sum(row.parameters for row in rows.values()) == sum(p.numel() for p in LeNet5().parameters())


@pytest.mark.parametrize("layer", [Subsample(2), PartialConv(((0,), (1, 0)), 2)], ids=["subsample", "partial"])
def test_gradients_of_the_layers_of_1998(layer):
    layer = layer.double()
    names = [name for name, _ in layer.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in layer.parameters()]

    def run(x, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, [noise(1, 2, 4, 4).requires_grad_(), *values])


def test_weights_of_1998_are_drawn_within_a_bound_of_their_inputs():
    net = LeNet5()
    net.reset(torch.Generator().manual_seed(1))
    state = [p.clone() for p in net.parameters()]
    assert net.f6.weight.abs().max() <= 2.4 / 121
    assert net.f6.weight.abs().max() > 0.99 * 2.4 / 121
    for maps, bias in zip(C3_READS, net.c3.bias, strict=True):
        assert bias.abs() <= 2.4 / (25 * len(maps) + 1)
    full = net.c3.weight[-6:].abs().max()
    assert 0.9 * 2.4 / 151 < full <= 2.4 / 151
    net.reset(torch.Generator().manual_seed(1))
    torch.testing.assert_close(list(net.parameters()), state, rtol=0, atol=0)


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"need codes \(10, 84\) of -1 and \+1: \(10, 83\)"):
        LeNet5(torch.ones(10, 83))
    with pytest.raises(ValueError, match="need codes"):
        LeNet5(torch.zeros(10, 84))
    with pytest.raises(ValueError, match="the constant j, must be above 0: 0"):
        competitive_loss(torch.ones(1, 10), torch.zeros(1).long(), 0)


def test_only_what_keeps_the_contract_is_measured():
    assert check("lenet", numbers="lenet5_parameters", lenet5="dmbench.models.lenet:LeNet5")
    with pytest.raises(ContractError, match="not a torch.nn.Module"):
        NETWORKS["lenet5"].check(lambda: torch.ones(1))
    with pytest.raises(ContractError, match=r"returned shape \(2, 11\)"):
        NETWORKS["lenet300"].check(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 11)))
