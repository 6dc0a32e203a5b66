"""Training of translators: batches, killed runs, NaN, what is kept; on sixteen words of a made-up language."""

import copy
import gzip
from dataclasses import replace

import pytest
import torch

from dmbench.datasets import multi30k
from dmbench.datasets.parallel_text import EOS, PAD, UNK
from dmbench.datasets.wmt14 import PhrasePair
from dmbench.experiments import _rnn_encoder_decoder_pictures as pictures
from dmbench.experiments import _translation
from dmbench.experiments._kept_translators import load_translator
from dmbench.experiments._training import DivergedError
from dmbench.experiments._translation import TEST, Recipe, batches, nats, read_text, tensors, train, translate
from dmbench.experiments.rnn_encoder_decoder import LARGE
from dmbench.models.parts.attention import AttentionEncoderDecoder
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder

COUNTS = {"train": 200, "val": 12, TEST: 12}
GERMAN = ["ein", "zwei", "drei", "vier", "rot", "blau", "hund", "katze"]
ENGLISH = ["one", "two", "three", "four", "red", "blue", "dog", "cat"]
RECIPE = Recipe(
    epochs=3, rate=2e-2, batch=20, at_least=1, embedding=8, hidden=16, maxout=16, rank=8, dropout=0.1, std=0.3
)


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as training needs."""

    device, seed = torch.device("cpu"), 1

    def __init__(self, folder, files, state=None, killed=False):
        self.folder, self.found, self.state, self.killed = folder, files, state, killed
        self.points, self.notes, self.places = [], {}, []

    def files(self, artifact):
        return self.found[artifact]

    def note(self, **settings):
        self.notes |= settings

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.state = copy.deepcopy(state)
        if self.killed:
            raise Killed
        return True

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        assert done <= total

    def keep(self, name, content):
        self.places.append(self.folder / name)
        self.places[-1].write_bytes(content)
        return self.places[-1]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A language that is translated word by word, in the names of Multi30k's files."""
    monkeypatch.setattr(multi30k, "COUNTS", COUNTS)
    noise, found = torch.Generator().manual_seed(0), {}
    for part, count in COUNTS.items():
        lines = {"de": [], "en": []}
        for _ in range(count):
            chosen = torch.randint(8, (int(torch.randint(1, 5, (), generator=noise)),), generator=noise).tolist()
            lines["de"].append(" ".join(GERMAN[i] for i in chosen) + ".")
            lines["en"].append(" ".join(ENGLISH[i] for i in chosen) + ".")
        for code, text in lines.items():
            path = tmp_path / f"{part}.{code}.gz"
            path.write_bytes(gzip.compress("\n".join(text).encode()))
            found[path.name] = path
    return {"multi30k": found}


@pytest.fixture
def context(tmp_path, files):
    return Context(tmp_path, files)


def run(context, model=RNNEncoderDecoder, recipe=RECIPE):
    torch.manual_seed(0)
    return train(context, model, recipe, ("de", "en"), "tiny")


def test_batches_hold_each_pair_once_and_lengths_that_are_alike(context):
    pairs = read_text(context, ("de", "en"), 1).pairs["train"]
    found = batches(pairs, 20, seed=0, epoch=0)
    assert sorted(i for batch in found for i in batch) == list(range(200))
    assert [len(batch) for batch in found] == [20] * 10
    spread = [max(len(pairs[i][1]) for i in batch) - min(len(pairs[i][1]) for i in batch) for batch in found]
    assert sum(spread) <= 4  # five lengths, in order
    assert found == batches(pairs, 20, seed=0, epoch=0)
    assert found != batches(pairs, 20, seed=0, epoch=1)
    assert found != batches(pairs, 20, seed=1, epoch=0)


def test_a_training_learns_the_language_and_tells_its_curve(context):
    found = run(context, recipe=replace(RECIPE, epochs=8))
    assert found.nats < 1.3  # 2.2 is that of nine equal symbols
    assert found.bleu > 5
    assert [point["update"] for point in context.points] == list(range(10, 81, 10))
    assert context.points[-1]["val_nats"] < 0.75 * context.points[0]["val_nats"]
    assert context.notes["hidden"] == 16


@pytest.mark.parametrize("model", [RNNEncoderDecoder, AttentionEncoderDecoder])
def test_a_killed_training_ends_as_one_that_was_not(tmp_path, files, monkeypatch, model):
    monkeypatch.setattr(_translation, "SAVE_EVERY", 7)
    recipe = replace(RECIPE, epochs=1)
    whole = run(Context(tmp_path, files), model, recipe)
    first = Context(tmp_path, files, killed=True)
    with pytest.raises(Killed):
        run(first, model, recipe)
    again = run(Context(tmp_path, files, state=first.state), model, recipe)
    assert again == whole


def test_a_loss_that_is_nan_stops_the_training_and_says_where(context):
    with pytest.raises(DivergedError, match="train_nats became nan by update 10 of 30, seed 1: there is no checkpoint"):
        run(context, recipe=replace(RECIPE, rate=1e30))


def test_the_full_recipe_runs_at_a_small_size(context):
    small = replace(LARGE, epochs=1, at_least=1, embedding=4, hidden=6, maxout=4, rank=4)
    assert 0 <= run(context, AttentionEncoderDecoder, small).bleu <= 100


def test_nats_are_of_symbols_and_padding_counts_nothing(context):
    text = read_text(context, ("de", "en"), 1)
    torch.manual_seed(0)
    net = RNNEncoderDecoder(RECIPE.sizes(len(text.source), len(text.target))).eval()
    total, count = 0.0, 0
    for pair in text.pairs["val"]:
        log_p = net(*tensors([pair], context.device)).detach()
        total, count = total - float(log_p.sum()), count + log_p.numel()
    assert nats(net, text.pairs["val"], context.device) == pytest.approx(total / count, rel=1e-5)


def test_translations_come_in_the_order_of_the_sentences_and_without_unk(context):
    text = read_text(context, ("de", "en"), 1)
    torch.manual_seed(0)
    net = RNNEncoderDecoder(RECIPE.sizes(len(text.source), len(text.target))).eval()
    together = translate(net, text, "val", beam=2, device=context.device)
    alone = text._replace(pairs={"val": text.pairs["val"][5:6]})
    assert translate(net, alone, "val", beam=2, device=context.device) == together[5:6]
    with torch.no_grad():
        net.g_l.bias[UNK] = 100
    for beam in (1, 2):
        assert "<unk>" not in " ".join(translate(net, text, "val", beam=beam, device=context.device))


@pytest.fixture
def kept(context):
    run(context, AttentionEncoderDecoder, replace(RECIPE, epochs=1))
    return context


def test_a_kept_network_translates_names_unseen_words_and_scores_phrases(kept):
    translator = load_translator(kept, kept.places[0])
    found = translator("Ein zebra.")
    assert found.unknown == ["zebra"]
    assert found.words[0] == ["ein", "zebra", ".", "<eos>"]
    assert found.attention.shape == (len(found.words[1]), 4)
    torch.testing.assert_close(found.attention.sum(1), torch.ones(len(found.words[1])), rtol=0, atol=1e-5)
    pairs = [PhrasePair(["rot", "hund"], ["red", "dog"], ["1"])] * 40 + [PhrasePair(["katze"], ["yak"], ["1"])] * 40
    scores = list(translator.scored(pairs))
    assert [pair for pair, _ in scores] == pairs
    source, target = translator.text.source.encode(["katze"]), [UNK, EOS]
    alone = translator.net.score(*tensors([(source, target)], kept.device)).item()
    assert scores[-1][1] == pytest.approx(alone, abs=1e-5)
    assert PAD not in source


@pytest.mark.parametrize(
    ("arguments", "says"), [(("  ",), "'  ' has no words"), (("ein", 0), "need a beam of at least 1.*: 0")]
)
def test_nothing_to_translate_and_a_beam_of_0_are_refused(kept, arguments, says):
    with pytest.raises(ValueError, match=says):
        load_translator(kept, kept.places[0])(*arguments)


def test_a_file_without_weights_or_for_another_text_is_refused(kept, monkeypatch, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="wrong.safetensors: no weights that a training"):
        load_translator(kept, wrong)
    short = tmp_path / "train.de.gz"
    short.write_bytes(gzip.compress(b"ein.\n" * 200))
    with pytest.raises(ValueError, match=r"is for 12 and 12 words, the text has 5 and 12"):
        load_translator(kept, kept.places[0])


def test_the_report_shows_sentences_references_bleu_and_attention(kept, monkeypatch):
    monkeypatch.setattr(pictures, "SHOWN", range(3))
    monkeypatch.setattr(pictures, "NAMES", {"tiny": "with attention"})
    path = kept.folder / "translations.json"
    pictures.write_kept(kept, path, kept.places)
    path.write_text(path.read_text(encoding="utf-8").replace('"tiny"', '"attention"'), encoding="utf-8")
    monkeypatch.setattr(pictures, "NAMES", {"attention": "with attention"})
    kept.found[pictures.KEPT] = {path.name: path}
    texts = [text.get_text() for text in pictures.translations(kept).axes[0].texts]
    reference = read_text(kept, ("de", "en"), 1).references[TEST][0]
    assert reference in texts
    assert sum(text.startswith("with attention [") for text in texts) == 3
    maps = pictures.attention(kept).axes
    assert [label.get_text() for label in maps[0].get_xticklabels()][-1] == "<eos>"
    assert len(maps) == 2


def test_show_writes_a_picture_and_a_scored_table(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(pictures.Store, "files", lambda self, name: kept.found[name])
    table = tmp_path / "table"
    table.write_text("rot ||| red ||| 0.5\n", encoding="utf-8")
    out = pictures.show(tmp_path / "out", str(kept.places[0]), "ein hund.", str(table), "2")
    assert [path.name for path in out] == ["translation.png", "scored.table"]
    assert out[1].read_text(encoding="utf-8").startswith("rot ||| red ||| 0.5 -")
    with pytest.raises(ValueError, match="need --weights FILE"):
        pictures.show(tmp_path, text="ein hund.")
