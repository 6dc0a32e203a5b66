"""RNN: the equation as loops, torch's layer, gradients, truncated backpropagation, limits, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.layers.gru import GRU
from dmbench.layers.lstm import LSTM
from dmbench.layers.rnn import NONLINEARITIES, RNN, Recurrent, truncated

few = settings(deadline=None, max_examples=20, derandomize=True)
sides = st.integers(1, 5)
SQUASH = {
    "tanh": math.tanh,
    "relu": lambda a: max(a, 0.0),
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "identity": lambda a: a,
}


def layer(*sizes, kind=RNN, **options):
    torch.manual_seed(0)
    return kind(*sizes, **options).double()


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


@few
@given(sides, sides, sides, sides, st.sampled_from(sorted(NONLINEARITIES)))
def test_the_layer_is_the_equation_unit_by_unit(steps, batch, inputs, hidden, name):
    net, x, h0 = layer(inputs, hidden, name), noise(steps, batch, inputs), noise(1, batch, hidden)
    w_ih, w_hh, b_ih, b_hh = (parameter.tolist() for parameter in net.parameters())
    expected = torch.empty(steps, batch, hidden, dtype=torch.float64)
    for b in range(batch):
        h = h0[0, b].tolist()
        for t in range(steps):
            h = [
                SQUASH[name](
                    sum(w_ih[k][i] * x[t, b, i].item() for i in range(inputs))
                    + b_ih[k]
                    + sum(w_hh[k][j] * h[j] for j in range(hidden))
                    + b_hh[k]
                )
                for k in range(hidden)
            ]
            expected[t, b] = torch.tensor(h, dtype=torch.float64)
    y, last = net(x, h0)
    torch.testing.assert_close(y.detach(), expected, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(last[0], y[-1], rtol=0, atol=0)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_torchs_layer_with_the_same_state_dictionary_agrees(name, bias, bidirectional):
    theirs = torch.nn.RNN(3, 4, nonlinearity=name, bias=bias, bidirectional=bidirectional).double()
    ours = layer(3, 4, name, bias=bias, bidirectional=bidirectional)
    ours.load_state_dict(theirs.state_dict())
    x, h0 = noise(6, 2, 3), noise(1 + bidirectional, 2, 4)
    for state in (None, h0):
        for mine, his in zip(ours(x, state), theirs(x, state), strict=True):
            torch.testing.assert_close(mine, his, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_parameters_are_drawn_within_torchs_bounds(kind):
    drawn = torch.cat([p.detach().flatten() for p in layer(30, 25, kind=kind).parameters()])
    assert drawn.abs().max().item() <= 0.2
    assert drawn.std().item() == pytest.approx(0.2 / math.sqrt(3), rel=0.05)


def test_gradients():
    net = layer(2, 3, bidirectional=True)
    leaves = [one.requires_grad_() for one in (noise(4, 2, 2), noise(2, 2, 3))]
    assert torch.autograd.gradcheck(lambda x, h, *_: net(x, h), (*leaves, *net.parameters()))


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 9])
def test_truncation_changes_no_output_and_cuts_the_gradient(kind, steps):
    net, x = layer(2, 3, kind=kind), noise(7, 2, 2).requires_grad_()
    y, _ = truncated(net, x, steps)
    torch.testing.assert_close(y, net(x)[0], rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(y[6].sum(), x)
    reached = gradient.flatten(1).abs().sum(1) > 0
    first = 6 // steps * steps  # where the part that holds time step 6 begins
    assert reached.tolist() == [t >= first for t in range(7)]


def test_truncation_detaches_the_given_state_and_returns_the_last():
    net, x, state = layer(2, 3, kind=LSTM), noise(5, 1, 2), (noise(1, 1, 3).requires_grad_(), noise(1, 1, 3))
    y, (h, c) = truncated(net, x, 2, state)
    whole, (h_whole, c_whole) = net(x, state)
    assert torch.autograd.grad(y.sum(), state[0], allow_unused=True)[0] is None
    for mine, whole_one in ((y, whole), (h, h_whole), (c, c_whole)):
        torch.testing.assert_close(mine, whole_one, rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_autocast_does_not_lower_the_precision(kind):
    torch.manual_seed(0)
    net, x = kind(3, 4), noise(5, 2, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = net(x)[0]
    torch.testing.assert_close(lowered, net(x)[0], rtol=0, atol=0)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_an_empty_batch_gives_an_empty_output_and_zero_gradients(kind):
    net = layer(3, 4, kind=kind)
    y, _ = net(noise(5, 2, 3)[:, :0])
    assert y.shape == (5, 0, 4)
    assert all(not gradient.any() for gradient in torch.autograd.grad(y.sum(), list(net.parameters())))


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_a_transposed_input_gives_what_a_contiguous_one_does(kind):
    net, x = layer(3, 4, kind=kind), noise(2, 5, 3)
    torch.testing.assert_close(net(x.mT.mT.transpose(0, 1))[0], net(x.transpose(0, 1).contiguous())[0])


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
@pytest.mark.parametrize("shape", [(5, 3), (0, 2, 3), (5, 2, 4)])
def test_an_input_of_the_wrong_shape_is_refused(kind, shape):
    with pytest.raises(ValueError, match=r"need x of shape \(T, B, 3\), T at least 1"):
        layer(3, 4, kind=kind)(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(1, 3, 4), (2, 2, 4), (1, 2, 5), (2, 4)])
def test_a_state_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"need a state of shape \(1, 2, 4\)"):
        layer(3, 4)(noise(5, 2, 3), torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize(("kind", "given"), [(RNN, 2), (GRU, 2), (LSTM, 1)])
def test_a_state_of_too_many_or_too_few_tensors_is_refused(kind, given):
    with pytest.raises(ValueError, match=f"need a state of [12] tensors: {given}"):
        layer(3, 4, kind=kind)(noise(5, 2, 3), (noise(1, 2, 4),) * given)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_another_dtype_than_the_weights_is_refused(kind):
    with pytest.raises(TypeError, match="need torch.float64 on cpu, as the weights: torch.float32 on cpu"):
        layer(3, 4, kind=kind)(noise(5, 2, 3).float())


@pytest.mark.parametrize("sizes", [(0, 4), (3, 0), (-1, 2)])
def test_sizes_that_are_not_positive_are_refused(sizes):
    with pytest.raises(ValueError, match=f"at least 1: {sizes[0]}, {sizes[1]}"):
        RNN(*sizes)


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(ValueError, match="one of tanh, relu, sigmoid, identity: softmax"):
        RNN(3, 4, "softmax")


def test_truncation_refuses_no_steps_and_two_directions():
    with pytest.raises(ValueError, match="at least 1 time step between detachments: 0"):
        truncated(layer(2, 3), noise(4, 1, 2), 0)
    with pytest.raises(ValueError, match="a bidirectional layer cannot be run in parts"):
        truncated(layer(2, 3, bidirectional=True), noise(4, 1, 2), 2)


def test_the_shared_layer_alone_runs_nothing():
    with pytest.raises(NotImplementedError):
        Recurrent(2, 3)(torch.zeros(1, 1, 2))
