"""Declared tables of the report: as the paper's file lays them out, measured cells with their verdict."""

from collections.abc import Iterable
from html import escape

from dmbench.harness.laid_out import Cell, LaidOut
from dmbench.harness.report_rows import SHAPES, breakable, slug


def declared(stem: str, tables: Iterable[LaidOut]) -> list[str]:
    """Return the declared tables of a stem, each with its title and note."""
    return [_section(table) for table in tables if table.stem == stem]


def _section(table: LaidOut) -> str:
    heads = "".join(
        f'<th role="columnheader" scope="col"{_set(figure)}>{escape(heading)}</th>'
        for heading, figure in zip(table.headings, table.figures, strict=True)
    )
    rows = "".join(_row(table, name, cells) for name, cells in table.rows)
    title = escape(table.declared.title)
    note = f'<p class="note">{_with_code(table.declared.note)}</p>' if table.declared.note else ""
    return (
        f'<div class="extra"><h3>{title}</h3><div class="scroll" tabindex="0" role="group" aria-label="{title}">'
        f'<table role="table" class="declared"><caption>{title}</caption><thead role="rowgroup"><tr role="row">'
        f'{heads}</tr></thead><tbody role="rowgroup">{rows}</tbody></table></div>{note}</div>'
    )


def _row(table: LaidOut, name: str, cells: list[Cell]) -> str:
    parts = [
        f'<td role="cell"{_set(c.figure)} data-label="{escape(heading)}">{_whole(c)}</td>'
        for c, heading in zip(cells, table.headings[1:], strict=True)
    ]
    return f'<tr role="row"><th role="rowheader" scope="row">{escape(name)}</th>{"".join(parts)}</tr>'


def _whole(c: Cell) -> str:
    """Return a cell's content as one element, which stands beside its label where the page is narrow."""
    return f"<span>{_cell(c)}</span>" if c.text else ""


def _cell(c: Cell) -> str:
    if c.command:
        return f'<span class="lacking">{escape(c.text)}:</span> <code>{_command(c.command)}</code>'
    if not c.marked or not c.figure or c.verdict is None:
        return breakable(c.text)
    mark = f'<i aria-hidden="true">{SHAPES[c.verdict.kind]}</i><span class="unseen"> {escape(c.verdict.kind)}</span>'
    return (
        f'{escape(c.text)} <span class="verdict {slug(c.verdict.kind)}" title="{escape(c.verdict.kind)}">{mark}</span>'
    )


def _command(text: str) -> str:
    """Return a command that is broken between its words and after underscores, but not after an option's hyphens."""
    words = [breakable(word) for word in text.split(" ")]
    return " ".join(f'<span class="option">{word}</span>' if word.startswith("--") else word for word in words)


def _with_code(text: str) -> str:
    """Return a text whose words between backticks are set as code."""
    parts = text.split("`")
    return "".join(f"<code>{escape(part)}</code>" if i % 2 else escape(part) for i, part in enumerate(parts))


def _set(figure: bool) -> str:
    return ' class="figure"' if figure else ""
