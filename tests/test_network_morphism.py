"""Network morphisms: outputs stay, weights are where they should be, and both kinds follow one another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.experiments.network_morphism import CHAINS, unsettle
from dmbench.nas.network_morphism import Chain, Layer, deepen, widen


def chain(layers, training=False, inputs=3):
    torch.manual_seed(0)
    net = Chain(layers, inputs=inputs).double()
    unsettle(net)
    return net.train(training)


def far(one, other, x):
    with torch.no_grad():
        return float((one(x) - other(x)).abs().max())


PICTURES = torch.rand(5, 3, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_any_row_of_morphisms_leaves_outputs_as_they_are(data):
    net = chain(data.draw(st.sampled_from(CHAINS)))
    first = net
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(net.layers) - 1))
        if data.draw(st.booleans()):
            net = widen(net, index, net.layers[index].filters + data.draw(st.integers(1, 9)))
        else:
            net = deepen(net, index, data.draw(st.sampled_from([1, 3, 5])))
    assert far(first, net, PICTURES) < 1e-12


@pytest.mark.parametrize("index", range(3))
def test_a_wider_network_normalises_batches_as_the_first_did(index):
    net = chain(CHAINS[1], training=True)
    wider = widen(net, index, 20)
    assert wider.training
    assert far(net, wider, PICTURES) < 1e-12


def test_filters_are_copied_and_their_readers_share():
    net = chain([Layer(2), Layer(3)])
    wider = widen(net, 0, 5, torch.Generator().manual_seed(0))
    weight = wider.convolutions[0].weight
    assert torch.equal(weight[:2], net.convolutions[0].weight)
    source = [next(j for j in range(2) if torch.equal(row, weight[j])) for row in weight]
    for j in range(2):
        copies = [place for place, origin in enumerate(source) if origin == j]
        read = wider.convolutions[1].weight[:, copies]
        assert torch.allclose(read.sum(1), net.convolutions[1].weight[:, j], atol=1e-14)
        assert torch.allclose(read, net.convolutions[1].weight[:, [j]] / len(copies), atol=1e-14)


def test_a_widened_last_layer_is_shared_by_the_classifier():
    net = chain([Layer(4)])
    wider = widen(net, 0, 4 + 7)
    assert wider.classifier.weight.shape == (10, 11)
    assert torch.allclose(wider.classifier.weight.sum(1), net.classifier.weight.sum(1), atol=1e-13)


def test_the_first_network_stays_as_it_was():
    net = chain(CHAINS[2])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other = deepen(widen(net, 1, 9), 1)
    with torch.no_grad():
        for value in other.parameters():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_noise_tells_copies_apart_and_leaves_the_first_filters():
    net = chain([Layer(3), Layer(3)])
    wider = widen(net, 0, 6, torch.Generator().manual_seed(0), noise=0.1)
    rows = wider.convolutions[0].weight.flatten(1)
    assert torch.equal(rows[:3], net.convolutions[0].weight.flatten(1))
    assert len({tuple(row.tolist()) for row in rows}) == 6
    assert far(net, wider, PICTURES) > 1e-6


def test_a_layer_that_was_added_learns():
    net = deepen(chain(CHAINS[0]), 0).train()
    net(PICTURES).square().sum().backward()
    assert float(net.convolutions[1].weight.grad.abs().max()) > 0


def test_a_morphed_network_is_of_the_same_dtype():
    net = chain(CHAINS[0]).float()
    for made in (widen(net, 0, 9), deepen(net, 0)):
        assert {value.dtype for value in made.parameters()} == {torch.float32}


@pytest.mark.parametrize("morph", [lambda net, index: widen(net, index, 9), deepen])
@pytest.mark.parametrize("index", [-1, 2])
def test_a_layer_that_is_not_there_is_an_error(morph, index):
    with pytest.raises(IndexError, match=f"the network has layers 0 to 1: {index}"):
        morph(chain(CHAINS[0]), index)


@pytest.mark.parametrize("filters", [0, 2, 3])
def test_a_layer_is_not_made_narrower(filters):
    with pytest.raises(ValueError, match=f"layer 0 has 3 filters: {filters} are no more"):
        widen(chain(CHAINS[0]), 0, filters)


def test_bad_layers_are_refused():
    with pytest.raises(ValueError, match="a layer needs a filter: 0"):
        Layer(0)
    with pytest.raises(ValueError, match="a window that keeps the size is odd: 4"):
        deepen(chain(CHAINS[0]), 0, 4)
    with pytest.raises(ValueError, match="a chain needs a layer"):
        Chain([])
