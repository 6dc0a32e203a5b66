"""LSTM: the equations as loops, torch's layer, gradients of both paths, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments._recurrent import results
from dmbench.harness.errors import ContractError
from dmbench.layers.lstm import LSTM

few = settings(deadline=None, max_examples=20, derandomize=True)
sides = st.integers(1, 5)
PATHS = pytest.mark.parametrize("fused", [False, True])


def layer(*sizes, dtype=torch.float64, **options):
    torch.manual_seed(0)
    net = LSTM(*sizes, **options).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2  # so that the gates differ
    return net


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


def logistic(a):
    return 1 / (1 + math.exp(-a))


def as_printed(net, x, h, c):
    """One sequence x (T, I) through the equations, unit by unit; weights by gate as torch documents them."""
    width = len(h)
    w_ih, w_hh, b_ih, b_hh = (parameter.tolist() for parameter in net.parameters())

    def before(gate, unit, x_t, h):
        row = gate * width + unit
        return (
            sum(w * value for w, value in zip(w_ih[row], x_t, strict=True))
            + b_ih[row]
            + sum(w * value for w, value in zip(w_hh[row], h, strict=True))
            + b_hh[row]
        )

    y = []
    for x_t in x:
        new_h, new_c = [], []
        for unit in range(width):
            i = logistic(before(0, unit, x_t, h))
            f = logistic(before(1, unit, x_t, h))
            g = math.tanh(before(2, unit, x_t, h))
            o = logistic(before(3, unit, x_t, h))
            new_c.append(f * c[unit] + i * g)
            new_h.append(o * math.tanh(new_c[-1]))
        h, c = new_h, new_c
        y.append(h)
    return y, c


@few
@given(sides, sides, sides, sides, st.booleans())
def test_the_layer_is_the_equations_unit_by_unit(steps, batch, inputs, hidden, fused):
    net, x = layer(inputs, hidden, fused=fused), noise(steps, batch, inputs)
    h, c = noise(1, batch, hidden), noise(1, batch, hidden) + 1
    y, (h_last, c_last) = net(x, (h, c))
    for b in range(batch):
        expected, expected_c = as_printed(net, x[:, b].tolist(), h[0, b].tolist(), c[0, b].tolist())
        exact = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(y[:, b].detach(), exact, rtol=0, atol=1e-14)
        exact = torch.tensor(expected_c, dtype=torch.float64)
        torch.testing.assert_close(c_last[0, b].detach(), exact, rtol=0, atol=1e-14)
    torch.testing.assert_close(h_last[0], y[-1], rtol=0, atol=0)


@PATHS
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_torchs_layer_with_the_same_state_dictionary_agrees_also_in_its_gradients(
    fused, bidirectional, bias, dtype, rtol
):
    ours = layer(6, 8, fused=fused, bias=bias, bidirectional=bidirectional, dtype=dtype)
    theirs = torch.nn.LSTM(6, 8, bias=bias, bidirectional=bidirectional).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    shape = (1 + bidirectional, 3, 8)
    x, state = noise(15, 3, 6).to(dtype), [noise(*shape).to(dtype), noise(*shape).to(dtype) + 1]
    upstream = [noise(15, 3, 8 * shape[0]).to(dtype), *(one.flip(-1) for one in state)]
    for mine, his in zip(results(ours, x, state, upstream), results(theirs, x, state, upstream), strict=True):
        assert ((mine - his).abs().max() / his.abs().max()).item() <= rtol


@PATHS
def test_gradients(fused):
    net = layer(2, 3, fused=fused, bidirectional=True)
    leaves = [one.requires_grad_() for one in (noise(4, 2, 2), noise(2, 2, 3), noise(2, 2, 3) + 1)]

    def outputs(x, h, c, *_):
        y, (h_last, c_last) = net(x, (h, c))
        return y, h_last, c_last

    assert torch.autograd.gradcheck(outputs, (*leaves, *net.parameters()))


def test_the_loop_can_be_differentiated_twice():
    net, x = layer(2, 2, fused=False), noise(3, 1, 2).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: net(x)[0], (x,))


def test_the_fused_path_refuses_a_second_derivative():
    net, x = layer(2, 3), noise(4, 1, 2).requires_grad_()
    with pytest.raises(RuntimeError, match="no second derivative: build the layer with fused=False"):
        torch.autograd.grad(net(x)[0].sum(), x, create_graph=True)


def test_the_fused_path_can_go_backward_twice_through_one_graph():
    net = layer(2, 3)
    loss = net(noise(4, 1, 2))[0].sum()
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    second = torch.autograd.grad(loss, list(net.parameters()))
    for one, two in zip(first, second, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_frozen_weights_get_no_gradient_and_leave_the_others_as_they_are():
    net, x = layer(2, 3), noise(4, 1, 2)
    whole = torch.autograd.grad(net(x)[0].sum(), net.bias_hh_l0)[0]
    net.weight_ih_l0.requires_grad_(False)
    net.weight_hh_l0.requires_grad_(False)
    torch.testing.assert_close(torch.autograd.grad(net(x)[0].sum(), net.bias_hh_l0)[0], whole, rtol=0, atol=0)


@PATHS
def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_cell(fused):
    net = layer(2, 3, fused=fused)
    with torch.no_grad():
        net.bias_ih_l0[:3], net.bias_ih_l0[3:6] = -1e4, 1e4
    c = noise(1, 2, 3)
    _, (_, c_last) = net(noise(9, 2, 2), (noise(1, 2, 3), c))
    torch.testing.assert_close(c_last, c, rtol=0, atol=0)


@PATHS
def test_a_shut_output_gate_shows_nothing(fused):
    net = layer(2, 3, fused=fused)
    with torch.no_grad():
        net.bias_ih_l0[9:] = -1e4
    assert not net(noise(9, 2, 2))[0].any()


def test_the_reverse_direction_is_the_layer_on_the_reversed_sequence():
    both, one = layer(2, 3, bidirectional=True), layer(2, 3)
    state = both.state_dict()
    one.load_state_dict({name: state[f"{name}_reverse"] for name in one.state_dict()})
    x = noise(6, 2, 2)
    torch.testing.assert_close(both(x)[0][..., 3:], one(x.flip(0))[0].flip(0), rtol=0, atol=0)


def test_torchs_layer_meets_the_contract_and_a_network_without_gates_does_not():
    assert check("lstm", numbers="carousel*", lstm="torch.nn:LSTM")
    with pytest.raises(ContractError, match="its parameters have shapes"):
        check("lstm", numbers="carousel*", lstm=torch.nn.GRU)
