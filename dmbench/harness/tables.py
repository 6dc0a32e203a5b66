"""Tables: verdicts laid out to read.

Markdown, CSV and LaTeX depend on the records and the numbers alone, and are committed. The HTML report is not: it holds
pixels of other people's pictures.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from dmbench.harness import bench_tables, declared_tables, formats
from dmbench.harness.declared_tables import cell, escaped
from dmbench.harness.errors import RecordsError
from dmbench.harness.judging import judge_subjects, summary
from dmbench.harness.laid_out import laid_out
from dmbench.harness.numbers import Paper
from dmbench.harness.paths import PACKAGE, reference, write_whole
from dmbench.harness.records import Record
from dmbench.harness.verdict import KINDS, Verdict

BEGIN = "<!-- verdicts: written by dmbench tables -->"
END = "<!-- end of verdicts -->"


def write_tables(folder: Path, papers: dict[str, Paper], records: list[Record], *, pictures: bool) -> list[Path]:
    """Write all tables into `<folder>/tables`, and return their paths.

    Raises:
        RecordsError: the folder cannot be written.
    """
    from dmbench.harness.report import report

    contents = committed(folder, papers, records)
    target = folder / "tables"
    try:
        for path, text in contents.items():
            write_whole(path, text.encode())
        page = target / "report.html"
        write_whole(page, report(papers, records, draw=pictures).encode())
    except OSError as error:
        raise RecordsError(f"{target}: cannot be written ({error.strerror}): choose another with --results") from error
    return [*contents, page]


def check_tables(folder: Path, papers: dict[str, Paper], records: list[Record]) -> list[Path]:
    """Return the committed tables that are missing, or are not what the records give."""
    return [
        path
        for path, text in committed(folder, papers, records).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def committed(folder: Path, papers: dict[str, Paper], records: list[Record]) -> dict[Path, str]:
    """Return the text of each committed table by its path; of the checkout's own, the README's summary as well."""
    judged = judge_subjects(papers, records)
    writers: dict[str, Callable[[dict[str, Paper], list[Verdict]], str]] = {
        "verdicts.md": _markdown,
        "verdicts.csv": _csv,
        "verdicts.tex": _latex,
    }
    contents = {folder / "tables" / name: write(papers, judged) for name, write in writers.items()}
    declared = laid_out(papers, judged)
    for table in declared:
        for suffix, layout in declared_tables.WRITERS.items():
            contents[folder / "tables" / f"{table.stem}_{table.declared.key}.{suffix}"] = layout(table)
    readme = PACKAGE.parent / "README.md"
    shown = folder.resolve() == reference() and readme.exists()
    text = _with_summary(readme.read_text(encoding="utf-8"), papers, judged) if shown else ""
    text = declared_tables.inserted(text, declared)
    speed, text = bench_tables.committed(folder, text)
    return contents | speed | ({readme: text} if shown else {})


def _with_summary(text: str, papers: dict[str, Paper], verdicts: list[Verdict]) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise RecordsError(f"README.md: has no lines {BEGIN} and {END}, between which the summary goes")
    ours = [verdict for verdict in verdicts if verdict.whose == "dmbench"]
    kinds = [kind for kind in KINDS if any(verdict.kind == kind for verdict in ours)]
    lines = [f"| paper | {' | '.join(kinds)} |", "|---" + "|---:" * len(kinds) + "|"]
    for stem, paper in papers.items():
        counts = summary(verdict for verdict in ours if verdict.number.stem == stem)
        cells = [str(counts.get(kind, "")) for kind in kinds]
        first, _, others = paper.authors.partition(",")
        lines.append(f"| {stem}: {first}{' et al.' if others else ''} {paper.year} | {' | '.join(cells)} |")
    return "\n".join([before + BEGIN, "", *lines, "", END + after])


def _markdown(papers: dict[str, Paper], verdicts: list[Verdict]) -> str:
    declared = laid_out(papers, verdicts)
    lines = [
        "# What the papers print, and what is measured",
        "",
        "Written by `dmbench tables`; not to be edited.",
        "",
    ]
    for whose, stem in dict.fromkeys((v.whose, v.number.stem) for v in verdicts):
        rows = [v for v in verdicts if (v.whose, v.number.stem) == (whose, stem)]
        paper = papers[stem]
        owner = "" if whose == "dmbench" else f", by {whose}"
        counts = ", ".join(f"{count} {kind}" for kind, count in summary(rows).items())
        lines += [
            f"## {stem}{owner}",
            "",
            f"{paper.authors} ({paper.year}), *{paper.title}*{_place(paper)}. {counts}.",
            "",
        ]
        if whose == "dmbench":
            lines += [line for table in declared if table.stem == stem for line in declared_tables.lines(table)]
        lines += _rows("printed", [v for v in rows if not v.number.tracked])
        if tracked := [v for v in rows if v.number.tracked]:
            lines += ["Tracked: no paper prints these; dmbench measured them before.", "", *_rows("before", tracked)]
    return "\n".join(lines)


def _rows(heading: str, verdicts: list[Verdict]) -> list[str]:
    return [
        f"| number | {heading} | measured | difference | verdict | why, or how to get it |",
        "|---|---:|---:|---:|---|---|",
        *("| " + " | ".join(cell(text) for text in _row(v)) + " |" for v in verdicts),
        "",
    ]


def _place(paper: Paper) -> str:
    if paper.arxiv:
        return f", arXiv:{paper.arxiv}"
    return f", doi:{paper.doi}" if paper.doi else ""


def _row(v: Verdict) -> list[str]:
    printed = f"{v.number.printed} {v.number.unit}"
    return [v.number.key, printed, formats.measured(v), formats.difference(v), v.kind, v.why]


def _csv(papers: dict[str, Paper], verdicts: list[Verdict]) -> str:
    rows = [
        {
            "stem": v.number.stem,
            "number": v.number.key,
            "subject": v.whose,
            "origin": v.number.origin,
            "printed": v.number.printed.replace(",", ";") if isinstance(v.number.value, tuple) else v.number.value,
            "unit": v.number.unit,
            "atol": v.number.atol,
            "measured": ";".join(repr(part) for part in v.measured),
            "low": v.low,
            "high": v.high,
            "seeds": len(v.records),
            "verdict": v.kind,
            "why": v.why,
            "where": v.number.where,
            "setting": v.number.setting,
        }
        for v in verdicts
    ]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def _latex(papers: dict[str, Paper], verdicts: list[Verdict]) -> str:
    lines = [
        "% Written by dmbench tables; not to be edited. Needs the packages booktabs and longtable.",
        r"\begin{longtable}{llrrl}",
        r"\toprule",
        r"paper & number & printed & measured & verdict \\",
        r"\midrule",
        r"\endhead",
    ]
    for v in verdicts:
        cells = [
            v.number.stem,
            v.number.key + (" (tracked)" if v.number.tracked else ""),
            f"{v.number.printed} {v.number.unit}",
            formats.measured(v),
            v.kind,
        ]
        if v.whose != "dmbench":
            cells[0] += f" ({v.whose})"
        lines.append(" & ".join(escaped(text) for text in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


__all__ = ["check_tables", "committed", "write_tables"]
