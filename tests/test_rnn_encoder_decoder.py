"""The RNN encoder-decoder and its extension: the equations as loops, torch's units, batches, gradients, errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.datasets.parallel_text import EOS, PAD, padded
from dmbench.experiments.rnn_encoder_decoder import TINY, check_model, pairs_of_tiny
from dmbench.harness.errors import ContractError
from dmbench.models.parts.attention import AttentionEncoderDecoder, turns
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder, Sizes
from dmbench.peers.rnn_encoder_decoder import TorchEncoderDecoder

few = settings(deadline=None, max_examples=12, derandomize=True)
MODELS = pytest.mark.parametrize("model", [RNNEncoderDecoder, AttentionEncoderDecoder])
words_of = {side: st.lists(st.integers(2, getattr(TINY, side) - 1), max_size=4) for side in ("source", "target")}
pairs = st.lists(st.tuples(words_of["source"], words_of["target"]), min_size=1, max_size=3)


def net_of(model, sizes=TINY):
    torch.manual_seed(0)
    net = model(sizes).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 1:
                parameter.normal_()  # biases begin at zero, where a forgotten one would not show
    return net


def batch(sentences):
    source, lengths = padded([[*s, EOS] for s, _ in sentences])
    return source, lengths, padded([[*t, EOS] for _, t in sentences])[0]


def s(a):
    return 1 / (1 + math.exp(-a))


def matvec(matrix, vector, bias=None):
    rows, offsets = matrix.tolist(), [0.0] * len(matrix) if bias is None else bias.tolist()
    return [sum(w * v for w, v in zip(row, vector, strict=True)) + b for row, b in zip(rows, offsets, strict=True)]


def added(*vectors):
    return [sum(values) for values in zip(*vectors, strict=True)]


def tanh(vector):
    return [math.tanh(a) for a in vector]


def parts_of(vector):
    width = len(vector) // 3
    return vector[:width], vector[width : 2 * width], vector[2 * width :]


def read(gru, sentence):
    """States of the paper's unit over embedded symbols: the reset before the product."""
    w, u, b, b_h = gru.parameters()
    width = len(w) // 3
    h, states = [0.0] * width, []
    for x in sentence:
        x_r, x_z, x_n = parts_of(matvec(w, x, b))
        u_r, u_z = matvec(u[:width], h, b_h[:width]), matvec(u[width : 2 * width], h, b_h[width : 2 * width])
        r, z = ([s(a) for a in added(*two)] for two in ((x_r, u_r), (x_z, u_z)))
        n = tanh(added(x_n, matvec(u[2 * width :], [a * c for a, c in zip(r, h, strict=True)], b_h[2 * width :])))
        h = [z[k] * h[k] + (1 - z[k]) * n[k] for k in range(width)]
        states.append(h)
    return states


def log_softmax_of(net, g, e, code):
    """The output: maxout of pairs of neighbours, a product of two matrices, softmax."""
    linear = net.units.linear
    pre = added(matvec(linear.weight, [*g, *e], linear.bias), code)
    m = [max(pre[2 * i], pre[2 * i + 1]) for i in range(len(pre) // 2)]
    logits = matvec(net.g_l.weight, matvec(net.g_r.weight, m), net.g_l.bias)
    highest = max(logits)
    norm = highest + math.log(sum(math.exp(a - highest) for a in logits))
    return [a - norm for a in logits]


def as_printed(net, source, target):
    """log p of a target's symbols by the paper's equations, one unit at a time; symbols as lists."""
    x = [net.source.weight[symbol].tolist() for symbol in source]
    c = tanh(matvec(net.v.weight, read(net.encoder, x)[-1], net.v.bias))
    g = tanh(matvec(net.v_decoder.weight, c, net.v_decoder.bias))
    e, found = [0.0] * net.sizes.embedding, []
    for symbol in target:
        x_r, x_z, x_n = parts_of(matvec(net.w.weight, e, net.w.bias))
        u_r, u_z, u_n = parts_of(matvec(net.u.weight, g))
        c_r, c_z, c_n = parts_of(matvec(net.c.weight, c))
        r, z = ([s(a) for a in added(*three)] for three in ((x_r, u_r, c_r), (x_z, u_z, c_z)))
        n = [math.tanh(x_n[k] + r[k] * (u_n[k] + c_n[k])) for k in range(len(g))]
        g = [z[k] * g[k] + (1 - z[k]) * n[k] for k in range(len(g))]
        found.append(log_softmax_of(net, g, e, matvec(net.o_c.weight, c))[symbol])
        e = net.target.weight[symbol].tolist()
    return found


def attending(net, source, target):
    """The same by the equations of the extension."""
    x = [net.source.weight[symbol].tolist() for symbol in source]
    forwards, backwards = read(net.forwards, x), read(net.backwards, x[::-1])[::-1]
    notes = [[*f, *b] for f, b in zip(forwards, backwards, strict=True)]
    g = tanh(matvec(net.w_s.weight, backwards[0], net.w_s.bias))
    e, found, width = [0.0] * net.sizes.embedding, [], len(g)
    for symbol in target:
        query = matvec(net.w_a.weight, g)
        energy = [
            matvec(net.v_a.weight, tanh(added(query, matvec(net.u_a.weight, note, net.u_a.bias))))[0] for note in notes
        ]
        shares = [math.exp(a - max(energy)) for a in energy]
        c = added(*([share / sum(shares) * value for value in note] for share, note in zip(shares, notes, strict=True)))
        x_r, x_z, x_n = parts_of(added(matvec(net.w.weight, e, net.w.bias), matvec(net.c.weight, c)))
        u_r, u_z = matvec(net.u.weight[:width], g), matvec(net.u.weight[width : 2 * width], g)
        r, z = ([s(a) for a in added(*two)] for two in ((x_r, u_r), (x_z, u_z)))
        n = tanh(added(x_n, matvec(net.u.weight[2 * width :], [a * b for a, b in zip(r, g, strict=True)])))
        g = [z[k] * g[k] + (1 - z[k]) * n[k] for k in range(width)]
        found.append(log_softmax_of(net, g, e, matvec(net.o_c.weight, c))[symbol])
        e = net.target.weight[symbol].tolist()
    return found


@few
@given(pairs, st.sampled_from([(RNNEncoderDecoder, as_printed), (AttentionEncoderDecoder, attending)]))
def test_likelihoods_are_the_equations_symbol_by_symbol_in_batches_of_different_lengths(sentences, which):
    model, oracle = which
    net = net_of(model)
    source, lengths, target = batch(sentences)
    found = net(source, lengths, target).detach()
    for b, (words, translation) in enumerate(sentences):
        expected = oracle(net, [*words, EOS], [*translation, EOS])
        assert found[: len(expected), b].tolist() == pytest.approx(expected, abs=1e-12)
        assert not found[len(expected) :, b].any()


@MODELS
def test_padding_changes_nothing(model):
    net, (source, lengths, target) = net_of(model), pairs_of_tiny()
    wider, longer = torch.full((3, 3), PAD), torch.full((2, 3), PAD)
    expected = net(source, lengths, target)
    found = net(torch.cat([source, wider]), lengths, torch.cat([target, longer]))
    torch.testing.assert_close(found[:-2], expected, rtol=0, atol=1e-14)
    assert not found[-2:].any()


@MODELS
def test_what_stands_behind_a_sentences_end_is_not_read(model):
    net, (source, lengths, target) = net_of(model), pairs_of_tiny()
    other = torch.where(source == PAD, 4, source)
    torch.testing.assert_close(net(other, lengths, target), net(source, lengths, target), rtol=0, atol=1e-14)


@MODELS
def test_nothing_is_carried_from_one_batch_to_the_next(model):
    net, given_pairs = net_of(model), pairs_of_tiny()
    first = net(*given_pairs)
    net(given_pairs[0].flip(1), given_pairs[1].flip(0), given_pairs[2].flip(1))
    torch.testing.assert_close(net(*given_pairs), first, rtol=0, atol=0)


@MODELS
def test_probabilities_of_all_translations_of_one_word_or_none_and_the_rest_sum_to_one(model):
    net, (source, lengths, _) = net_of(model), pairs_of_tiny()
    log_p, memory = net.step(torch.full_like(lengths, PAD), net.encode(source, lengths))
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-14)
    again, _ = net.step(log_p.argmax(1), memory)
    torch.testing.assert_close(again.exp().sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-14)


@MODELS
def test_the_score_is_the_sum_over_symbols(model):
    net, given_pairs = net_of(model), pairs_of_tiny()
    torch.testing.assert_close(net.score(*given_pairs), net(*given_pairs).sum(0), rtol=0, atol=0)


@MODELS
def test_gradients_are_slopes_along_random_directions(model):
    net, given_pairs = net_of(model), pairs_of_tiny()
    parameters = dict(net.named_parameters())
    weights = torch.randn(given_pairs[2].shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def loss(moved):
        return (torch.func.functional_call(net, moved, given_pairs) * weights).sum()

    gradients = torch.autograd.grad(loss(parameters), list(parameters.values()))
    for seed in range(5):
        noise = torch.Generator().manual_seed(seed)
        way = {name: torch.randn(p.shape, generator=noise, dtype=p.dtype) for name, p in parameters.items()}
        for side in ("source", "target"):
            way[f"{side}.weight"][PAD] = 0  # stays zero: it stands for no word
        with torch.no_grad():
            up, down = (loss({k: p + eps * way[k] for k, p in parameters.items()}) for eps in (1e-6, -1e-6))
        slope = sum(float((g * way[name]).sum()) for name, g in zip(parameters, gradients, strict=True))
        assert slope == pytest.approx(float(up - down) / 2e-6, rel=1e-6)


def test_every_step_is_fed_c_and_not_by_the_state_alone():
    net = net_of(RNNEncoderDecoder)
    g, from_c, code = net.encode(*pairs_of_tiny()[:2])
    x = net.w(torch.zeros(3, TINY.embedding, dtype=torch.float64))
    (with_c, *_), _ = net.advance(x, (g, from_c, code))
    (without, *_), _ = net.advance(x, (g, torch.zeros_like(from_c), code))
    assert (with_c - without).abs().min().item() > 1e-4


def test_an_open_update_gate_keeps_the_state_and_shut_gates_forget_it():
    net = net_of(RNNEncoderDecoder)
    memory = net.encode(*pairs_of_tiny()[:2])
    x = torch.zeros(3, 3 * TINY.hidden, dtype=torch.float64)
    x[:, TINY.hidden : 2 * TINY.hidden] = 1e4
    torch.testing.assert_close(net.advance(x, memory)[0][0], memory[0], rtol=0, atol=0)
    x[:, : 2 * TINY.hidden] = -1e4
    torch.testing.assert_close(net.advance(x, memory)[0][0], torch.zeros_like(memory[0]), rtol=0, atol=0)


def test_the_encoder_is_not_torchs_unit():
    net = net_of(RNNEncoderDecoder)
    theirs = torch.nn.GRU(TINY.embedding, TINY.hidden).double()
    theirs.load_state_dict(net.encoder.state_dict())
    x = torch.randn(3, 1, TINY.embedding, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (net.encoder(x)[0] - theirs(x)[0]).abs().max().item() > 1e-3


def test_attention_looks_at_the_sentence_alone_and_sums_to_one():
    net = net_of(AttentionEncoderDecoder)
    source, lengths, _ = pairs_of_tiny()
    found = net.attention(net.encode(source, lengths)).detach()
    torch.testing.assert_close(found.sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-15)
    assert bool(((found > 0) == (source != PAD).T).all())


def test_sentences_are_turned_round_each_by_itself():
    assert turns(torch.tensor([3, 1, 2]), 3).T.tolist() == [[2, 1, 0], [0, 1, 2], [1, 0, 2]]


def test_weights_begin_as_in_the_paper():
    torch.manual_seed(0)
    net = RNNEncoderDecoder(Sizes(source=300, target=300, embedding=100, hidden=60, maxout=40, rank=50))
    for square in (*net.u.weight.split(60), *net.encoder.weight_hh_l0.split(60)):
        torch.testing.assert_close(square @ square.T, torch.eye(60), rtol=0, atol=1e-5)
    assert net.w.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not net.source.weight[PAD].any()
    assert all(not p.any() for p in net.parameters() if p.ndim == 1)


def test_dropout_drops_in_training_alone():
    sizes = Sizes(source=7, target=5, embedding=3, hidden=4, maxout=2, rank=3, std=1.0, dropout=0.5)
    net, given_pairs = net_of(RNNEncoderDecoder, sizes), pairs_of_tiny()
    torch.testing.assert_close(net(*given_pairs), net(*given_pairs), rtol=0, atol=0)
    net.train()
    assert (net(*given_pairs) - net(*given_pairs)).abs().max().item() > 1e-3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lengths": torch.tensor([5, 0, 4])}, "lengths of 1, EOS alone, to 5: 0"),
        ({"lengths": torch.tensor([5, 2, 6])}, "lengths of 1, EOS alone, to 5: 6"),
        ({"lengths": torch.tensor([5, 2])}, "need 3 whole lengths"),
        (
            {"source": torch.full((5, 3), 7)},
            "symbol 7 is not in the source vocabulary of 7: encode unseen words as UNK",
        ),
        ({"target": torch.full((4, 3), 5)}, "symbol 5 is not in the target vocabulary of 5"),
        ({"target": torch.full((4, 3), -1)}, "symbol -1 is not in the target"),
        ({"target": torch.full((4, 2), EOS)}, "as many targets as sources, 3: 2"),
        ({"target": torch.full((0, 3), EOS)}, "none empty"),
        ({"source": torch.zeros(5, 3)}, "int64, none empty: torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    names = dict(zip(("source", "lengths", "target"), pairs_of_tiny(), strict=True))
    with pytest.raises(ValueError, match=says):
        RNNEncoderDecoder(TINY)(**names | change)


@pytest.mark.parametrize("change", [{"hidden": 0}, {"target": 0}, {"dropout": 1.0}, {"std": 0.0}])
def test_sizes_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))}.*{next(iter(change.values()))}"):
        Sizes(**change)


def test_torchs_layers_meet_the_contract():
    assert check("rnn_encoder_decoder", numbers="phrase_score", model=TorchEncoderDecoder)


def test_another_model_must_give_probabilities():
    class Scores(TorchEncoderDecoder):
        def step(self, y_tm1, memory):
            log_p, memory = super().step(y_tm1, memory)
            return log_p + 1, memory

    with pytest.raises(ContractError, match=r"a sum of 2.7\d*, not 1"):
        check_model(Scores)
