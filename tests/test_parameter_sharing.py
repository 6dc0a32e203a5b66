"""Parameter sharing: tied layers as loops, a convolution as its matrix, gradients, counts, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench import check
from dmbench.experiments.parameter_sharing import MATRIX
from dmbench.harness.errors import ContractError
from dmbench.regularizers.parameter_sharing import (
    TiedAutoencoder,
    TiedEmbedding,
    as_matrix,
    count,
    tie,
    tying_penalty,
)

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 3)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


@few
@given(sides, sides, sides, sides, st.integers(3, 5), st.integers(3, 5), st.integers(1, 3), st.integers(0, 2))
def test_the_matrix_is_a_convolution_entry_by_entry(out, channels, h, w, height, width, stride, padding):
    weight = noise(out, channels, h, w)
    matrix = as_matrix(weight, height, width, stride, padding)
    rows, columns = (height + 2 * padding - h) // stride + 1, (width + 2 * padding - w) // stride + 1
    assert matrix.shape == (out * rows * columns, channels * height * width)
    for row, values in enumerate(matrix.tolist()):
        o, i, j = row // (rows * columns), row // columns % rows, row % columns
        for column, value in enumerate(values):
            c, y, x = column // (height * width), column // width % height, column % width
            dy, dx = y - (i * stride - padding), x - (j * stride - padding)
            inside = 0 <= dy < h and 0 <= dx < w
            assert value == (weight[o, c, dy, dx].item() if inside else 0)


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_the_autoencoder_goes_back_by_the_transpose(inputs, hidden, batch):
    net, x = TiedAutoencoder(inputs, hidden).double(), noise(batch, inputs)
    w, b = net.encoder.weight.tolist(), net.encoder.bias.tolist()
    with torch.no_grad():
        net.back += noise(inputs, seed=1)
    for row, found in zip(x.tolist(), net(x).tolist(), strict=True):
        sums = [sum(w[k][i] * row[i] for i in range(inputs)) + b[k] for k in range(hidden)]
        code = [1 / (1 + math.exp(-value)) for value in sums]
        back = [sum(w[k][i] * code[k] for k in range(hidden)) + net.back[i].item() for i in range(inputs)]
        assert found == pytest.approx(back, abs=1e-14)


def test_gradients_of_what_is_tied():
    net = TiedAutoencoder(3, 2).double()
    names = [name for name, _ in net.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]

    def run(x, *weights):
        return torch.func.functional_call(net, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, [noise(2, 3).requires_grad_(), *values])
    weight = noise(2, 1, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: as_matrix(w, 3, 4, 2, 1), weight)


def test_embedding_and_scores_use_one_matrix():
    net = TiedEmbedding(5, 3).double()
    words = torch.tensor([[0, 4], [2, 2]])
    assert torch.equal(net(words), net.weight[words])
    states = noise(2, 3)
    with torch.no_grad():
        net.bias += noise(5)
    rows, biases = net.weight.tolist(), net.bias.tolist()
    for state, found in zip(states.tolist(), net.scores(states).tolist(), strict=True):
        products = [sum(a * b for a, b in zip(state, row, strict=True)) for row in rows]
        assert found == pytest.approx([p + b for p, b in zip(products, biases, strict=True)], abs=1e-14)
    assert count(net) == 5 * 3 + 5
    assert count(TiedEmbedding(5, 3, bias=False)) == 15


def test_a_tied_parameter_is_one_has_both_gradients_and_is_counted_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    apart = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    kept = tie(net, "2.weight", "0.weight")
    assert net[2].weight is net[0].weight is kept
    apart.load_state_dict(net.state_dict())
    x = noise(4, 3)
    for one in (net, apart):
        one(x).square().sum().backward()
    torch.testing.assert_close(kept.grad, apart[0].weight.grad + apart[2].weight.grad, rtol=0, atol=1e-13)
    assert (count(net), count(net, places=True), count(apart)) == (15, 24, 24)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    before = kept.detach().clone()
    optimiser.step()
    torch.testing.assert_close(net[2].weight, before - 0.1 * kept.grad, rtol=0, atol=1e-15)


@few
@given(st.integers(1, 4), st.floats(0, 2))
def test_the_penalty_is_the_squared_distance(size, factor):
    first, second = noise(size, seed=1).requires_grad_(), noise(size, seed=2)
    expected = factor * sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True))
    assert tying_penalty(first, second, factor).item() == pytest.approx(expected, abs=1e-13)
    (slope,) = torch.autograd.grad(tying_penalty(first, second, factor), first)
    torch.testing.assert_close(slope, 2 * factor * (first - second).detach(), rtol=0, atol=1e-14)


def test_what_does_not_fit_is_refused_in_one_line():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3))
    with pytest.raises(ValueError, match="no parameter is called 7.weight; there are: 0.weight, 0.bias"):
        tie(net, "7.weight", "0.weight")
    with pytest.raises(ValueError, match=r"0.weight and 1.weight differ: \(2, 3\) torch.float32, \(3, 2\)"):
        tie(net, "0.weight", "1.weight")
    with pytest.raises(ValueError, match=r"need weights of one shape, .*: \(2,\), \(3,\), 1"):
        tying_penalty(torch.ones(2), torch.ones(3), 1.0)
    with pytest.raises(ValueError, match="nan"):
        tying_penalty(torch.ones(2), torch.ones(2), math.nan)
    with pytest.raises(ValueError, match="a filter of 4 x 1 does not fit 3 x 3 with padding 0"):
        as_matrix(torch.ones(1, 1, 4, 1), 3, 3)
    with pytest.raises(ValueError, match=r"need a weight \(O, C, h, w\), .*: \(1, 1, 2, 2\), 0, 0"):
        as_matrix(torch.ones(1, 1, 2, 2), 3, 3, stride=0)
    with pytest.raises(ValueError, match="at least one input and hidden unit: 0, 2"):
        TiedAutoencoder(0, 2)
    with pytest.raises(ValueError, match="at least one word"):
        TiedEmbedding(0, 2)


def test_only_what_keeps_the_contract_is_measured():
    assert check("parameter_sharing", numbers="edge_*", matrix="dmbench.regularizers.parameter_sharing:as_matrix")
    with pytest.raises(ContractError, match="returned another matrix"):
        MATRIX.check(lambda *given: torch.zeros(2, 3))
