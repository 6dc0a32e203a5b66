"""Parallel text: words by hand, back again, vocabularies, padding, and files that do not fit."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.datasets.parallel_text import (
    EOS,
    PAD,
    UNK,
    Vocabulary,
    detokenise,
    padded,
    read_lines,
    read_parallel,
    tokenise,
)

few = settings(deadline=None, max_examples=50, derandomize=True)
SPLIT = {
    ('A man\'s hat, and "two" dogs.', "en"): ["a", "man", "'s", "hat", ",", "and", '"', "two", '"', "dogs", "."],
    ("The girls' six-pack!", "en"): ["the", "girls", "'", "six-pack", "!"],
    ("Drei M\u00e4nner ma\u0308hen.", "de"): ["drei", "m\u00e4nner", "m\u00e4hen", "."],
    ("L\u2019homme d'\u00e0 c\u00f4t\u00e9", "fr"): ["l'", "homme", "d'", "\u00e0", "c\u00f4t\u00e9"],
    ("a_b (c)", "en"): ["a", "_", "b", "(", "c", ")"],
    ("  ", "en"): [],
}


@pytest.mark.parametrize(("text", "language"), list(SPLIT))
def test_sentences_are_split_into_words_and_marks(text, language):
    assert tokenise(text, language) == SPLIT[text, language]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('a man\'s hat (red), and "two dogs" run.', "en"),
        ("eine \u201egro\u00dfe\u201c frau; zwei!", "de"),
        ("l'homme d'\u00e0 c\u00f4t\u00e9, aujourd'hui.", "fr"),
    ],
)
def test_words_go_back_to_the_text_that_they_came_from(text, language):
    assert detokenise(tokenise(text, language), language) == text


@few
@given(st.text(alphabet="ab'-.,\"( ", max_size=12), st.sampled_from(["en", "fr"]))
def test_nothing_but_spaces_is_lost(text, language):
    assert "".join(tokenise(text, language)) == text.replace(" ", "")


@pytest.mark.data
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_of_multi30ks_sentences_99_percent_come_back_character_by_character(artifact, language):
    lines = read_lines(artifact("multi30k")[f"multi30k/train.{language}.gz"])[:5000]
    plain = [" ".join(line.lower().replace("\u2019", "'").split()) for line in lines]
    same = sum(detokenise(tokenise(a, language), language) == a for a in plain)
    assert same >= 0.99 * len(plain)


def test_a_vocabulary_counts_words_the_frequent_ones_first():
    words = Vocabulary.of([["b", "a", "b"], ["c", "a", "b", "d"]])
    assert words.words == ("<pad>", "<eos>", "<unk>", "b", "a", "c", "d")
    assert Vocabulary.of([["b", "a", "b"], ["c", "a"]], at_least=2).words[3:] == ("a", "b")
    assert Vocabulary.of([["b", "a", "b"], ["c", "a"]], size=1).words[3:] == ("a",)


def test_words_never_seen_become_unk_and_are_named():
    words = Vocabulary(["a", "b"])
    assert words.encode(["b", "zebra", "a", "zebra"]) == [4, UNK, 3, UNK, EOS]
    assert words.unknown(["b", "zebra", "a", "zebra", "yak"]) == ["zebra", "yak"]
    assert words.encode([]) == [EOS]


def test_numbers_become_words_up_to_the_end():
    words = Vocabulary(["a", "b"])
    assert words.decode([4, UNK, 3, EOS, 3]) == ["b", "<unk>", "a"]
    assert words.decode([4, PAD, 3]) == ["b"]
    with pytest.raises(ValueError, match="numbers of words below 5: 5"):
        words.decode([5])


@pytest.mark.parametrize("given_words", [["a", "a"], ["<eos>"]])
def test_a_word_that_is_there_twice_is_refused(given_words):
    with pytest.raises(ValueError, match=f"each word once.*: {given_words[0]}"):
        Vocabulary(given_words)


def test_sentences_of_different_lengths_are_filled_up():
    symbols, lengths = padded([[5, 6, EOS], [EOS], [7, EOS]])
    assert symbols.T.tolist() == [[5, 6, EOS], [EOS, PAD, PAD], [7, EOS, PAD]]
    assert lengths.tolist() == [3, 1, 2]


def test_an_empty_batch_or_sentence_is_refused():
    with pytest.raises(ValueError, match="at least one sentence"):
        padded([])
    with pytest.raises(ValueError, match="sentence 1 of 2 is empty: end each one with EOS"):
        padded([[EOS], []])


@pytest.fixture
def files(tmp_path):
    (tmp_path / "x.en").write_text("one\n two \nthree\n", encoding="utf-8")
    (tmp_path / "x.fr.gz").write_bytes(gzip.compress("un\r\ndeux\ntr\u00e8s\n".encode()))
    return tmp_path


def test_two_files_are_read_line_by_line(files):
    assert read_parallel(files / "x.en", files / "x.fr.gz") == (["one", "two", "three"], ["un", "deux", "tr\u00e8s"])


def test_files_of_different_lengths_are_refused_with_both_lengths(files):
    (files / "x.en").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"x.en has 2 lines, .*x.fr.gz 3: they are no translations"):
        read_parallel(files / "x.en", files / "x.fr.gz")


def test_an_empty_line_is_refused_with_its_place_or_left_out_with_its_pair(files):
    (files / "x.en").write_text("one\n\nthree\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"x.en:2: the line is empty"):
        read_parallel(files / "x.en", files / "x.fr.gz")
    found = read_parallel(files / "x.en", files / "x.fr.gz", skip_empty=True)
    assert found == (["one", "three"], ["un", "tr\u00e8s"])


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is empty"), (b"\n \n", "is empty"), (b"\xff\xfe", "UTF-8"), (None, "cannot be read")]
)
def test_a_file_that_is_no_text_is_refused_by_its_path(tmp_path, content, says):
    path = tmp_path / "y.de"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"y.de.*{says}"):
        read_lines(path)


def test_a_damaged_gzip_file_is_refused_by_its_path(files):
    path = files / "x.fr.gz"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match="x.fr.gz: cannot be read"):
        read_lines(path)
