"""The report: one HTML page that holds all verdicts, curves, pictures and machines, and needs no network.

A page's style and script stand in report_template.html; without script it is the same page, less its filters.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from dmbench.harness import report_machines, report_rows
from dmbench.harness.judging import judge_subjects, summary
from dmbench.harness.laid_out import LaidOut, laid_out
from dmbench.harness.numbers import Paper
from dmbench.harness.records import Record
from dmbench.harness.report_behind import behind
from dmbench.harness.report_curves import curves
from dmbench.harness.report_declared import declared
from dmbench.harness.report_pictures import drawn
from dmbench.harness.verdict import KINDS, Verdict

TEMPLATE = Path(__file__).with_name("report_template.html")


def report(papers: dict[str, Paper], records: list[Record], *, draw: bool = True) -> str:
    """Return the HTML page of what papers print and what the records measured.

    Args:
        papers: by stem, in the order to show them.
        records: oldest first; those of numbers that no paper has count for the machines alone.
        draw: whether to draw pictures, from artifacts that lie on this machine.
    """
    by_stem = _judged(papers, records)
    ours = [v for verdicts in by_stem.values() for v in verdicts if v.whose == "dmbench"]
    groups = report_machines.machines(records)
    places = {record.id: i for i, group in enumerate(groups, 1) for record in group}
    tables = laid_out(papers, ours)
    sections = [_section(papers[stem], found, places, draw, tables) for stem, found in by_stem.items()]
    nothing = '<p class="absent">Nothing is measured yet: dmbench run measures.</p>'
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        facts=_facts(papers, ours, records),
        summary=_bar(ours, "all numbers") + _counts(ours),
        overview="".join(_overview(papers[stem], found) for stem, found in by_stem.items()),
        filters=_filters(by_stem),
        sections="".join(sections),
        machines=report_machines.table(groups) if groups else nothing,
    )


def _judged(papers: dict[str, Paper], records: list[Record]) -> dict[str, list[Verdict]]:
    by_stem: dict[str, list[Verdict]] = {stem: [] for stem in papers}
    for verdict in judge_subjects(papers, records):
        by_stem[verdict.number.stem].append(verdict)
    return by_stem


def _facts(papers: Mapping[str, Paper], ours: Sequence[Verdict], records: list[Record]) -> str:
    text = f"{_many(len(ours), 'number')} of {_many(len(papers), 'paper')}"
    if not records:
        return f"{text}. No records yet."
    days = sorted({record.time[:10] for record in records})
    span = f"of {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    return escape(f"{text}, judged by {_many(len(records), 'record')} {span}.")


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _bar(verdicts: Sequence[Verdict], what: str) -> str:
    """Draw how many verdicts there are of each kind, as one bar of parts."""
    counts = summary(verdicts)
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    parts = "".join(
        f'<span class="{report_rows.slug(kind)}" style="flex-grow:{count}"></span>' for kind, count in counts.items()
    )
    return f'<div class="bar" role="img" aria-label="{escape(what)}: {said}">{parts}</div>'


def _counts(verdicts: Sequence[Verdict]) -> str:
    rows = "".join(f"<li><b>{count:,}</b> {report_rows.tag(kind)}</li>" for kind, count in summary(verdicts).items())
    return f'<ul class="counts">{rows}</ul>'


def _overview(paper: Paper, verdicts: Sequence[Verdict]) -> str:
    """One row a paper, and one for each implementation measured against it that is not ours."""
    rows = []
    for whose in dict.fromkeys(v.whose for v in verdicts):
        mine = [v for v in verdicts if v.whose == whose]
        name = f'<a href="#{escape(paper.stem)}">{escape(paper.stem)}</a>'
        title = escape(paper.title)
        if whose != "dmbench":
            name, title = f"{name} by", f"<code>{escape(whose)}</code>"
        rows.append(
            f'<tr role="row"><th role="rowheader" scope="row">{name}</th>'
            f'<td role="cell" class="title">{title}</td>'
            f'<td role="cell" class="share">{_bar(mine, paper.stem)}</td>'
            f'<td role="cell">{_counts(mine)}</td></tr>'
        )
    return "".join(rows)


def _filters(by_stem: Mapping[str, Sequence[Verdict]]) -> str:
    verdicts = [verdict for found in by_stem.values() for verdict in found]
    subjects = list(dict.fromkeys(v.whose for v in verdicts))
    kinds = [kind for kind in KINDS if any(v.kind == kind for v in verdicts)]
    boxes = "".join(
        f'<label><input type="checkbox" name="verdict" value="{escape(kind)}">{report_rows.tag(kind)}</label>'
        for kind in kinds
    )
    parts = [
        '<label>Find <input type="search" name="text" placeholder="any word"></label>',
        _select("Paper", "stem", list(by_stem)),
        _select("Subject", "subject", subjects),
        f"<fieldset><legend>Verdict</legend>{boxes}</fieldset>" if boxes else "",
    ]
    return "".join(parts)


def _select(label: str, name: str, values: Sequence[str]) -> str:
    options = "".join(f'<option value="{escape(v)}">{escape(v)}</option>' for v in values)
    every = '<option value="">all</option>'
    return f'<label>{label} <select name="{name}">{every}{options}</select></label>'


def _section(
    paper: Paper, verdicts: Sequence[Verdict], places: Mapping[str, int], draw: bool, tables: Sequence[LaidOut]
) -> str:
    stem = escape(paper.stem)
    parts = [
        f'<section class="stem" id="{stem}" aria-labelledby="title-{stem}">',
        f'<h2 id="title-{stem}">{stem}</h2><p class="paper">{_cited(paper)}</p>',
        *declared(paper.stem, tables),
        report_rows.table(f"Numbers of {paper.stem}", verdicts, places),
    ]
    if found := curves(verdicts, paper.curves, behind):
        parts.append(f'<div class="extra"><h3>Learning curves</h3>{"".join(found)}</div>')
    if found := drawn(paper.stem, draw):
        parts.append(f'<div class="extra"><h3>Pictures</h3>{"".join(found)}</div>')
    return "".join([*parts, "</section>"])


def _cited(paper: Paper) -> str:
    venue = f", {escape(paper.venue)}" if paper.venue else ""
    text = f"{escape(paper.authors)} ({paper.year}). <cite>{escape(paper.title)}</cite>{venue}"
    for name, key, host in (("arXiv", paper.arxiv, "arxiv.org/abs"), ("doi", paper.doi, "doi.org")):
        if key:
            text += f', <a href="https://{host}/{escape(key)}">{name}:{escape(key)}</a>'
    return f"{text}."
