"""wmt14: corpora and tests in the shapes of the published files, what is missing, and phrase tables."""

import gzip

import pytest

from dmbench.datasets.wmt14 import PhrasePair, read_phrase_table, read_wmt14, write_phrase_table

TABLE = """ein hund ||| a dog ||| 0.5 0.25 ||| 0-0 1-1 ||| 4 2 2
katze ||| cat |||
"""


def sgm(lines):
    return '<srcset setid="x">\n' + "\n".join(f'<seg id="{i}"> {line} </seg>' for i, line in enumerate(lines))


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "training"
    inner.mkdir()
    (inner / "europarl-v7.fr-en.en").write_text("one\n\nthree\n", encoding="utf-8")
    (inner / "europarl-v7.fr-en.fr").write_text("un\ndeux\ntrois\n", encoding="utf-8")
    for end, code, lines in (("src", "en", ["R &amp; D", "two"]), ("ref", "fr", ["R et D", "deux"])):
        (tmp_path / f"newstest2014-fren-{end}.{code}.sgm").write_text(sgm(lines), encoding="utf-8")
    return tmp_path


def test_a_corpus_is_read_without_pairs_that_lack_a_line(folder):
    assert read_wmt14(folder, "europarl") == (["one", "three"], ["un", "trois"])


def test_a_test_set_is_read_from_its_segments(folder):
    assert read_wmt14(folder, "newstest2014") == (["R & D", "two"], ["R et D", "deux"])


def test_a_missing_file_is_told_with_its_archive(folder):
    with pytest.raises(ValueError, match=r"has no newstest2012-src.en.sgm: unpack dev.tgz of statmt.org"):
        read_wmt14(folder, "newstest2012")
    with pytest.raises(ValueError, match="part must be one of europarl, .*newstest2014: newstest2015"):
        read_wmt14(folder, "newstest2015")


def test_tests_that_do_not_fit_are_refused(folder):
    path = folder / "newstest2014-fren-ref.fr.sgm"
    path.write_text(sgm(["deux"]), encoding="utf-8")
    with pytest.raises(ValueError, match="has 2 sentences and .* 1"):
        read_wmt14(folder, "newstest2014")
    path.write_text("no segments", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no <seg>"):
        read_wmt14(folder, "newstest2014")


@pytest.mark.parametrize("name", ["table", "table.gz"])
def test_a_phrase_table_gets_one_score_more_and_keeps_the_rest(tmp_path, name):
    path, out = tmp_path / name, tmp_path / f"scored.{name}"
    path.write_bytes(gzip.compress(TABLE.encode()) if name.endswith("gz") else TABLE.encode())
    pairs = list(read_phrase_table(path))
    assert pairs[0] == PhrasePair(["ein", "hund"], ["a", "dog"], ["0.5 0.25", "0-0 1-1", "4 2 2"])
    assert write_phrase_table(out, zip(pairs, (-1.5, -2.0), strict=True)) == 2
    again = list(read_phrase_table(out))
    assert again[0] == PhrasePair(["ein", "hund"], ["a", "dog"], ["0.5 0.25 -1.5", "0-0 1-1", "4 2 2"])
    assert again[1] == PhrasePair(["katze"], ["cat"], ["-2"])


@pytest.mark.parametrize("line", ["ein hund ||| a dog", " ||| a dog ||| 1", "ein hund"])
def test_a_line_that_is_no_pair_is_refused_with_its_place(tmp_path, line):
    path = tmp_path / "table"
    path.write_text(f"a ||| b ||| 1\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"table:2: need source \|\|\| target"):
        list(read_phrase_table(path))
