"""Relation networks: pairs as loops, order, gradients, memory's ways, pixels, stories, tiny trainings, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench.layers.linear import Linear
from dmbench.models.parts.relation_objects import Cells, Sentences
from dmbench.models.relation_network import (
    PixelPerceptron,
    PixelRelationNetwork,
    RelationNetwork,
    StoryRelationNetwork,
)
from dmbench.peers.relation_network import PEERS

few = settings(deadline=None, max_examples=15, derandomize=True)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def small(d=3, q=2, **options):
    torch.manual_seed(0)
    sizes = {"g": (5, 4), "f": (6,), "outputs": 3} | options
    return RelationNetwork(d, q, **sizes).double()


def by_hand(net, objects, question):
    """Eq. 1 as it stands: for each two objects their vectors and the question's, one behind the other, through g."""
    total = torch.zeros(net.g[-1].weight.shape[0], dtype=torch.float64)
    for o_i in objects:
        for o_j in objects:
            x = torch.cat([o_i, o_j, question])
            for layer in net.g:
                x = (layer.weight @ x + layer.bias).clamp(min=0)
            total = total + x
    *hidden, last = [layer for layer in net.f if isinstance(layer, Linear)]
    for layer in hidden:
        total = (layer.weight @ total + layer.bias).clamp(min=0)
    return last.weight @ total + last.bias


@few
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.sampled_from([None, 1, 2]))
def test_the_answer_is_equation_1_over_all_pairs_those_with_themselves_included(n, k, d, q, rows):
    net, objects, question = small(d, q, rows=rows), noise(n, k, d), noise(n, q, seed=1)
    found = net(objects, question if q else None)
    for place in range(n):
        torch.testing.assert_close(found[place], by_hand(net, objects[place], question[place]), rtol=0, atol=1e-12)


@few
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_sets_of_unlike_size_are_answered_as_each_by_itself(counts):
    net, most = small(), max(counts)
    objects, question = noise(len(counts), most, 3), noise(len(counts), 2, seed=1)
    present = torch.tensor([[place < count for place in range(most)] for count in counts])
    found = net(objects, question, present)
    for n, count in enumerate(counts):
        torch.testing.assert_close(
            found[n], net(objects[n : n + 1, :count], question[n : n + 1])[0], rtol=0, atol=1e-12
        )
    moved = objects.masked_fill(~present[..., None], math.nan)
    torch.testing.assert_close(net(moved, question, present), found, rtol=0, atol=0)


def test_the_order_of_objects_does_not_matter_and_the_question_does():
    net, objects, question = small(), noise(2, 5, 3), noise(2, 2, seed=1)
    found = net(objects, question)
    for seed in range(3):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(net(objects[:, order], question), found, rtol=0, atol=1e-12)
    assert (net(objects, question.flip(0)) - found).abs().min() > 1e-3


def test_which_object_comes_first_in_a_pair_matters():
    net, objects, question = small(), noise(1, 2, 3), noise(1, 2, seed=1)
    w_i, w_j, w_q = net.g[0].weight.data.split((3, 3, 2), 1)
    before = net.relations(objects, question)
    net.g[0].weight.data = torch.cat([w_j, w_i, w_q], 1)
    # All pairs swapped are all pairs: the sum is the same; with one of the two matrices gone it is not.
    torch.testing.assert_close(net.relations(objects, question), before, rtol=0, atol=1e-12)
    net.g[0].weight.data = torch.cat([w_i, w_i, w_q], 1)
    assert (net.relations(objects, question) - before).abs().max() > 1e-2


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_gradients_are_the_same_however_many_rows_are_computed_together(rows):
    question = noise(2, 2, seed=1)
    results = []
    for one in (None, rows):
        net, objects = small(rows=one), noise(2, 4, 3).requires_grad_()
        upstream = noise(2, 3, seed=2)
        results.append(torch.autograd.grad(net(objects, question), [objects, *net.parameters()], upstream))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("part", [None, [[True, True, True], [False, True, True]]])
def test_gradients(part):
    net, objects = small(), noise(2, 3, 3).requires_grad_()
    question = noise(2, 2, seed=1).requires_grad_()
    present = None if part is None else torch.tensor(part)
    names = [name for name, _ in net.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]

    def run(objects, question, *weights):
        named = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(net, named, (objects, question, present))

    assert torch.autograd.gradcheck(run, (objects, question, *values))


def test_pairs_that_are_made_give_the_same():
    net, objects, question = small(), noise(2, 4, 3), noise(2, 2, seed=1)
    peer = PEERS["materialised"]["relation"](3, 2, g=(5, 4), f=(6,), outputs=3).double()
    peer.load_state_dict(net.state_dict())
    torch.testing.assert_close(peer(objects, question), net(objects, question), rtol=0, atol=1e-13)


def test_dropout_is_before_the_last_layer_and_gone_at_test_time():
    net, plain = small(f=(200, 200), dropout=0.5), small(f=(200, 200))
    plain.load_state_dict({k.replace("f.5", "f.4"): v for k, v in net.state_dict().items()})
    objects, question = noise(1, 2, 3), noise(1, 2, seed=1)
    torch.testing.assert_close(net.eval()(objects, question), plain(objects, question), rtol=0, atol=1e-13)
    seen = []
    net.f[-1].register_forward_hook(lambda layer, given, result: seen.append(given[0]))
    net.train()(objects, question)
    assert 0.5 < float((seen[0] == 0).double().mean()) < 0.95  # a half of what ReLU left


@pytest.mark.parametrize(("size", "side"), [(75, 5), (128, 8), (16, 1)])
def test_cells_are_objects_with_their_places(size, side):
    net = Cells((4, 4, 4, 6)).double().eval()
    images = noise(2, 3, size, size)
    maps, objects = net(images), net.objects(images)
    assert net.side(size) == side
    assert objects.shape == (2, side**2, 8)
    for row in range(side):
        for column in range(side):
            cell = objects[:, row * side + column]
            torch.testing.assert_close(cell[:, :6], maps[:, :, row, column], rtol=0, atol=0)
            place = [0.0, 0.0] if side == 1 else [2 * column / (side - 1) - 1, 2 * row / (side - 1) - 1]
            torch.testing.assert_close(cell[0, 6:].tolist(), place, rtol=0, atol=1e-15)


def test_pixels_are_answered_by_the_cells_and_the_relation():
    sizes = {"kernels": (4, 4, 4, 6), "g": (5,), "f": (6,)}
    net = PixelRelationNetwork(2, 3, **sizes).double().eval()
    images, question = noise(2, 3, 32, 32), noise(2, 2, seed=1)
    found = net(images, question)
    for n in range(2):
        objects = net.cells.objects(images[n : n + 1])[0]
        torch.testing.assert_close(found[n], by_hand(net.relation, objects, question[n]), rtol=0, atol=1e-12)
    baseline = PixelPerceptron(2, 3, size=32, **sizes).double().eval()
    x = torch.cat([baseline.cells(images).flatten(1), question], 1)
    assert [tuple(layer.weight.shape) for layer in baseline.perceptron if isinstance(layer, Linear)] == [
        *((5, 26), (6, 5), (3, 6))
    ]
    torch.testing.assert_close(baseline(images, question), baseline.perceptron(x), rtol=0, atol=0)


def test_a_sentence_is_the_lstms_state_after_its_last_word():
    torch.manual_seed(0)
    net = Sentences(7, 4).double()
    sentences = torch.tensor([[[3, 1, 2], [3, 1, 0], [0, 0, 0]], [[5, 0, 0], [3, 1, 2], [7, 7, 7]]])
    peer = nn.LSTM(4, 4).double()
    peer.load_state_dict(net.lstm.state_dict())
    found = net(sentences)
    for n in range(2):
        for k in range(3):
            words = sentences[n, k][sentences[n, k] != 0]
            if not len(words):
                assert not found[n, k].any()
                continue
            y, _ = peer(net.table.weight[words][:, None])
            torch.testing.assert_close(found[n, k], y[-1, 0], rtol=0, atol=1e-14)


def story_network(facts=4):
    torch.manual_seed(0)
    return StoryRelationNetwork(9, 5, units=4, facts=facts, g=(6,), f=(6,)).double()


FACTS = torch.tensor([[[1, 2, 3], [4, 5, 0], [6, 0, 0]], [[7, 8, 0], [9, 1, 2], [0, 0, 0]]])
ASKED = torch.tensor([[3, 4], [5, 0]])


def test_a_storys_objects_are_its_sentences_with_how_many_come_after_them():
    net = story_network()
    found = net(FACTS, ASKED)
    for n, count in enumerate((3, 2)):
        labels = torch.eye(4, dtype=torch.float64)[[count - 1 - k for k in range(count)]]
        objects = torch.cat([net.sentences(FACTS[n, :count]), labels], 1)
        expected = by_hand(net.relation, objects, net.question(ASKED)[n])
        torch.testing.assert_close(found[n], expected, rtol=0, atol=1e-12)


def test_the_order_of_sentences_matters_and_padding_does_not():
    net = story_network()
    found = net(FACTS, ASKED)
    assert (net(FACTS[:1].flip(1), ASKED[:1]) - found[:1]).abs().max() > 1e-3
    longer = nn.functional.pad(FACTS, (0, 2, 0, 1))
    torch.testing.assert_close(net(longer, nn.functional.pad(ASKED, (0, 1))), found, rtol=0, atol=1e-14)


def test_what_cannot_be_an_answer_is_refused_in_one_line():
    net = small()
    with pytest.raises(ValueError, match="at least one object in each set: set 0 has none"):
        net(torch.zeros(2, 0, 3).double(), noise(2, 2))
    present = torch.tensor([[True, True], [False, False]])
    with pytest.raises(ValueError, match="at least one object in each set: set 1 has none"):
        net(noise(2, 2, 3), noise(2, 2), present)
    with pytest.raises(ValueError, match=r"need present \(2, 2\), bool: \(2, 2\), int64"):
        net(noise(2, 2, 3), noise(2, 2), present.long())
    for objects, question in ((noise(2, 2, 4), noise(2, 2)), (noise(2, 2, 3), noise(2, 1)), (noise(2, 3), noise(2, 2))):
        with pytest.raises(ValueError, match=r"need objects \(N, K, 3\) and a question \(N, 2\)"):
            net(objects, question)
    with pytest.raises(ValueError, match=r"a question \(N, 2\): \(2, 2, 3\), \(2, 0\)"):
        net(noise(2, 2, 3))
    for sizes in ({"g": ()}, {"rows": 0}, {"d": 0}, {"q": -1}):
        with pytest.raises(ValueError, match="need an object_size of at least 1"):
            small(**sizes)


def test_stories_that_do_not_fit_are_refused_in_one_line():
    net = story_network(facts=2)
    with pytest.raises(ValueError, match="a story has 3 sentences: take its last 2, or a larger network"):
        net(FACTS, ASKED)
    with pytest.raises(ValueError, match="numbers of words from 0 to 9: 3 to 10"):
        story_network()(FACTS, ASKED.where(ASKED != 5, 10).where(ASKED != 0, 3))
    with pytest.raises(ValueError, match="set 1 has none"):
        story_network()(FACTS * torch.tensor([1, 0])[:, None, None], ASKED)
    with pytest.raises(ValueError, match="numbers of words from 0 to 9: none"):
        story_network()(FACTS[:, :0], ASKED)
