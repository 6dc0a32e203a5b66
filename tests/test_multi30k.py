"""multi30k: the published files, and ones that do not fit."""

import gzip

import pytest

from dmbench.datasets import multi30k
from dmbench.datasets.multi30k import COUNTS, read_multi30k


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Two sentences in each language, as files by name."""
    monkeypatch.setattr(multi30k, "COUNTS", {"val": 2})
    lines = {"en": "a dog.\na cat.\n", "de": "ein hund.\neine katze.\n", "fr": "un chien.\nun chat.\n"}
    files = {}
    for code, text in lines.items():
        path = tmp_path / f"val.{code}.gz"
        path.write_bytes(gzip.compress(text.encode()))
        files[f"multi30k/{path.name}"] = path
    return files


@pytest.mark.data
@pytest.mark.parametrize("part", COUNTS)
def test_the_published_parts_have_their_sentences(artifact, part):
    source, target = read_multi30k(artifact("multi30k"), part, "de", "en")
    assert len(source) == len(target) == COUNTS[part]
    if part == "train":
        assert source[0] == "Zwei junge wei\u00dfe M\u00e4nner sind im Freien in der N\u00e4he vieler B\u00fcsche."
        assert target[0] == "Two young, White males are outside near many bushes."


def test_any_two_languages_are_read_in_either_direction(small):
    assert read_multi30k(small, "val", "de", "en") == (["ein hund.", "eine katze."], ["a dog.", "a cat."])
    assert read_multi30k(small, "val", "en", "fr") == (["a dog.", "a cat."], ["un chien.", "un chat."])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("test", "de", "en"), "part must be one of val: test"),
        (("val", "cs", "en"), "language must be one of en, de, fr: cs"),
    ],
)
def test_what_is_not_there_is_refused_by_name(small, arguments, says):
    with pytest.raises(ValueError, match=says):
        read_multi30k(small, *arguments)


def test_a_missing_file_is_named(small):
    del small["multi30k/val.fr.gz"]
    with pytest.raises(ValueError, match="needs val.fr.gz: multi30k/val.de.gz, multi30k/val.en.gz"):
        read_multi30k(small, "val", "en", "fr")


def test_another_number_of_sentences_is_refused(small, monkeypatch):
    monkeypatch.setattr(multi30k, "COUNTS", {"val": 3})
    with pytest.raises(ValueError, match="need 3 sentences: 2"):
        read_multi30k(small, "val", "en", "fr")
