"""Pictures of relation networks: each is drawn from what a training leaves, and says what the network answers."""

import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import save

from dmbench.datasets.babi import Vocabulary
from dmbench.datasets.babi_tasks import generate_babi
from dmbench.datasets.sort_of_clevr import SUBTYPES
from dmbench.experiments import _relation_network_pictures as pictures
from dmbench.experiments import _relation_states
from dmbench.experiments._relation_training import Recipe, kept
from dmbench.harness.paths import checkout
from dmbench.models.relation_network import StoryRelationNetwork


class Drawn:
    """A context with files, as the report gives one."""

    device, seed = torch.device("cpu"), None

    def __init__(self, path):
        self.path = path

    def files(self, artifact):
        return {artifact: self.path}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "states.safetensors"
    recipe = Recipe(updates=4, batch=4, evaluate_every=2, save_every=10**9)
    _relation_states.train(path, recipe, scenes=5, tests=3)
    return path


def told(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_scenes_have_six_questions_with_answers_each(trained):
    texts = told(pictures.scenes(Drawn(trained)))
    assert sum(text.endswith("?") for text in texts) == 6 * pictures.SHOWN
    assert sum(" %" in text for text in texts) == 6 * pictures.SHOWN


def test_curves_are_those_of_the_training(trained):
    figure = pictures.subtypes(Drawn(trained))
    _, curve = _relation_states.read(trained)
    assert [point["update"] for point in curve] == [2, 4]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    for name in SUBTYPES:
        assert lines[name] == [point[name] for point in curve]


def test_stories_are_told_with_the_networks_answers(tmp_path):
    torch.manual_seed(0)
    vocabulary = Vocabulary.of(generate_babi(1, 300, 0))
    net = StoryRelationNetwork(len(vocabulary.words), len(vocabulary.answers))
    path = tmp_path / "qa1.safetensors"
    path.write_bytes(save(**kept(net, vocabulary)))
    again, words = pictures.read_stories(path)
    assert words == vocabulary
    torch.testing.assert_close(again.state_dict(), net.state_dict(), rtol=1e-3, atol=1e-3)
    figure = pictures.stories(Drawn(path))
    assert isinstance(figure, Figure)
    assert sum(text.startswith("Where is") for text in told(figure)) == pictures.SHOWN


def test_the_kept_network_answers_generated_stories():
    net, vocabulary = pictures.read_stories(checkout() / "reference_results/weights/relation_qa1.safetensors")
    stories = generate_babi(1, 100, 5)
    right = sum(
        list(vocabulary.answers)[int(pictures._probabilities(net, vocabulary, story).argmax())] == story.answer
        for story in stories
    )
    assert right >= 95


def test_damaged_weights_are_refused_by_their_path(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing")
    for read in (pictures.read_stories, _relation_states.read):
        with pytest.raises(ValueError, match=r"weights.safetensors: damaged, or no network of"):
            read(path)
