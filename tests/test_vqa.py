"""VQA: the wiring by hand, questions of unlike lengths, the picture's part, priors, a short training, errors."""

import json
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dmbench import check
from dmbench.datasets.scene_questions import ANSWERS, BLIND, all_words
from dmbench.datasets.words import Vocabulary
from dmbench.experiments._scene_training import Pictured, Recipe
from dmbench.experiments.vqa import SMALL, asked_about, check_net, fitted, published, replies, scored
from dmbench.harness.errors import ContractError, UsageError
from dmbench.layers.lstm import LSTM
from dmbench.models.parts.scene_cnn import scene_cnn
from dmbench.models.parts.unequal import run_unequal
from dmbench.models.vqa import VQA, most_popular

few = settings(deadline=None, max_examples=15, derandomize=True)
TINY = {"embedding": 3, "hidden": 2, "common": 4, "mlp": (3,), "p": 0.0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(features=5, seed=0, learns=False, **options):
    torch.manual_seed(seed)
    net = VQA(6, 4, features=features, **(TINY | options)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    return net.eval().requires_grad_(learns)


def times(layer, x):
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in rows]


def logistic(a):
    return 1 / (1 + math.exp(-a))


def as_printed(net, words, features):
    """Scores of one question of its own length and one picture, unit by unit."""
    inputs = [[math.tanh(v) for v in net.embedding.weight[word].tolist()] for word in words]
    states = []
    for lstm in net.lstms:
        width = lstm.hidden_size
        h, c, outputs = [0.0] * width, [0.0] * width, []
        w_ih, w_hh, b_ih, b_hh = (p.tolist() for p in lstm.parameters())
        for x in inputs:
            z = [
                sum(w * v for w, v in zip(w_ih[k], x, strict=True))
                + sum(w * v for w, v in zip(w_hh[k], h, strict=True))
                + b_ih[k]
                + b_hh[k]
                for k in range(4 * width)
            ]
            i, f, g, o = (z[k * width : (k + 1) * width] for k in range(4))
            c = [logistic(f[k]) * c[k] + logistic(i[k]) * math.tanh(g[k]) for k in range(width)]
            h = [logistic(o[k]) * math.tanh(c[k]) for k in range(width)]
            outputs.append(h)
        states += [*h, *c]
        inputs = outputs
    fused = [math.tanh(v) for v in times(net.question, states)]
    if features is not None:
        length = math.sqrt(sum(v * v for v in features)) if net.normalised else 1
        seen = times(net.picture, [v / length for v in features])
        fused = [a * math.tanh(b) for a, b in zip(fused, seen, strict=True)]
    for layer in net.mlp:
        fused = [math.tanh(v) for v in times(layer, fused)]
    return times(net.scores, fused)


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans(), st.booleans(), st.integers(1, 2))
def test_each_question_is_answered_by_the_equations_whatever_stands_behind_its_end(lengths, sees, normalised, layers):
    net = small(features=5 if sees else 0, normalised=normalised, layers=layers)
    words = torch.randint(6, (len(lengths), max(lengths)), generator=seeded(sum(lengths)))
    features = torch.randn(len(lengths), 5, generator=seeded(1)).double() if sees else None
    scores = net(words, torch.tensor(lengths), *([features] if sees else []))
    for b, length in enumerate(lengths):
        expected = as_printed(net, words[b, :length].tolist(), features[b].tolist() if sees else None)
        torch.testing.assert_close(scores[b], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-13)


@few
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sampled_from([LSTM, nn.LSTM]))
def test_a_sequence_among_others_runs_as_if_it_were_alone(lengths, layer):
    torch.manual_seed(0)
    net = layer(3, 4).double().requires_grad_(False)
    x = torch.randn(max(lengths), len(lengths), 3, generator=seeded(len(lengths))).double()
    y, (h, c) = run_unequal(net, x, torch.tensor(lengths))
    for b, length in enumerate(lengths):
        alone, (h_alone, c_alone) = net(x[:length, b : b + 1])
        torch.testing.assert_close(y[:length, b], alone[:, 0], rtol=0, atol=1e-14)
        assert not y[length:, b].any()
        torch.testing.assert_close(h[b], h_alone[0, 0], rtol=0, atol=1e-14)
        torch.testing.assert_close(c[b], c_alone[0, 0], rtol=0, atol=1e-14)


def test_the_picture_and_the_question_both_decide_and_none_of_another_row():
    net, lengths = small(), torch.tensor([3, 3])
    words, features = torch.tensor([[1, 2, 3], [1, 2, 3]]), torch.randn(2, 5, generator=seeded()).double()
    scores = net(words, lengths, features)
    assert (scores[0] - scores[1]).abs().max() > 1e-3  # the same question about another picture
    other = net(torch.tensor([[1, 2, 3], [1, 2, 4]]), lengths, features)
    torch.testing.assert_close(other[0], scores[0], rtol=0, atol=1e-14)
    assert (other[1] - scores[1]).abs().max() > 1e-3  # another question about the same picture
    torch.testing.assert_close(net(words, lengths, features), scores, rtol=0, atol=0)  # nothing is carried over


def test_the_order_of_words_decides_what_is_answered():
    net, features = small(), torch.ones(2, 5).double()
    scores = net(torch.tensor([[1, 2, 3], [3, 2, 1]]), torch.tensor([3, 3]), features)
    assert (scores[0] - scores[1]).abs().max() > 1e-3


def test_normalised_features_do_not_depend_on_their_length_and_others_do():
    words, lengths, x = torch.tensor([[1, 2]]), torch.tensor([2]), torch.randn(1, 5, generator=seeded()).double()
    torch.testing.assert_close(small()(words, lengths, 7 * x), small()(words, lengths, x), rtol=0, atol=1e-14)
    plain = small(normalised=False)
    assert (plain(words, lengths, 7 * x) - plain(words, lengths, x)).abs().max() > 1e-3


def test_gradients():
    net, lengths = small(learns=True), torch.tensor([3, 1])
    x = torch.randn(2, 5, generator=seeded()).double().requires_grad_()
    words = torch.tensor([[1, 2, 3], [4, 0, 0]])
    assert torch.autograd.gradcheck(lambda x, *_: net(words, lengths, x), (x, *net.parameters()))
    net(words, lengths, x).sum().backward()
    assert not net.embedding.weight.grad[0].any()  # padding


def test_dropout_acts_in_the_mlp_in_training_alone():
    net, words, lengths, x = small(p=0.5), torch.tensor([[1, 2]]), torch.tensor([2]), torch.ones(1, 5).double()
    torch.testing.assert_close(net(words, lengths, x), net(words, lengths, x), rtol=0, atol=0)
    torch.manual_seed(0)
    seen = {tuple(net.train()(words, lengths, x)[0].tolist()) for _ in range(40)}
    assert 2 <= len(seen) <= 2**3  # the masks of three units


def test_pixels_are_read_by_an_encoder():
    torch.manual_seed(0)
    net = VQA(6, 4, features=16, encoder=scene_cnn(16), **TINY)
    assert net(torch.tensor([[1], [2]]), torch.tensor([1, 1]), torch.rand(2, 3, 32, 32)).shape == (2, 4)


@pytest.mark.parametrize("lengths", [[0, 2], [3, 1], [2]])
def test_lengths_that_are_none_are_refused(lengths):
    with pytest.raises(ValueError, match="need 2 lengths, each from 1 to 2"):
        small()(torch.tensor([[1, 2], [1, 2]]), torch.tensor(lengths), torch.zeros(2, 5).double())


def test_pictures_must_be_there_where_they_are_read_and_only_there():
    words, lengths, x = torch.tensor([[1, 2]]), torch.tensor([2]), torch.zeros(2, 5).double()
    with pytest.raises(ValueError, match="need pictures"):
        small()(words, lengths)
    with pytest.raises(ValueError, match="this network reads no pictures: features is 0"):
        small(features=0)(words, lengths, x[:1])
    with pytest.raises(ValueError, match="need a picture for each of 1 questions: 2"):
        small()(words, lengths, x)


@pytest.mark.parametrize("sizes", [{"words": 0}, {"answers": 0}, {"hidden": 0}, {"layers": 0}, {"features": -1}])
def test_sizes_out_of_range_are_refused(sizes):
    with pytest.raises(ValueError, match="need sizes of at least 1"):
        VQA(**({"words": 3, "answers": 2} | TINY | sizes))
    with pytest.raises(ValueError, match="features for an encoder"):
        VQA(3, 2, features=0, encoder=nn.Identity())


def test_the_most_popular_answer_is_the_first_by_alphabet_among_equals():
    answers = ["yes", "no", "no", "yes", "2", "3"]
    assert most_popular(answers) == {"": "no"}
    assert most_popular(answers, ["a", "a", "a", "b", "b", "b"]) == {"a": "no", "b": "2"}
    with pytest.raises(ValueError, match="need answers, and a group for each: 0 answers, 0 groups"):
        most_popular([])
    with pytest.raises(ValueError, match="6 answers, 1 groups"):
        most_popular(answers, ["a"])


def test_torchs_lstm_meets_the_contract_and_numbers():
    theirs = partial(VQA, layer=nn.LSTM)
    assert check("vqa", numbers="parameters*", vqa=theirs)
    assert check("vqa", numbers="difference_torch", vqa=theirs)


def test_a_network_that_reads_padding_is_refused():
    class Careless(VQA):
        def forward(self, questions, lengths, pictures=None):
            return super().forward(questions, torch.full_like(lengths, questions.shape[1]), pictures)

    with pytest.raises(ContractError, match="what stands behind the end of a question changes its scores"):
        check_net(Careless)


def test_questions_in_numbers_are_those_asked_and_each_picture_has_three():
    data, vocabulary = Pictured(4, 7), Vocabulary(all_words(), at_least=1)
    asked = asked_about(data, 7, vocabulary)
    assert asked.pictures.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    pictures, words, lengths, answers = asked.take(torch.tensor([2, 11]), torch.device("cpu"))
    assert pictures.tolist() == [0, 3]
    for row, length, answer, which in zip(words, lengths, answers, (2, 11), strict=True):
        question = asked.questions[which]
        assert vocabulary.decode(row[:length].tolist()) == question.words
        assert ANSWERS[answer] == question.answer
    true = scored([question.answer for question in asked.questions], asked.questions)
    assert set(true.values()) == {100}


class Given:
    """As much of a context as training needs."""

    device, seed = torch.device("cpu"), 1

    def __init__(self):
        self.points, self.notes = [], {}

    def subject(self, _):
        return VQA

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


@pytest.mark.parametrize("pictured", [True, False])
def test_a_seed_gives_the_same_answers_again(pictured):
    recipe = Recipe(updates=6, batch=16, rate=5e-3, scenes=40, test=10, cnn_updates=3)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        ctx = Given()
        _, net, asked, shown = fitted(ctx, recipe, pictured=pictured)
        found.append(replies(net, asked, shown))
        assert (shown is None) is not pictured
    assert found[0] == found[1]
    assert ctx.points[-1]["update"] == 6
    assert ctx.notes["hidden"] == str(SMALL["hidden"])


@pytest.mark.slow
def test_a_network_that_sees_the_picture_beats_anything_that_does_not_and_needs_its_own_picture():
    torch.manual_seed(1)
    recipe = Recipe(updates=250, batch=256, rate=5e-3, scenes=6000, test=600, cnn_updates=500)
    _, net, asked, shown = fitted(Given(), recipe, pictured=True)
    blind = 100 * float(BLIND)
    assert scored(replies(net, asked, shown), asked.questions)["all"] > blind + 15
    assert scored(replies(net, asked, shown.roll(1, 0)), asked.questions)["all"] < blind + 5


def test_a_wrong_folder_is_one_line_that_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_VQA", str(tmp_path))
    with pytest.raises(UsageError, match="^DMBENCH_VQA: .* has no OpenEnded_mscoco_train2014_questions.json; need"):
        published(Given())


def test_the_share_of_questions_with_a_frequent_answer_is_counted_over_both_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_VQA", str(tmp_path))
    for part, count in (("train", 1200), ("val", 3)):
        # 998 answers that occur again and three that do not, of which one has no place among the 1,000.
        texts = [f"answer {i % 998:04d}" if i < 1197 or part == "val" else f"rare {i}" for i in range(count)]
        numbers = [10 * i + (part == "val") for i in range(count)]
        asked = [{"question_id": n, "image_id": 1, "question": "What?"} for n in numbers]
        answered = [
            {
                "question_id": n,
                "image_id": 1,
                "answers": [{"answer": text, "answer_confidence": "yes", "answer_id": k + 1} for k in range(10)],
                "multiple_choice_answer": text,
                "answer_type": "other",
                "question_type": "what",
            }
            for n, text in zip(numbers, texts, strict=True)
        ]
        (tmp_path / f"OpenEnded_mscoco_{part}2014_questions.json").write_text(json.dumps({"questions": asked}))
        (tmp_path / f"mscoco_{part}2014_annotations.json").write_text(json.dumps({"annotations": answered}))
    found = published(Given())
    assert found["questions"] == [1200, 3]
    assert found["coverage_1000"] == pytest.approx(100 * 1202 / 1203)
