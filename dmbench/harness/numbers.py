"""The numbers that papers print: reference_results/papers/<stem>.toml, read strictly.

A value keeps the digits as printed (31.90 stays 31.90), beside the float that is compared. What no paper prints and
dmbench measured before stands apart, in reference_results/tracked/<stem>.toml: its verdict is *unchanged* or *changed*.
"""

import tomllib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from dmbench.harness.declared import Declared, read_declared
from dmbench.harness.errors import NumbersError
from dmbench.harness.paths import shown
from dmbench.harness.toml_reader import Reader

DIRECTIONS = ("higher", "lower", "exact")
REQUIRED = {"value", "unit", "better", "where", "setting", "atol", "why_atol"}
OPTIONAL = {"spread", "runs", "unchecked", "known_gap", "gap", "one_run", "unseen"}
TRACKED_KEYS = {"value", "unit", "setting", "atol", "why_atol", "made_by"}
PAPER_KEYS = {"title", "authors", "year", "venue", "arxiv", "doi"}


@dataclass(frozen=True)
class Number:
    """One figure as a paper prints it.

    value is a float, or a tuple of floats that are compared element by element; printed holds its digits.
    atol and gap are in the value's unit. gap: the largest shortfall that the reason in known_gap explains.
    unseen: why the digits are not confirmed; it stands beside the verdict.
    tracked: no paper's, but what dmbench measured before; `where` is the command that did.
    """

    stem: str
    key: str
    value: float | tuple[float, ...]
    printed: str
    unit: str
    better: str
    where: str
    setting: str
    atol: float
    why_atol: str
    spread: float | None = None
    runs: int | None = None
    unchecked: str | None = None
    known_gap: str | None = None
    gap: float | None = None
    one_run: str | None = None
    unseen: str | None = None
    tracked: bool = False

    @property
    def origin(self) -> str:
        """What its value is: `printed` in a paper, or `tracked` by dmbench."""
        return "tracked" if self.tracked else "printed"

    @property
    def name(self) -> str:
        """The number's name among all: `stem/key`."""
        return f"{self.stem}/{self.key}"


@dataclass(frozen=True)
class Paper:
    """One paper's title page, and its numbers by key, in the order of the file.

    tables: what it lays out beside the verdicts. curves: by key of a learning curve's points, what it is, and its unit;
    by `judged`, the key whose values are of the numbers' kind, so that the printed one is drawn beside them.
    """

    stem: str
    title: str
    authors: str
    year: int
    venue: str = ""
    arxiv: str = ""
    doi: str = ""
    numbers: dict[str, Number] = field(default_factory=dict)
    tables: tuple[Declared, ...] = ()
    curves: dict[str, str] = field(default_factory=dict)


def read_paper(path: Path, tracked: Path | None = None) -> Paper:
    """Read one file of numbers, and the file of what is tracked beside them where there is one.

    Raises:
        NumbersError: the file cannot be read, is no TOML, or a key is missing, unknown or malformed.
    """
    content, reader = _content(path), Reader(path)
    reader.known("", content, {"paper", "numbers", "tables", "curves"})
    title_page = reader.table("paper", content.get("paper"))
    reader.known("paper", title_page, PAPER_KEYS, {"title", "authors", "year"})
    if not isinstance(title_page["year"], int):
        raise reader.error("paper.year", f"must be a whole number: {title_page['year']}")
    for key in PAPER_KEYS - {"year"}:
        if key in title_page:
            reader.text(f"paper.{key}", title_page[key])
    numbers = {
        key: _number(reader, path.stem, key, reader.table(f"numbers.{key}", entry))
        for key, entry in reader.table("numbers", content.get("numbers")).items()
    }
    if not numbers:
        raise reader.error("numbers", "is empty: a paper without numbers checks nothing")
    if tracked is not None and tracked.exists():
        numbers |= _tracked(tracked, numbers)
    tables = read_declared(reader, content.get("tables", []), list(numbers))
    curves = reader.texts("curves", content.get("curves", {}))
    if curves.get("judged", "") not in ("", *curves):
        raise reader.error("curves.judged", f"must be a key that [curves] describes: {curves['judged']}")
    return Paper(stem=path.stem, numbers=numbers, tables=tables, curves=curves, **title_page)


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise NumbersError(f"{shown(path)}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise NumbersError(f"{shown(path)}: not valid TOML: {error}") from error


def _tracked(path: Path, printed: dict[str, Number]) -> dict[str, Number]:
    content, reader = _content(path), Reader(path)
    reader.known("", content, {"tracked"})
    found = {}
    for key, given in reader.table("tracked", content.get("tracked")).items():
        entry = reader.table(f"tracked.{key}", given)
        reader.known(f"tracked.{key}", entry, TRACKED_KEYS, TRACKED_KEYS)
        if key in printed:
            raise reader.error(f"tracked.{key}", "is a paper's number too: what is tracked has a name of its own")
        where = reader.text(f"tracked.{key}.made_by", entry["made_by"])
        facts = {name: value for name, value in entry.items() if name != "made_by"}
        found[key] = replace(_number(reader, path.stem, key, facts | {"better": "exact", "where": where}), tracked=True)
    return found


def _number(reader: Reader, stem: str, key: str, entry: dict[str, Any]) -> Number:
    at = f"numbers.{key}"
    if not key.isidentifier() and not key.replace("_", "").isalnum():
        raise reader.error(at, "must be letters, digits and underscores")
    reader.known(at, entry, REQUIRED | OPTIONAL, REQUIRED)
    given = entry["value"]
    parts = given if isinstance(given, list) else [given]
    if not parts:
        raise reader.error(f"{at}.value", "is an empty list")
    values = tuple(reader.finite(f"{at}.value", part) for part in parts)
    if entry["better"] not in DIRECTIONS:
        raise reader.error(f"{at}.better", f"must be one of {', '.join(DIRECTIONS)}: {entry['better']}")
    for name in ("unit", "where", "setting", "why_atol", "unchecked", "known_gap", "one_run", "unseen"):
        if name in entry:
            reader.text(f"{at}.{name}", entry[name])
    for name in ("atol", "spread", "gap"):
        if name in entry and reader.finite(f"{at}.{name}", entry[name]) < 0:
            raise reader.error(f"{at}.{name}", f"must be at least 0: {entry[name]}")
    if "runs" in entry and (not isinstance(entry["runs"], int) or entry["runs"] < 1):
        raise reader.error(f"{at}.runs", f"must be a whole number, at least 1: {entry['runs']}")
    if ("known_gap" in entry) != ("gap" in entry):
        raise reader.error(at, "known_gap (the reason) and gap (its largest size) go together")
    if "unchecked" in entry and "known_gap" in entry:
        raise reader.error(at, "unchecked says that nothing measures it, known_gap that something does")
    texts = {k: v for k, v in entry.items() if k not in ("value", "atol", "spread", "gap")}
    return Number(
        stem=stem,
        key=key,
        value=values if isinstance(given, list) else values[0],
        printed=", ".join(_digits(part) for part in parts),
        atol=float(entry["atol"]),
        spread=float(entry["spread"]) if "spread" in entry else None,
        gap=float(entry["gap"]) if "gap" in entry else None,
        **texts,
    )


def _digits(part: Decimal | int) -> str:
    return f"{part:,}" if isinstance(part, int) else str(part)
