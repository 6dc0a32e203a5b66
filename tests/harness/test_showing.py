"""`dmbench show`: pictures by a stem's own module."""

import re
import sys
import types

import pytest
from PIL import Image

from dmbench.harness import showing
from dmbench.harness.discovery import stems_with_experiments
from dmbench.harness.errors import UsageError
from dmbench.harness.paths import PACKAGE

ABLE = [s for s in stems_with_experiments() if (PACKAGE / "experiments" / f"_{s}_pictures.py").exists()]
PLAYED = [s for s in ABLE if "game" in (PACKAGE / "experiments" / f"_{s}_pictures.py").read_text()]


@pytest.mark.parametrize("stem", PLAYED)
def test_pictures_are_written_that_can_be_opened(stem, tmp_path):
    paths = showing.show(stem, ["--game", "breakout", "--steps=20"], tmp_path / "new")
    assert [path.suffix for path in paths] == [".png", ".png", ".gif"]
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            assert getattr(picture, "n_frames", 1) == (20 if path.suffix == ".gif" else 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gam", "pong"], "--gam is no option of show toy: did you mean game?"),
        (["pong"], "pong is no option of show toy"),
        (["--game"], "--game needs a value"),
        (["--game", "bad"], "no game of that name"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(words, message, tmp_path, monkeypatch):
    module = types.ModuleType("dmbench.experiments._toy_pictures")

    def show(folder, game="pong"):
        raise ValueError("no game of that name\nand more")

    module.show = show
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "_toy_pictures.py").touch()
    monkeypatch.setattr(showing, "PACKAGE", tmp_path)
    monkeypatch.setattr(showing, "papers", lambda: {"toy": None})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(UsageError, match=re.escape(message)):
        showing.show("toy", words, tmp_path)


def test_a_stem_without_pictures_says_so(tmp_path):
    with pytest.raises(UsageError, match="linear has nothing to show"):
        showing.show("linear", [], tmp_path)
