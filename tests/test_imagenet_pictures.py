"""Pictures of predictions: those that are drawn, and what stands under them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dmbench.datasets.imagenet import Listed
from dmbench.experiments import _imagenet_pictures as pictures
from dmbench.experiments._imagenet_pictures import Seen, drawn
from dmbench.harness.errors import UsageError
from dmbench.harness.showing import show

NAMES = [f"class {i}" for i in range(1000)]


def seen(label, *likely):
    chances = torch.full((1000,), 1e-6)
    for place, number in enumerate(likely):
        chances[number] = 0.5 / 2**place
    return Seen(np.zeros((4, 4, 3), np.uint8), label, chances)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts] if text.get_text()]


def test_the_rank_is_how_many_are_likelier():
    assert [seen(7, 7, 3).rank, seen(3, 7, 3).rank, seen(9, 1, 2, 3, 4, 5).rank] == [0, 1, 5]


def test_each_picture_stands_above_its_five_likeliest_classes():
    figure = drawn([seen(7, 7, 3, 2, 5, 4), seen(3, 7, 3, 1, 5, 2), seen(999, 1, 2, 3, 4, 5)], NAMES)
    words = texts(figure)
    assert words[0] == "class 7: right"
    assert "class 7  50 %" in words
    assert "class 3: place 2" in words
    assert "class 999: place 6" in words
    assert len([word for word in words if word.endswith("%")]) == 15


def test_a_picture_of_which_no_label_is_known_is_called_neither_right_nor_wrong():
    assert not any(":" in word for word in texts(drawn([seen(None, 7)], NAMES)))


def test_eight_are_drawn_two_of_each_kind(monkeypatch):
    kinds = [seen(1, 1), seen(2, 3, 2), seen(4, 1, 2, 3, 5, 6)] * 4
    order = iter(kinds)
    monkeypatch.setattr(pictures, "look", lambda net, listed, side: next(order))
    monkeypatch.setattr(pictures, "subset", lambda ctx, first: [Listed(None, 0)] * len(kinds))
    monkeypatch.setattr(pictures, "words", lambda ctx: NAMES)
    titles = [text for text in texts(pictures.predictions(None, None, 1)) if ":" in text]
    assert titles == ["class 1: right"] * 4 + ["class 2: place 2"] * 2 + ["class 4: place 6"] * 2


@pytest.mark.data
@pytest.mark.parametrize("stem", ["googlenet", "squeezenet"])
def test_a_picture_of_ones_own_is_drawn_with_what_it_is_taken_for(artifact, tmp_path, monkeypatch, stem):
    for name in ("imagenet_synsets", "googlenet_bvlc", "squeezenet_11"):
        artifact(name)
    path = next(p for name, p in artifact("imagenet_val_1300").items() if name.endswith("00000347.JPEG"))
    kept = SimpleNamespace()
    monkeypatch.setattr(pictures, "drawn", lambda *given: setattr(kept, "seen", given[0][0]) or drawn(*given))
    (png,) = show(stem, ["--image", str(path)], tmp_path)
    with Image.open(png) as opened:
        assert opened.size[0] > 300
    names = pictures.words(pictures.context(stem, "imagenet_synsets"))
    assert names[int(kept.seen.chances.argmax())] in ("canoe", "paddle")


@pytest.mark.data
def test_a_file_that_is_no_picture_or_is_missing_is_refused_in_one_line(artifact, tmp_path):
    for name in ("imagenet_synsets", "squeezenet_11"):
        artifact(name)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="a.jpg: damaged, or no picture"):
        show("squeezenet", ["--image", str(tmp_path / "a.jpg")], tmp_path)
    with pytest.raises(UsageError, match="needs a picture: --image FILE"):
        show("squeezenet", [], tmp_path)
    with pytest.raises(UsageError, match="version must be one of 1.0, 1.1: 2"):
        show("squeezenet", ["--version", "2"], tmp_path)
