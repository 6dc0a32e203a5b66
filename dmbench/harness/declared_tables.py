"""Declared tables as text: Markdown, CSV, LaTeX, and between a pair of lines of the README."""

import csv
import io
import re
from collections.abc import Callable, Iterable

from dmbench.harness import formats
from dmbench.harness.errors import RecordsError
from dmbench.harness.laid_out import Cell, LaidOut

BEGIN = re.compile(r"<!-- table (\S+): written by dmbench tables -->\n")
END = "<!-- end of table -->"


def lines(table: LaidOut) -> list[str]:
    """Return a table as lines of Markdown, with its title above and its note below."""
    shown = [
        f"### {table.declared.title}",
        "",
        f"| {' | '.join(cell(heading) for heading in table.headings)} |",
        f"|{'|'.join('---:' if figure else '---' for figure in table.figures)}|",
        *(f"| {cell(name)} | {' | '.join(_markdown(c) for c in cells)} |" for name, cells in table.rows),
        "",
    ]
    return [*shown, table.declared.note, ""] if table.declared.note else shown


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table may hold it."""
    return text.replace("|", "\\|").replace("\n", " ")


def escaped(text: str) -> str:
    """Return a text as LaTeX prints it."""
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text.replace("±", r"$\pm$").replace("\N{MINUS SIGN}", r"$-$").replace("~", r"\textasciitilde{}")


def inserted(text: str, tables: Iterable[LaidOut]) -> str:
    """Return a text with the tables that its lines `<!-- table <stem>/<key>: ... -->` name.

    Raises:
        RecordsError: such a line names no table, or has no line that ends it.
    """
    known = {f"{table.stem}/{table.declared.key}": table for table in tables}
    done, rest = "", text
    while found := BEGIN.search(rest):
        _, end, after = rest[found.end() :].partition(END)
        if found[1] not in known or not end:
            raise RecordsError(f"README.md: {found[0].strip()}: names no table, or is not followed by {END}")
        done += rest[: found.end()] + "\n" + "\n".join(lines(known[found[1]])[2:]) + "\n" + END
        rest = after
    return done + rest


def _markdown(c: Cell) -> str:
    return f"{cell(c.text)}: `{c.command}`" if c.command else cell(c.text)


def _whole(table: LaidOut) -> str:
    shown = [
        f"<!-- Written by dmbench tables; not to be edited. -->\n\n#{lines(table)[0].lstrip('#')}",
        *lines(table)[1:],
    ]
    return "\n".join(shown)


def _csv(table: LaidOut) -> str:
    """A measured column is three: the value and the ends of its 95 % interval, empty where there is none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    measured = [column.show == "measured" for column in table.declared.columns]
    heads = [table.headings[0]]
    for heading, three in zip(table.headings[1:], measured, strict=True):
        heads += [heading, f"{heading}, low", f"{heading}, high"] if three else [heading]
    writer.writerow(heads)
    for name, cells in table.rows:
        row: list[object] = [name]
        for c, three in zip(cells, measured, strict=True):
            row += _ends(c) if three else [c.text.replace(",", "") if c.figure else c.text]
        writer.writerow(row)
    return stream.getvalue()


def _ends(c: Cell) -> list[object]:
    verdict = c.verdict
    if verdict is None or not verdict.measured:
        return [str(c), "", ""]
    if len(verdict.measured) > 1:
        return [";".join(map(repr, verdict.measured)), "", ""]
    value, half = verdict.measured[0], formats.half_width(verdict)
    return [value, value - half, value + half] if half else [value, "", ""]


def _latex(table: LaidOut) -> str:
    columns = "".join("r" if figure else "l" for figure in table.figures)
    body = [
        " & ".join([escaped(name), *(_in_latex(c) for c in cells)]) + r" \\"  # one line a row
        for name, cells in table.rows
    ]
    return "\n".join(
        [
            f"% {table.declared.title}. Written by dmbench tables; not to be edited. Needs the package booktabs.",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(escaped(heading) for heading in table.headings) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _in_latex(c: Cell) -> str:
    return rf"{escaped(c.text)}: \texttt{{{escaped(c.command)}}}" if c.command else escaped(c.text)


WRITERS: dict[str, Callable[[LaidOut], str]] = {"md": _whole, "csv": _csv, "tex": _latex}
