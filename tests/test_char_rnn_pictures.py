"""Pictures of a character model: what training keeps is read back, features of a text by hand, figures."""

import pytest
import torch
from matplotlib.figure import Figure

from dmbench.datasets.text import WAR_AND_PEACE, Vocabulary
from dmbench.experiments import _char_rnn_pictures as pictures
from dmbench.experiments._char_rnn_training import keep
from dmbench.models.char_rnn import CharRNN

SAID = b'"Well, Prince," she looked at\r\nThe princess. '


class Drawn:
    """A context with files, as the report gives one; it also keeps them, as a run does."""

    device, seed = torch.device("cpu"), 0

    def __init__(self, folder):
        self.folder = folder
        text = SAID * (WAR_AND_PEACE // len(SAID) + 1)
        (folder / "war_and_peace").write_bytes(text[:WAR_AND_PEACE])

    def keep(self, name, content):
        (self.folder / pictures.WEIGHTS).write_bytes(content)

    def files(self, artifact):
        return {artifact: self.folder / artifact}


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    torch.manual_seed(0)
    ctx = Drawn(tmp_path_factory.mktemp("kept"))
    vocabulary = Vocabulary(SAID)
    keep(ctx, "char", CharRNN(len(vocabulary), 5, 2, reach=2.0), vocabulary)
    return ctx


def test_what_training_keeps_is_read_back(context):
    net, vocabulary = pictures.read(context)
    torch.manual_seed(0)
    made = CharRNN(len(Vocabulary(SAID)), 5, 2, reach=2.0)
    assert vocabulary.symbols == Vocabulary(SAID).symbols
    for name, value in made.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)


def test_every_block_is_the_prime_and_a_text_and_no_two_are_alike(context, monkeypatch):
    monkeypatch.setattr(pictures, "WIDTH", 60)
    monkeypatch.setattr(pictures, "ROWS", 2)
    figure = pictures.temperatures(context)
    assert isinstance(figure, Figure)
    blocks = [text.get_text() for text in figure.texts[1::2]]
    assert len(set(blocks)) == len(pictures.TEMPERATURES)
    assert all(block.startswith(pictures.PRIME.strip()) and len(block) > len(pictures.PRIME) for block in blocks)


def test_the_passage_is_written_out_and_each_letter_has_its_box(context, monkeypatch):
    monkeypatch.setattr(pictures, "LOOKED", 60)
    monkeypatch.setattr(pictures, "PASSAGE", 60)
    (axes,) = pictures.quote_cell(context).axes
    written = "".join(text.get_text() for text in axes.texts)
    assert '"Well, Prince," she looked at' in written
    assert len(axes.patches) == len(axes.texts)


def test_states_of_cells_are_those_of_one_run_over_the_text(context):
    net, vocabulary = pictures.read(context)
    x = vocabulary.encode(SAID)[:, None]
    with torch.no_grad():
        _, state = net(x)
    torch.testing.assert_close(pictures.cell_states(net, x)[-1], state[-1][1][0].tanh(), rtol=0, atol=1e-6)


def test_features_of_a_text_are_those_counted_by_hand():
    x = torch.tensor([[1], [0], [2], [2], [0], [1], [2]])  # 0 a line break, 1 a quotation mark
    assert pictures.line_place(x, 0)[:, 0].tolist() == [1, 0, 1, 2, 0, 1, 2]
    assert pictures.inside(x, 1)[:, 0].tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_a_cell_that_is_the_feature_correlates_by_one():
    feature = torch.tensor([[0.0], [1], [1], [0], [1]]).double()
    states = torch.stack([feature * 2 - 1, -feature, torch.zeros_like(feature)], -1)
    assert pictures.correlation(states, feature).tolist() == pytest.approx([1, -1, 0], abs=1e-12)


def test_a_text_is_shown_with_bytes_that_are_no_characters_marked():
    assert pictures.shown(b"a\r\n b \xc3\xa9\xff") == "a b é\ufffd"
