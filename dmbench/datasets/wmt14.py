"""WMT14, English and French: its corpora and news tests from a folder of one's own, and Moses's phrase tables.

Source: Bojar et al. (2014), Findings of the 2014 Workshop on Statistical Machine Translation; statmt.org/wmt14. Cho et
al. (2014), arXiv:1406.1078, section 4.1, select 348 of 850 million words of the five corpora, tune Moses by
newstest2012 and 2013, and test on newstest2014. None of it is fetched by dmbench: the training archives alone are some
5 GB.

A phrase table is Moses's text: `source ||| target ||| scores ||| ...`, a pair a line, gzipped or not.
"""

import gzip
import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import IO, NamedTuple

from dmbench.datasets.parallel_text import read_parallel

WHERE = "statmt.org/wmt14/translation-task.html"
CORPORA = {
    "europarl": ("europarl-v7.fr-en.{}", "training-parallel-europarl-v7.tgz"),
    "news": ("news-commentary-v9.fr-en.{}", "training-parallel-nc-v9.tgz"),
    "un": ("undoc.2000.fr-en.{}", "un.tgz"),
    "commoncrawl": ("commoncrawl.fr-en.{}", "training-parallel-commoncrawl.tgz"),
    "gigaword": ("giga-fren.release2.fixed.{}", "training-giga-fren.tar"),
}
TESTS = {
    "newstest2012": ("newstest2012-{}.{}.sgm", "dev.tgz"),
    "newstest2013": ("newstest2013-{}.{}.sgm", "dev.tgz"),
    "newstest2014": ("newstest2014-fren-{}.{}.sgm", "test-full.tgz"),
}
SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL | re.IGNORECASE)


class PhrasePair(NamedTuple):
    """A line of a phrase table: words of both sides, and the fields after them as they stand there."""

    source: list[str]
    target: list[str]
    fields: list[str]


def read_wmt14(folder: Path, part: str) -> tuple[list[str], list[str]]:
    """Read the English and the French sentences of a corpus or a test from the unpacked archives.

    Pairs of a corpus of which a line is empty are left out.

    Args: folder: where the files lie, at any depth. part: a key of CORPORA or TESTS.

    Raises: ValueError: an unknown part; a file that is missing (the message says in which archive it is) or damaged;
        files of different lengths.
    """
    if part not in CORPORA | TESTS:
        raise ValueError(f"part must be one of {', '.join(CORPORA | TESTS)}: {part}")
    if part in CORPORA:
        name, archive = CORPORA[part]
        english, french = (_find(folder, name.format(code), archive) for code in ("en", "fr"))
        return read_parallel(english, french, skip_empty=True)
    name, archive = TESTS[part]
    english, french = (_find(folder, name.format(*ends), archive) for ends in (("src", "en"), ("ref", "fr")))
    texts = _segments(english), _segments(french)
    if len(texts[0]) != len(texts[1]):
        raise ValueError(f"{english} has {len(texts[0]):,} sentences and {french} {len(texts[1]):,}")
    return texts


def read_phrase_table(path: Path) -> Iterator[PhrasePair]:
    """Read the pairs of a phrase table, one at a time: tables are larger than memory.

    Raises: ValueError: a line has fewer than three fields, or a side without words.
    """
    with _opened(path, "rt") as lines:
        for number, line in enumerate(lines, 1):
            parts = [part.strip() for part in line.split("|||")]
            if len(parts) < 3 or not parts[0] or not parts[1]:
                raise ValueError(f"{path}:{number}: need source ||| target ||| scores: {line.strip()[:60]}")
            yield PhrasePair(parts[0].split(), parts[1].split(), parts[2:])


def write_phrase_table(path: Path, pairs: Iterable[tuple[PhrasePair, float]]) -> int:
    """Write pairs with one further score after those that they have, as Moses takes features; return how many."""
    count = 0
    with _opened(path, "wt") as file:
        for pair, score in pairs:
            fields = [f"{pair.fields[0]} {score:.6g}".strip(), *pair.fields[1:]]
            file.write(" ||| ".join([" ".join(pair.source), " ".join(pair.target), *fields]) + "\n")
            count += 1
    return count


def _find(folder: Path, name: str, archive: str) -> Path:
    found = next((path for end in ("", ".gz") for path in sorted(folder.rglob(name + end))), None)
    if found is None:
        raise ValueError(f"{folder} has no {name}: unpack {archive} of {WHERE} there")
    return found


def _segments(path: Path) -> list[str]:
    with _opened(path, "rt") as file:
        found = [unescape(text).strip() for text in SEGMENT.findall(file.read())]
    if not found:
        raise ValueError(f"{path}: holds no <seg>: no sentences")
    return found


def _opened(path: Path, mode: str) -> IO[str]:
    opener: Callable[..., IO[str]] = gzip.open if path.suffix == ".gz" else open
    return opener(path, mode, encoding="utf-8")
