"""Search: a beam as lists of hypotheses, all translations, length normalisation, errors."""

import math
from itertools import product

import pytest
import torch

from dmbench.datasets.parallel_text import EOS, PAD, UNK
from dmbench.experiments.rnn_encoder_decoder import TINY, pairs_of_tiny
from dmbench.models.parts.attention import AttentionEncoderDecoder
from dmbench.models.parts.search import beam_search, greedy
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder

WORDS = 5


class Table:
    """A model of random log p that depend on the sentence and on the two symbols before; its memory is one tensor."""

    def __init__(self, sentences, seed=0, eos=0.0):
        noise = torch.randn(sentences, WORDS, WORDS, WORDS, generator=torch.Generator().manual_seed(seed)).double()
        noise[..., EOS] += eos
        self.log_p = noise.log_softmax(-1)

    def encode(self, source, lengths):
        rows = torch.arange(len(lengths))
        return (torch.stack([rows, torch.zeros_like(rows)], 1).double(),)

    def step(self, y_tm1, memory):
        row, y_tm2 = memory[0].long().unbind(1)
        return self.log_p[row, y_tm2, y_tm1], (torch.stack([row, y_tm1], 1).double(),)

    def of(self, row, symbols):
        """log p of a translation."""
        before = [PAD, PAD, *symbols]
        return sum(float(self.log_p[row, before[i], before[i + 1], y]) for i, y in enumerate(symbols))


def searched(model, sentences, *arguments, **options):
    return beam_search(
        model, torch.zeros(1, sentences, dtype=torch.int64), torch.ones(sentences).long(), *arguments, **options
    )


def words(found, row):
    return [y for y in found.symbols[:, row].tolist() if y != PAD]


def in_lists(table, row, beam, longest, normalise):
    """Beam search with Python's lists: hypotheses (log p, symbols); those that ended stay."""
    alive = [(0.0, [])]
    for _ in range(longest):
        after = []
        for log_p, symbols in alive:
            if symbols and symbols[-1] == EOS:
                after.append((log_p, symbols))
            else:
                after += [(table.of(row, [*symbols, y]), [*symbols, y]) for y in range(WORDS) if y != PAD]
        alive = sorted(after, reverse=True)[:beam]
    ended = [one for one in alive if one[1][-1] == EOS] or alive
    return max(ended, key=lambda one: one[0] / len(one[1]) if normalise else one[0])


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("beam", [1, 2, 3, 7])
@pytest.mark.parametrize("longest", [1, 2, 6])
def test_the_beam_is_that_of_lists_of_hypotheses(beam, longest, normalise):
    table = Table(6, seed=beam + longest, eos=-0.5)
    found = searched(table, 6, beam, longest, normalise=normalise)
    for row in range(6):
        log_p, symbols = in_lists(table, row, beam, longest, normalise)
        assert words(found, row) == symbols
        assert found.log_p[row].item() == pytest.approx(log_p, abs=1e-12)
        assert bool(found.ended[row]) == (symbols[-1] == EOS)


@pytest.mark.parametrize("normalise", [False, True])
def test_a_beam_that_drops_nothing_finds_the_best_of_all_translations(normalise):
    table = Table(8, eos=-1)
    every = [[*begin, EOS] for count in range(4) for begin in product(range(2, WORDS), repeat=count)]
    found = searched(table, 8, 3**4, 4, normalise=normalise)
    for row in range(8):
        best = max(every, key=lambda symbols: table.of(row, symbols) / (len(symbols) if normalise else 1))
        assert words(found, row) == best


def test_the_sum_alone_prefers_short_translations_and_the_mean_does_not():
    table = Table(1)
    table.log_p = torch.full((1, WORDS, WORDS, WORDS), math.log(0.01), dtype=torch.float64)
    table.log_p[0, :, PAD, EOS] = math.log(0.3)  # nothing at all: 0.3, and 0.3 a symbol
    table.log_p[0, :, PAD, 3] = table.log_p[0, :, 3, 4] = table.log_p[0, :, 4, EOS] = math.log(
        0.6
    )  # 0.216, 0.6 a symbol
    assert words(searched(table, 1, 4, 5, normalise=False), 0) == [EOS]
    assert words(searched(table, 1, 4, 5), 0) == [3, 4, EOS]


@pytest.mark.parametrize("model", [RNNEncoderDecoder, AttentionEncoderDecoder])
def test_a_sentence_is_translated_as_if_it_were_alone(model):
    torch.manual_seed(0)
    net = model(TINY).double().eval()
    source, lengths, _ = pairs_of_tiny()
    together = beam_search(net, source, lengths, 3, 6)
    for b, length in enumerate(lengths.tolist()):
        alone = beam_search(net, source[:length, b : b + 1], lengths[b : b + 1], 3, 6)
        assert words(alone, 0) == words(together, b)
        assert alone.log_p[0].item() == pytest.approx(together.log_p[b].item(), abs=1e-12)


@pytest.mark.parametrize("model", [RNNEncoderDecoder, AttentionEncoderDecoder])
def test_log_p_of_a_translation_is_the_networks_score_of_it(model):
    torch.manual_seed(1)
    net = model(TINY).double().eval()
    source, lengths, _ = pairs_of_tiny()
    found = beam_search(net, source, lengths, 3, 6)
    score = net.score(source, lengths, found.symbols).detach()
    torch.testing.assert_close(found.log_p, score, rtol=0, atol=1e-12)


@pytest.mark.parametrize("longest", [1, 3, 8])
def test_greedy_is_a_beam_of_one(longest):
    table, lengths = Table(6, seed=3), torch.ones(6).long()
    one, wide = greedy(table, lengths[None], lengths, longest), searched(table, 6, 1, longest)
    assert [words(one, row) for row in range(6)] == [words(wide, row) for row in range(6)]
    torch.testing.assert_close(one.log_p, wide.log_p, rtol=0, atol=1e-12)
    assert one.ended.tolist() == wide.ended.tolist()


def test_banned_symbols_are_never_written():
    found = searched(Table(6), 6, 4, 5, banned=(PAD, UNK, 3))
    assert set(found.symbols.unique().tolist()) <= {PAD, EOS, 4}


def test_a_beam_wider_than_the_vocabulary_holds_no_empty_places():
    found = searched(Table(3), 3, 50, 1)
    assert bool(found.log_p.isfinite().all())


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((0, 5), {}, "need a beam of at least 1, which is greedy search: 0"),
        ((-2, 5), {}, "at least 1.*: -2"),
        ((3, 0), {}, "at least 1 symbol: 0"),
        ((3, 5), {"banned": (EOS,)}, "EOS, 1, cannot be banned"),
    ],
)
def test_a_beam_of_nothing_is_refused(arguments, options, says):
    with pytest.raises(ValueError, match=says):
        searched(Table(1), 1, *arguments, **options)
