"""maxout: the definition as loops, linear and convolutional, torch's pooling, gradients, limits, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments.maxout import check_maxout
from dmbench.harness.errors import ContractError
from dmbench.layers.maxout import MaxoutConv2d, MaxoutLinear, maxout

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 4)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@few
@given(sizes, sizes, sizes)
def test_a_unit_is_the_largest_of_its_neighbouring_pieces(batch, units, pieces):
    z = noise(batch, units * pieces)
    h = maxout(z, pieces)
    for n in range(batch):
        assert h[n].tolist() == [max(z[n, i * pieces + j].item() for j in range(pieces)) for i in range(units)]


@few
@given(sizes, sizes, sizes, sizes)
def test_the_linear_layer_is_the_equation_as_loops(batch, inputs, units, pieces):
    layer, x = MaxoutLinear(inputs, units, pieces, dtype=torch.float64), noise(batch, inputs)
    weight, bias = layer.linear.weight.detach(), layer.linear.bias.detach()
    h = layer(x)
    assert h.shape == (batch, units)
    for n in range(batch):
        for i in range(units):
            z = [
                sum(x[n, a].item() * weight[i * pieces + j, a].item() for a in range(inputs))
                + bias[i * pieces + j].item()
                for j in range(pieces)
            ]
            assert h[n, i].item() == pytest.approx(max(z), abs=1e-14)


@few
@given(sizes, sizes, sizes, st.integers(1, 2), st.integers(0, 1))
def test_the_convolution_takes_the_maximum_over_maps_at_each_place(channels, units, pieces, stride, padding):
    layer = MaxoutConv2d(channels, units, pieces, (2, 3), stride=stride, padding=padding, dtype=torch.float64)
    x = noise(2, channels, 5, 6)
    maps = torch.nn.functional.conv2d(x, layer.conv.weight, layer.conv.bias, stride, padding)
    expected = torch.stack([maps[:, i * pieces : (i + 1) * pieces].amax(1) for i in range(units)], 1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dim", [-1, 2, -2, 1, 0, -3])
def test_any_dimension_may_hold_the_features(dim):
    z = noise(6, 6, 6)
    expected = maxout(z.movedim(dim, -1), 3).movedim(-1, dim)
    torch.testing.assert_close(maxout(z, 3, dim), expected, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of torch itself, for forward mode
def test_gradients():
    z = noise(3, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: maxout(z, 4), z, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda z: maxout(z, 4).square(), z)


def test_of_equal_pieces_the_first_gets_the_gradient():
    z = torch.tensor([[1.0, 3.0, 3.0, 2.0, 2.0, 2.0]], requires_grad=True)
    maxout(z, 3).sum().backward()
    assert z.grad.tolist() == [[0, 1, 0, 1, 0, 0]]


def test_one_piece_changes_nothing_and_an_empty_batch_stays_empty():
    z = noise(3, 4)
    torch.testing.assert_close(maxout(z, 1), z, rtol=0, atol=0)
    assert maxout(torch.zeros(0, 6), 3).shape == (0, 2)


def test_a_nan_piece_makes_its_unit_nan_and_no_other():
    z = torch.tensor([[1.0, float("nan"), 3.0, 2.0]])
    assert maxout(z, 2).isnan().tolist() == [[True, False]]


@few
@given(st.integers(2, 6))
def test_a_unit_is_convex_in_its_input(pieces):
    layer = MaxoutLinear(3, 4, pieces, dtype=torch.float64)
    a, b = noise(50, 3), noise(50, 3, seed=1)
    assert bool((layer((a + b) / 2) <= (layer(a) + layer(b)) / 2 + 1e-14).all())


def test_without_bias_there_is_none():
    assert [p.numel() for p in MaxoutLinear(3, 2, 5, bias=False).parameters()] == [30]
    assert [p.numel() for p in MaxoutConv2d(3, 2, 5, 2, bias=False).parameters()] == [120]


@pytest.mark.parametrize("pieces", [0, -1, 4, 7])
def test_pieces_that_divide_not_the_features_are_refused(pieces):
    with pytest.raises(ValueError, match=f"at least 1 that divide the features: {pieces} of 6"):
        maxout(noise(2, 6), pieces)


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match=r"need a floating-point input, convert first: torch\.int64"):
        maxout(torch.ones(2, 6, dtype=torch.int64), 3)


@pytest.mark.parametrize(("units", "pieces"), [(0, 5), (3, 0), (3, -1)])
@pytest.mark.parametrize("build", [lambda u, k: MaxoutLinear(4, u, k), lambda u, k: MaxoutConv2d(4, u, k, 3)])
def test_a_layer_without_units_or_pieces_is_refused(build, units, pieces):
    with pytest.raises(ValueError, match=f"need at least one unit and one piece: {units}, {pieces}"):
        build(units, pieces)


def test_torchs_pooling_meets_the_contract_and_other_pieces_are_refused():
    assert check("maxout", numbers="relu", maxout="dmbench.peers.maxout:torch_nn")
    with pytest.raises(ContractError, match=r"not \[\[2, 5\], \[8, 11\]\]"):
        check_maxout(lambda z, pieces: z.unflatten(-1, (pieces, -1)).amax(-2))  # pieces far apart
    with pytest.raises(ContractError, match=r"returned \(2, 6\), not shape \(2, 2\)"):
        check_maxout(lambda z, pieces: z)
