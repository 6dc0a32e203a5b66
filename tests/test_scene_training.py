"""Training on scenes: what the CNN learns is what is there, its features are standard, and what is kept comes back."""

import pytest
import torch

from dmbench.datasets.scene_questions import ANSWERS, all_words
from dmbench.datasets.sort_of_clevr import COLOURS, SHAPES
from dmbench.datasets.words import Vocabulary
from dmbench.experiments import _captioner_pictures, _vqa_pictures
from dmbench.experiments._scene_training import TEST_SEED, Eyes, Pictured, Recipe, keep, restore, seen, trained_cnn
from dmbench.experiments.captioner import WIDTH, Captions, ours, share_true
from dmbench.experiments.vqa import SMALL
from dmbench.models.parts.scene_cnn import FEATURES, scene_cnn
from dmbench.models.vqa import VQA

CPU = torch.device("cpu")
FEW = Recipe(updates=1, batch=4, rate=1e-3, scenes=40, test=6, cnn_updates=3)


class Given:
    """As much of a context as training and drawing need; what is kept goes to a folder."""

    device = CPU

    def __init__(self, folder=None, seed=0):
        self.folder, self.seed = folder, seed

    def keep(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def files(self, _):
        return {path.name: path for path in sorted(self.folder.iterdir())}


def test_the_cnn_learns_what_is_there_and_where_by_colour():
    data = Pictured(30, 3)
    what, where = data.targets()
    for i, objects in enumerate(data.objects):
        by_colour = {one.colour: one for one in objects}
        for c, colour in enumerate(COLOURS):
            one = by_colour.get(colour)
            assert int(what[i, c]) == (0 if one is None else 1 + SHAPES.index(one.shape))
            expected = (0, 0) if one is None else ((one.x - 15.5) / 16, (one.y - 15.5) / 16)
            assert where[i, c].tolist() == pytest.approx(expected, abs=1e-6)


def test_the_cnn_hangs_on_the_seed_alone_and_is_fixed():
    data = Pictured(40, 0)
    torch.manual_seed(1)
    one = trained_cnn(Given(), FEW, data)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = trained_cnn(Given(), FEW, data)
    assert torch.equal(torch.get_rng_state(), before)
    for mine, his in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, his)
        assert not mine.requires_grad
    assert not torch.equal(one[0].weight, trained_cnn(Given(seed=1), FEW, data)[0].weight)


def test_features_are_standard_on_the_scenes_of_the_training_and_the_same_in_any_batch():
    eyes, given, other = seen(Given(), FEW, Pictured(40, 0), Pictured(6, TEST_SEED))
    live = eyes.std > 0.01
    torch.testing.assert_close(given.mean(0), torch.zeros(FEATURES), rtol=0, atol=1e-5)
    torch.testing.assert_close(given.std(0)[live], (1 - 1e-3 / eyes.std)[live], rtol=0, atol=1e-4)
    torch.testing.assert_close(eyes(Pictured(6, TEST_SEED), CPU, batch=4), other, rtol=0, atol=1e-5)


def networks():
    torch.manual_seed(0)
    captions, vocabulary = Captions(), Vocabulary(all_words(), at_least=1)
    eyes = Eyes(scene_cnn())
    eyes.adapt(Pictured(20, 0), CPU)
    captioner = ours(FEATURES, len(captions.vocabulary), WIDTH)
    answering, blind = (VQA(len(vocabulary), len(ANSWERS), features=f, **SMALL) for f in (FEATURES, 0))
    return eyes, captioner, answering, blind


def test_what_is_kept_comes_back_to_half_precision_and_is_small(tmp_path):
    eyes, captioner, answering, _ = networks()
    keep(Given(tmp_path), "both", eyes=eyes, net=captioner, other=None)
    again, other, _, _ = networks()
    with torch.no_grad():
        for parameter in (*again.parameters(), *other.parameters()):
            parameter += 1
    path = tmp_path / "both_seed0.safetensors"
    restore(path, eyes=again, net=other)
    for one, two in ((eyes, again), (captioner, other)):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(RuntimeError, match="Missing key"):
        restore(path, net=answering)


def test_the_figure_of_captions_says_of_each_whether_it_is_true(tmp_path):
    eyes, captioner, _, _ = networks()
    keep(Given(tmp_path), "captioner", eyes=eyes, net=captioner)
    figure = _captioner_pictures.captioned(Given(tmp_path), seed=4)
    assert len(figure.axes) == 2 * _captioner_pictures.SHOWN  # scenes, and their text
    said = [axes.texts for axes in figure.axes if axes.texts]
    assert len(said) == _captioner_pictures.SHOWN
    for true, greedy, beams in said:
        assert true.get_text().startswith("true: ")
        assert greedy.get_color() == beams.get_color() == _captioner_pictures.FALSE  # untrained


def test_the_figure_of_answers_shows_all_kinds_of_questions_and_three_answers(tmp_path):
    eyes, _, answering, blind = networks()
    keep(Given(tmp_path), "vqa", eyes=eyes, net=answering)
    keep(Given(tmp_path), "vqa_question", net=blind)
    figure = _vqa_pictures.answered(Given(tmp_path), seed=4)
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert words.count("question only") == words.count("with picture") == _vqa_pictures.SHOWN
    assert sum(word.endswith("?") for word in words) == _vqa_pictures.SHOWN * _vqa_pictures.EACH
    answers = [word for word in words if word in ANSWERS]
    assert len(answers) == 3 * _vqa_pictures.SHOWN * _vqa_pictures.EACH


@pytest.mark.data
def test_the_kept_captioner_is_a_trained_one(artifact):
    class Stored(Given):
        def files(self, name):
            return artifact(name)

    eyes, net, captions = _captioner_pictures.trained(Stored())
    data = Pictured(200, 11)
    assert share_true(captions.say(net, eyes(data, CPU), 20), data) > 50
