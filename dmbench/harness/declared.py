"""Tables that a paper's file declares: rows over a word, columns that say of which number what is shown.

    [[tables]]
    key = "games"                         # names the files
    title = "Scores"
    over = "game"                         # the word that rows fill in the numbers' names
    rows = { pong = "Pong" }              # what is filled in, and what the row is called
    first_of = { ours = ["{game}_best?", "{game}_first"] }  # of these the first one measured, else the last one
    columns = [{ heading = "printed", number = "{game}_first", show = "printed" },
               { heading = "ours", number = "ours", show = "measured", absent = "not trained" },
               { heading = "steps", number = "ours", show = "noted", note = "steps" }]
    note = "..."                          # below the table

A name that ends in "?" need not be there in every row; any other has to.
"""

import string
from dataclasses import dataclass
from typing import Any

from dmbench.harness.errors import nearest
from dmbench.harness.toml_reader import Reader

# printed digits; measured value with its interval; a setting of the record; which number it is; the verdict.
SHOWN = ("printed", "measured", "noted", "number", "verdict")
KEYS = {"key", "title", "over", "rows", "columns", "first_of", "note"}
COLUMN_KEYS = {"heading", "number", "show", "note", "absent"}


@dataclass(frozen=True)
class Column:
    """One column. numbers: by row the keys of its candidates; the first one measured is shown, else the last one.

    note: the setting that "noted" shows. absent: what a cell says before the command, where nothing is measured.
    """

    heading: str
    show: str
    numbers: dict[str, tuple[str, ...]]
    note: str = ""
    absent: str = "not measured"


@dataclass(frozen=True)
class Declared:
    """One table. rows: by the word that is filled in, what the row is called."""

    key: str
    title: str
    over: str
    rows: dict[str, str]
    columns: tuple[Column, ...]
    note: str = ""


def read_declared(reader: Reader, entries: object, numbers: list[str]) -> tuple[Declared, ...]:
    """Read the tables of a paper's file.

    Raises:
        NumbersError: a key is missing, unknown or malformed, or a number is named that the file has not.
    """
    if not isinstance(entries, list):
        raise reader.error("tables", "must be a list: write [[tables]]")
    found = [_table(reader, i, entry, numbers) for i, entry in enumerate(entries)]
    keys = [table.key for table in found]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise reader.error(f"tables.{twice}", "is declared twice")
    return tuple(found)


def _table(reader: Reader, index: int, given: object, numbers: list[str]) -> Declared:
    at = f"tables[{index}]"
    entry = reader.table(at, given)
    reader.known(at, entry, KEYS, {"key", "title", "over", "rows", "columns"})
    for name in ("key", "title", "over", *(["note"] if "note" in entry else [])):
        reader.text(f"{at}.{name}", entry[name])
    key: str = entry["key"]
    at = f"tables.{key}"
    if not key.replace("_", "").isalnum() or key != key.lower():
        raise reader.error(f"{at}.key", "names files: lower-case letters, digits and underscores")
    rows = reader.texts(f"{at}.rows", entry["rows"])
    groups = reader.table(f"{at}.first_of", entry.get("first_of", {}))
    columns = entry["columns"]
    if not rows or not isinstance(columns, list) or not columns:
        raise reader.error(f"{at}.{'columns' if rows else 'rows'}", "is empty: a table has rows and columns")
    resolver = _Resolver(reader, entry["over"], list(rows), groups, numbers)
    found = [_column(resolver, f"{at}.columns[{i}]", column) for i, column in enumerate(columns)]
    if unused := next((name for name in groups if all(column["number"] != name for column in columns)), None):
        raise reader.error(f"{at}.first_of.{unused}", "is named by no column")
    headings = [column.heading for column in found]
    if twice := next((heading for heading in headings if headings.count(heading) > 1), None):
        raise reader.error(f"{at}.columns", f"two have the heading {twice}")
    return Declared(key, entry["title"], entry["over"], rows, tuple(found), entry.get("note", ""))


def _column(resolver: "_Resolver", at: str, given: object) -> Column:
    reader = resolver.reader
    entry = reader.table(at, given)
    reader.known(at, entry, COLUMN_KEYS, {"heading", "number", "show"})
    for name in entry:
        reader.text(f"{at}.{name}", entry[name])
    if entry["show"] not in SHOWN:
        raise reader.error(f"{at}.show", f"must be one of {', '.join(SHOWN)}: {entry['show']}")
    if (entry["show"] == "noted") != ("note" in entry):
        raise reader.error(at, 'show = "noted" and note, the setting that is shown, go together')
    rest = {name: entry[name] for name in ("note", "absent") if name in entry}
    return Column(entry["heading"], entry["show"], resolver.resolve(at, entry["number"]), **rest)


@dataclass(frozen=True)
class _Resolver:
    """Fills the rows' words into names of numbers."""

    reader: Reader
    over: str
    rows: list[str]
    groups: dict[str, Any]
    numbers: list[str]

    def resolve(self, at: str, name: str) -> dict[str, tuple[str, ...]]:
        """Return by row the keys that a column's number, or the group that it names, stands for."""
        patterns = self.groups.get(name, [name])
        if not isinstance(patterns, list) or not patterns:
            raise self.reader.error(at, f"first_of.{name} must be a list of numbers' names")
        found = {row: tuple(key for p in patterns if (key := self._key(at, p, row))) for row in self.rows}
        if empty := next((row for row, keys in found.items() if not keys), None):
            raise self.reader.error(at, f"{name} stands for no number in the row {empty}")
        return found

    def _key(self, at: str, pattern: object, row: str) -> str | None:
        text = self.reader.text(f"{at}.number", pattern)
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
        except ValueError as error:
            raise self.reader.error(f"{at}.number", f"{text}: {error}") from error
        if fields - {self.over}:
            raise self.reader.error(f"{at}.number", f"{text} may have the field {{{self.over}}} and no other")
        key = text.removesuffix("?").format(**{self.over: row})
        if key not in self.numbers:
            if text.endswith("?"):
                return None
            raise self.reader.error(f"{at}.number", f"{key} is no number of this file{_near(key, self.numbers)}")
        return key


def _near(key: str, numbers: list[str]) -> str:
    close = nearest(key, numbers)
    return close if close.startswith(": did") else ""
