"""Declared tables filled in: what the records say of each cell's number, for every way of printing it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dmbench.harness import formats
from dmbench.harness.declared import Column, Declared
from dmbench.harness.numbers import Paper
from dmbench.harness.verdict import NOT_MEASURED, Verdict

FIGURES = ("printed", "measured", "noted")


@dataclass(frozen=True)
class Cell:
    """What a cell says. command: what gets it, where it is not there. show: its column's kind.

    marked: whether its verdict is told beside it: not where it is one of several numbers, judged by different values.
    """

    show: str
    text: str
    command: str = ""
    verdict: Verdict | None = None
    marked: bool = False

    @property
    def figure(self) -> bool:
        """Whether it holds a number."""
        lacking = self.show == "measured" and (self.verdict is None or not self.verdict.measured)
        return self.show in FIGURES and bool(self.text) and not lacking

    def __str__(self) -> str:
        return f"{self.text}: {self.command}" if self.command else self.text


@dataclass(frozen=True)
class LaidOut:
    """A declared table with its cells, by row."""

    stem: str
    declared: Declared
    rows: list[tuple[str, list[Cell]]]

    @property
    def headings(self) -> list[str]:
        """The headings of all columns, the rows' own first."""
        return [self.declared.over.replace("_", " "), *(column.heading for column in self.declared.columns)]

    @property
    def figures(self) -> list[bool]:
        """Whether columns hold numbers, the rows' own column first."""
        return [False, *(column.show in FIGURES for column in self.declared.columns)]


def laid_out(papers: Mapping[str, Paper], verdicts: Iterable[Verdict]) -> list[LaidOut]:
    """Fill in the tables of all papers from our own verdicts, in the papers' order."""
    ours = {verdict.number.name: verdict for verdict in verdicts if verdict.whose == "dmbench"}
    tables = []
    for stem, paper in papers.items():
        for table in paper.tables:
            rows = [
                (
                    name,
                    [_cell(column, [ours[f"{stem}/{key}"] for key in column.numbers[row]]) for column in table.columns],
                )
                for row, name in table.rows.items()
            ]
            tables.append(LaidOut(stem, table, rows))
    return tables


def _cell(column: Column, candidates: list[Verdict]) -> Cell:
    chosen = next((verdict for verdict in candidates if verdict.measured), candidates[-1])
    text, command = _said(column, chosen)
    return Cell(column.show, text, command, chosen, len(candidates) == 1 and column.show == "measured")


def _said(column: Column, chosen: Verdict) -> tuple[str, str]:
    """Return a cell's text, and the command that gets what it lacks."""
    if column.show == "printed":
        return chosen.number.printed, ""
    if column.show == "verdict":
        return chosen.kind, ""
    if not chosen.measured:
        if column.show != "measured":
            return "", ""
        if chosen.kind == NOT_MEASURED and chosen.why.startswith("dmbench "):
            return column.absent, chosen.why
        return f"{column.absent}: {chosen.why}", ""
    if column.show == "measured":
        return formats.measured(chosen), ""
    return (chosen.number.key if column.show == "number" else _noted(chosen, column.note)), ""


def _noted(verdict: Verdict, note: str) -> str:
    """Return a setting of the records, each value once; empty where none has it."""
    values = [record.settings[note] for record in verdict.records if note in record.settings]
    words = [f"{value:,}" if isinstance(value, int | float) else str(value) for value in values]
    return ", ".join(dict.fromkeys(words))
