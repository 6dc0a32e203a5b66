"""Inputs given by the place of their one: what the one-hot rows themselves give, in every recurrent layer."""

from functools import partial

import pytest
import torch
from torch.nn.functional import one_hot

from dmbench.layers.gru import GRU
from dmbench.layers.lstm import LSTM
from dmbench.layers.rnn import RNN

INPUTS, H = 6, 5
LAYERS = {
    "rnn": RNN,
    "lstm": LSTM,
    "lstm, loop": partial(LSTM, fused=False),
    "gru": GRU,
    "gru, reset before": partial(GRU, reset_after=False),
}
EVERY_LAYER = pytest.mark.parametrize("layer", list(LAYERS.values()), ids=list(LAYERS))


def places(*shape):
    return torch.randint(0, INPUTS, shape, generator=torch.Generator().manual_seed(0))


def results(net, x):
    y, last = net(x)
    up = torch.linspace(-1, 2, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
    state = last if isinstance(last, torch.Tensor) else torch.cat(last)
    return [y, state, *torch.autograd.grad((y * up).sum() + state.sum(), list(net.parameters()))]


def compare(net, x, atol):
    rows = one_hot(x, INPUTS).to(next(net.parameters()).dtype)
    for found, expected in zip(results(net, x), results(net, rows), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@EVERY_LAYER
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"bidirectional": True}], ids=str)
def test_places_give_what_one_hot_rows_give(layer, options):
    torch.manual_seed(0)
    compare(layer(INPUTS, H, **options).double(), places(4, 3), 1e-14)


@pytest.mark.gpu
@EVERY_LAYER
def test_places_give_what_one_hot_rows_give_on_a_gpu(layer, cuda):
    torch.manual_seed(0)
    compare(layer(INPUTS, H).double().to(cuda), places(4, 3).to(cuda), 1e-13)


@EVERY_LAYER
def test_places_that_are_no_inputs_are_refused(layer):
    net = layer(INPUTS, H)
    for wrong in (INPUTS, -1):
        with pytest.raises(IndexError, match=f"inputs count from 0 to {INPUTS - 1}: "):
            net(torch.tensor([[0], [wrong]]))
    with pytest.raises(ValueError, match="T at least 1"):
        net(places(0, 3))


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_single_step_without_a_graph_is_the_step_with_one(kind):
    torch.manual_seed(0)
    net, x = kind(INPUTS, H).double(), places(1, 3)
    _, state = net(x)
    y, after = net(x, state)
    with torch.no_grad():
        alone, after_alone = net(x, state)
    torch.testing.assert_close(alone, y.detach(), rtol=0, atol=1e-14)
    torch.testing.assert_close(after_alone, after, rtol=0, atol=1e-14)
