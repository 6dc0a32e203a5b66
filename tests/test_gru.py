"""GRU: both forms as loops, torch's layer, gradients of all paths, limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments._recurrent import results
from dmbench.layers.gru import GRU

few = settings(deadline=None, max_examples=25, derandomize=True)
sides = st.integers(1, 5)
PATHS = pytest.mark.parametrize("options", [{"fused": True}, {"fused": False}, {"reset_after": False}])
AFTER = pytest.mark.parametrize("fused", [False, True])


def layer(*sizes, dtype=torch.float64, **options):
    torch.manual_seed(0)
    net = GRU(*sizes, **options).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2  # so that the gates differ
    return net


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


def logistic(a):
    return 1 / (1 + math.exp(-a))


def as_printed(net, x, h, reset_after):
    """One sequence x (T, I) through the equations, unit by unit; weights by gate as torch documents them."""
    width = len(h)
    w_ih, w_hh, b_ih, b_hh = (parameter.tolist() for parameter in net.parameters())

    def product(matrix, bias, row, values):
        return sum(w * value for w, value in zip(matrix[row], values, strict=True)) + bias[row]

    y = []
    for x_t in x:
        r, z = (
            [
                logistic(product(w_ih, b_ih, gate * width + k, x_t) + product(w_hh, b_hh, gate * width + k, h))
                for k in range(width)
            ]
            for gate in (0, 1)
        )
        new = []
        for k in range(width):
            row = 2 * width + k
            if reset_after:
                from_state = r[k] * product(w_hh, b_hh, row, h)
            else:
                from_state = product(w_hh, b_hh, row, [r[j] * h[j] for j in range(width)])
            n = math.tanh(product(w_ih, b_ih, row, x_t) + from_state)
            new.append(z[k] * h[k] + (1 - z[k]) * n)
        h = new
        y.append(h)
    return y


@few
@given(sides, sides, sides, sides, st.sampled_from([(True, True), (True, False), (False, False)]))
def test_the_layer_is_the_equations_unit_by_unit(steps, batch, inputs, hidden, form):
    reset_after, fused = form
    net = layer(inputs, hidden, reset_after=reset_after, fused=fused)
    x, h = noise(steps, batch, inputs), noise(1, batch, hidden)
    y, last = net(x, h)
    for b in range(batch):
        expected = as_printed(net, x[:, b].tolist(), h[0, b].tolist(), reset_after)
        exact = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(y[:, b].detach(), exact, rtol=0, atol=1e-14)
    torch.testing.assert_close(last[0], y[-1], rtol=0, atol=0)


@AFTER
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_torchs_layer_with_the_same_state_dictionary_agrees_also_in_its_gradients(
    fused, bidirectional, bias, dtype, rtol
):
    ours = layer(6, 8, fused=fused, bias=bias, bidirectional=bidirectional, dtype=dtype)
    theirs = torch.nn.GRU(6, 8, bias=bias, bidirectional=bidirectional).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    x, state = noise(15, 3, 6).to(dtype), noise(1 + bidirectional, 3, 8).to(dtype)
    upstream = [noise(15, 3, 8 * len(state)).to(dtype), state.flip(-1)]
    for mine, his in zip(results(ours, x, [state], upstream), results(theirs, x, [state], upstream), strict=True):
        assert ((mine - his).abs().max() / his.abs().max()).item() <= rtol


@PATHS
def test_gradients(options):
    net = layer(2, 3, bidirectional=True, **options)
    leaves = [one.requires_grad_() for one in (noise(4, 2, 2), noise(2, 2, 3))]
    assert torch.autograd.gradcheck(lambda x, h, *_: net(x, h), (*leaves, *net.parameters()))


@pytest.mark.parametrize("reset_after", [False, True])
def test_the_loop_can_be_differentiated_twice(reset_after):
    net, x = layer(2, 2, fused=False, reset_after=reset_after), noise(3, 1, 2).requires_grad_()
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


def test_the_two_forms_are_different_functions_of_several_units():
    x, h = noise(3, 1, 2), noise(1, 1, 3)
    before, after = (layer(2, 3, reset_after=form)(x, h)[0] for form in (False, True))
    assert (before - after).abs().max().item() > 1e-3


def test_the_two_forms_agree_for_one_unit_without_bias():
    x, h = noise(3, 2, 2), noise(1, 2, 1)
    before, after = (layer(2, 1, bias=False, reset_after=form)(x, h)[0] for form in (False, True))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-15)


@PATHS
def test_an_open_update_gate_keeps_the_state(options):
    net, h = layer(2, 3, **options), noise(1, 2, 3)
    with torch.no_grad():
        net.bias_ih_l0[3:6] = 1e4
    torch.testing.assert_close(net(noise(9, 2, 2), h)[1], h, rtol=0, atol=0)


@PATHS
def test_shut_gates_forget_the_state(options):
    net, x = layer(2, 3, **options), noise(9, 2, 2)
    with torch.no_grad():
        net.bias_ih_l0[:6] = -1e4
        net.bias_hh_l0.zero_()
    torch.testing.assert_close(net(x, noise(1, 2, 3))[0], net(x)[0], rtol=0, atol=0)


def test_torchs_layer_meets_the_contract():
    assert check("gru", numbers="kept", gru="torch.nn:GRU")
