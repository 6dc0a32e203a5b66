"""Show and Tell: the wiring by hand, captions of unlike lengths, search against every sentence, gradients, errors."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench import check
from dmbench.datasets.words import END, PAD, START
from dmbench.experiments._scene_training import Pictured, Recipe
from dmbench.experiments.captioner import (
    REFERENCES,
    WIDTH,
    Captions,
    bleu4,
    check_net,
    coco_pictures,
    fitted,
    flickr8k_pictures,
    mean_nats,
    ours,
    share_true,
)
from dmbench.harness.errors import ContractError, UsageError
from dmbench.models.captioner import FORGET_BIAS, Captioner, describe, nats
from dmbench.models.parts.beam import beam_search
from dmbench.models.parts.scene_cnn import scene_cnn
from dmbench.peers.captioner import torch_captioner

few = settings(deadline=None, max_examples=15, derandomize=True)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(words=7, features=4, width=5, seed=0, learns=False, **options):
    torch.manual_seed(seed)
    net = ours(features, words, width, **options).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    return net.eval().requires_grad_(learns)


def logistic(a):
    return 1 / (1 + math.exp(-a))


def as_printed(net, given, words):
    """Scores of one picture and caption, unit by unit: the picture is read first, once, then word by word."""

    def times(matrix, x):
        return [sum(w * v for w, v in zip(row, x, strict=True)) for row in matrix.tolist()]

    lstm, width = net.lstm, net.lstm.hidden_size
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).tolist()
    h, c, scores = [0.0] * width, [0.0] * width, []
    inputs = [times(net.picture.weight, given), *(net.embedding.weight[word].tolist() for word in words)]
    for t, x in enumerate(inputs):
        z = [a + b + d for a, b, d in zip(times(lstm.weight_ih_l0, x), times(lstm.weight_hh_l0, h), bias, strict=True)]
        i, f, g, o = (z[k * width : (k + 1) * width] for k in range(4))
        c = [logistic(f[k]) * c[k] + logistic(i[k]) * math.tanh(g[k]) for k in range(width)]
        h = [logistic(o[k]) * math.tanh(c[k]) for k in range(width)]
        if t:
            scores.append([a + b for a, b in zip(times(net.scores.weight, h), net.scores.bias.tolist(), strict=True)])
    return scores


@few
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 5))
def test_the_network_reads_the_picture_once_and_then_the_words(batch, length, seed):
    net = small()
    given_, words = (
        torch.randn(batch, 4, generator=seeded(seed)).double(),
        torch.randint(7, (batch, length), generator=seeded(seed)),
    )
    scores = net(given_, words).detach()
    for b in range(batch):
        expected = torch.tensor(as_printed(net, given_[b].tolist(), words[b].tolist()), dtype=torch.float64)
        torch.testing.assert_close(scores[b], expected, rtol=0, atol=1e-13)


def test_each_picture_has_its_own_state_and_calls_share_none():
    net, given_ = small(), torch.randn(3, 4, generator=seeded()).double()
    words = torch.tensor([[START, 4, 5], [START, 4, 5], [START, 6, 6]])
    together = net(given_, words)
    again = net(given_.flip(0), words.flip(0)).flip(0)
    torch.testing.assert_close(together, again, rtol=0, atol=1e-14)
    for b in range(3):
        torch.testing.assert_close(net(given_[b : b + 1], words[b : b + 1])[0], together[b], rtol=0, atol=1e-14)
    assert (together[0] - together[1]).abs().max() > 1e-3  # the same words about another picture


def test_words_so_far_and_not_later_ones_decide_a_score():
    net, given_ = small(), torch.randn(1, 4, generator=seeded()).double()
    one, other = (net(given_, torch.tensor([[START, 4, 5, word]])) for word in (4, 6))
    torch.testing.assert_close(one[:, :3], other[:, :3], rtol=0, atol=0)
    assert (one[:, 3] - other[:, 3]).abs().max() > 1e-3


def test_step_by_step_gives_the_scores_of_the_whole():
    check_net(lambda features, words, width: small(words, features, width).float())


def test_the_likelihood_is_that_of_the_words_after_each_with_the_end_and_without_padding():
    net, given_ = small(), torch.randn(2, 4, generator=seeded()).double()
    words = torch.tensor([[START, 4, 5, END], [START, 6, END, PAD]])
    lengths = torch.tensor([4, 3])
    scores = net(given_, words[:, :-1])
    found = nats(scores, words, lengths)
    for b, sentence in enumerate(([4, 5, END], [6, END])):
        expected = -sum(float(scores[b, t].log_softmax(-1)[word]) for t, word in enumerate(sentence))
        assert float(found[b]) == pytest.approx(expected, abs=1e-13)
    padded = torch.cat([words, torch.full((2, 3), 5)], 1)  # whatever stands behind the end
    torch.testing.assert_close(nats(net(given_, padded[:, :-1]), padded, lengths), found, rtol=0, atol=1e-13)


def test_padding_gets_no_gradient():
    net = small(learns=True)
    words = torch.tensor([[START, 4, END, PAD, PAD]])
    nats(net(torch.ones(1, 4).double(), words[:, :-1]), words, torch.tensor([3])).sum().backward()
    assert not net.embedding.weight.grad[PAD].any()
    assert net.embedding.weight.grad[4].any()


def test_probabilities_of_all_sentences_sum_to_one():
    net, given_ = small(words=5), torch.randn(1, 4, generator=seeded()).double()
    others = [word for word in range(5) if word != END]
    # All that end within three words, and all that have not ended after three.
    sentences = [(*s, END) for length in range(3) for s in itertools.product(others, repeat=length)]
    sentences += itertools.product(others, repeat=3)
    total = 0.0
    for sentence in sentences:
        words = torch.tensor([[START, *sentence]])
        total += math.exp(-float(nats(net(given_, words[:, :-1]), words, torch.tensor([words.shape[1]]))))
    assert total == pytest.approx(1, abs=1e-12)


def test_gradients():
    net, given_ = (
        small(words=5, features=2, width=2, learns=True),
        torch.randn(2, 2, generator=seeded()).double().requires_grad_(),
    )
    words, lengths = torch.tensor([[START, 4, 3, END], [START, END, PAD, PAD]]), torch.tensor([4, 2])

    def loss(x, *_):
        return nats(net(x, words[:, :-1]), words, lengths)

    assert torch.autograd.gradcheck(loss, (given_, *net.parameters()))


def test_dropout_acts_in_training_alone():
    net, given_, words = small(p=0.5), torch.randn(2, 4, generator=seeded()).double(), torch.tensor([[START, 4]] * 2)
    torch.testing.assert_close(net(given_, words), net(given_, words), rtol=0, atol=0)
    net.train()
    assert (net(given_, words) - net(given_, words)).abs().max() > 1e-3


def test_the_forget_gate_begins_open_so_that_the_picture_lasts():
    plain, net = nn.LSTM(6, 6), ours(3, 5, 6).requires_grad_(False)
    bound = 6**-0.5
    assert float(net.lstm.bias_ih_l0[6:12].min()) >= FORGET_BIAS - bound
    assert float(net.lstm.bias_ih_l0[:6].max()) <= bound
    assert float(net.lstm.bias_hh_l0.abs().max()) <= bound
    assert [p.shape for p in net.lstm.parameters()] == [p.shape for p in plain.parameters()]


def exhaustive(net, given_, words, limit, count):
    """The likeliest sentences of one picture, by trying all."""
    others = [word for word in range(words) if word != END]
    sentences = [(*s, END) for n in range(limit) for s in itertools.product(others, repeat=n)]
    sentences += list(itertools.product(others, repeat=limit))
    scored = []
    for sentence in sentences:
        symbols = torch.tensor([[START, *sentence]])
        scored.append(
            (-float(nats(net(given_, symbols[:, :-1]), symbols, torch.tensor([len(sentence) + 1]))), sentence)
        )
    return sorted(scored, reverse=True)[:count]


def test_with_beams_enough_the_search_finds_the_likeliest_of_all_sentences_in_order():
    net, given_ = small(words=5), torch.randn(2, 4, generator=seeded(1)).double()
    found = describe(net, given_, START, END, beams=5**3, limit=3)
    for b in range(2):
        for place, (score, sentence) in enumerate(exhaustive(net, given_[b : b + 1], 5, 3, 20)):
            words = found.words[b, place].tolist()
            assert words[: len(sentence)] == list(sentence)
            assert all(word == END for word in words[len(sentence) :])
            assert float(found.scores[b, place]) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("beams", [1, 2, 3, 5])
def test_the_search_keeps_the_best_sentences_of_each_length_as_a_plain_loop_does(beams):
    net, given_ = small(words=6, seed=4), torch.randn(3, 4, generator=seeded(2)).double()
    with torch.no_grad():
        found = describe(net, given_, START, END, beams=beams, limit=5)
        for b in range(3):
            kept = [(0.0, (START,))]
            for _ in range(5):
                longer = []
                for score, sentence in kept:
                    if sentence[-1] == END:
                        longer.append((score, sentence))
                        continue
                    after = net(given_[b : b + 1], torch.tensor([sentence]))[0, -1].log_softmax(-1).tolist()
                    longer += [(score + value, (*sentence, word)) for word, value in enumerate(after)]
                kept = sorted(longer, reverse=True)[:beams]
            for place, (score, sentence) in enumerate(kept):
                words = found.words[b, place].tolist()
                assert words[: len(sentence) - 1] == list(sentence[1:])
                assert float(found.scores[b, place]) == pytest.approx(score, abs=1e-12)


def test_greedy_search_takes_the_likeliest_word_each_time():
    net, given_ = small(words=6, seed=2), torch.randn(4, 4, generator=seeded(3)).double()
    found = describe(net, given_, START, END, beams=1, limit=6).words[:, 0].tolist()
    for b in range(4):
        sentence = [START]
        while sentence[-1] != END and len(sentence) < 7:
            sentence.append(int(net(given_[b : b + 1], torch.tensor([sentence]))[0, -1].argmax()))
        assert found[b][: len(sentence) - 1] == sentence[1:]


def test_more_beams_than_sentences_leave_the_rest_impossible():
    state = (torch.zeros(1, 1, 1),)
    found = beam_search(lambda words, state: (torch.zeros(len(words), 3), state), state, 0, 2, beams=9, limit=1)
    assert found.scores[0].isneginf().tolist() == [False] * 3 + [True] * 6


@pytest.mark.parametrize(("beams", "limit"), [(0, 3), (3, 0)])
def test_a_search_without_beams_or_words_is_refused(beams, limit):
    with pytest.raises(ValueError, match="need at least one beam and one word"):
        describe(small(), torch.zeros(1, 4).double(), START, END, beams=beams, limit=limit)


@pytest.mark.parametrize("sizes", [{"words": 0}, {"features": 0}, {"embedding": 0}, {"hidden": 0}])
def test_a_size_below_one_is_refused(sizes):
    with pytest.raises(ValueError, match="need sizes of at least 1"):
        Captioner(nn.Identity(), **({"features": 3, "words": 5} | sizes))


def test_words_must_be_as_many_as_pictures():
    with pytest.raises(ValueError, match=r"need words \(B, T\) for 2 pictures: \(3, 2\)"):
        small()(torch.zeros(2, 4).double(), torch.zeros(3, 2, dtype=torch.int64))


@pytest.mark.parametrize("lengths", [[4, 5], [1, 4], [0, 2]])
def test_lengths_out_of_range_are_refused(lengths):
    words = torch.tensor([[START, 4, 5, END]] * 2)
    with pytest.raises(ValueError, match="need lengths of 2 to 4"):
        nats(torch.zeros(2, 3, 7), words, torch.tensor(lengths))


def test_shapes_of_the_likelihood_must_fit():
    with pytest.raises(ValueError, match=r"need scores \(B, T, V\), words \(B, T \+ 1\) and lengths \(B\)"):
        nats(torch.zeros(2, 4, 7), torch.zeros(2, 4, dtype=torch.int64), torch.tensor([4, 4]))


def test_torchs_lstm_meets_the_contract_and_numbers():
    assert check("captioner", numbers="parameters", captioner=torch_captioner)
    assert check("captioner", numbers="difference_torch", captioner=torch_captioner)


def test_what_scores_otherwise_is_refused():
    class Stateless(Captioner):
        def step(self, words, state):
            scores, _ = super().step(words, state)
            return scores, state

    with pytest.raises(ContractError, match="step\\(\\) gives other scores than the whole at word 1"):
        check_net(lambda f, w, width: Stateless(nn.Identity(), f, w, embedding=width, hidden=width))
    with pytest.raises(ContractError, match=r"returned scores \(2, 3, 8\), not \(2, 3, 7\)"):
        check_net(lambda f, w, width: ours(f, w + 1, width))


def test_pictures_are_read_by_any_network():
    torch.manual_seed(0)
    net = Captioner(scene_cnn(16), 16, 7, embedding=5, hidden=5)
    assert net(torch.rand(2, 3, 32, 32), torch.tensor([[START, 4]] * 2)).shape == (2, 2, 7)


def test_captions_in_numbers_are_the_true_ones_and_come_back():
    captions, data = Captions(), Pictured(5, 3)
    for objects, numbers in zip(data.objects, captions.of(data), strict=True):
        batch = captions.take(numbers, torch.device("cpu"))
        assert len(numbers) == len(objects) ** 2
        assert batch.symbols.shape[1] == int(batch.lengths.max()) == 11
        said = [captions.vocabulary.decode(row) for row in batch.symbols.tolist()]
        assert share_true(said, data) <= 100
        assert [captions.number[sentence] for sentence in said] == numbers


def test_bleu_is_100_for_a_reference_and_less_for_a_shuffled_one():
    captions, data = Captions(), Pictured(20, 3)
    sentences = list(captions.number)
    right = [sentences[numbers[-1]] for numbers in captions.of(data)]
    wrong = [" ".join(reversed(sentence.split())) for sentence in right]
    assert bleu4(right, data) > 60
    assert bleu4(wrong, data) < 20
    assert REFERENCES == 5


class Given:
    """As much of a context as training needs."""

    device, seed = torch.device("cpu"), 1

    def __init__(self):
        self.points, self.notes = [], {}

    def subject(self, _):
        return ours

    def note(self, **settings):
        self.notes |= settings

    def point(self, **values):
        self.points.append(values)

    def load(self):
        return None

    def save(self, _):
        return True

    def progress(self, *_):
        pass


def test_a_few_updates_bring_the_likelihood_of_captions_down_and_a_seed_gives_the_same_again():
    recipe = Recipe(updates=10, batch=16, rate=5e-3, scenes=60, test=10, cnn_updates=3)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        ctx = Given()
        _, net, captions, seen, test = fitted(ctx, recipe)
        found.append(mean_nats(net, captions, seen, test))
    assert found[0] == found[1]
    torch.manual_seed(1)
    untrained = ours(seen.shape[1], len(captions.vocabulary), WIDTH)
    assert found[0] < 0.8 * mean_nats(untrained.eval(), captions, seen, test)
    assert ctx.points[-1]["update"] == 10
    assert ctx.notes["width"] == WIDTH


@pytest.mark.parametrize(
    ("function", "variable"), [(coco_pictures, "DMBENCH_COCO"), (flickr8k_pictures, "DMBENCH_FLICKR8K")]
)
def test_a_wrong_folder_is_one_line_that_names_the_variable(function, variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(UsageError, match=f"^{variable}: .* has no .*; need"):
        function(Given())
