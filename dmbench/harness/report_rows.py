"""Rows of the report's verdict tables: one number each, with where it is printed and how it was measured."""

from collections.abc import Iterable, Mapping
from html import escape

from dmbench.harness import formats
from dmbench.harness.records import Record
from dmbench.harness.report_svg import tolerance
from dmbench.harness.verdict import (
    BELOW,
    BETTER,
    CHANGED,
    FAILED,
    INCONCLUSIVE,
    KNOWN_GAP,
    NOT_MEASURED,
    REPRODUCED,
    UNCHANGED,
    Verdict,
)

# Colour, word and shape each tell the verdict alone.
SHAPES = {
    REPRODUCED: "●",
    BETTER: "▲",
    UNCHANGED: "■",
    KNOWN_GAP: "◆",
    INCONCLUSIVE: "◐",
    BELOW: "▼",
    CHANGED: "≠",
    FAILED: "✕",
    NOT_MEASURED: "○",
}
JUDGED = {
    "higher": "higher is better",
    "lower": "lower is better",
    "exact": "neither higher nor lower will do",
}
HEADINGS = ("number", "printed", "measured", "difference", "in tolerances", "verdict", "why")


def table(caption: str, verdicts: Iterable[Verdict], machines: Mapping[str, int]) -> str:
    """Lay out verdicts, our own first, then a group of rows for each other subject.

    machines: by a record's id, which machine of the report it was measured on.
    """
    groups: dict[str, list[str]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.whose, []).append(_row(verdict, machines))
    heads = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in HEADINGS)
    bodies = "".join(_group(whose, rows) for whose, rows in groups.items())
    return (
        f'<table role="table" class="verdicts"><caption>{escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>{bodies}</table>'
    )


def tag(kind: str) -> str:
    """Return a verdict's word with its shape, in its colour."""
    return f'<span class="verdict {slug(kind)}"><i aria-hidden="true">{SHAPES[kind]}</i>{kind}</span>'


def slug(kind: str) -> str:
    """Return the style class of a verdict."""
    return kind.replace(" ", "-")


def _group(whose: str, rows: list[str]) -> str:
    head = ""
    if whose != "dmbench":
        head = (
            f'<tr role="row" class="whose"><th role="rowheader" scope="rowgroup" colspan="'
            f'{len(HEADINGS)}">measured instead of ours: <code>{escape(whose)}</code></th></tr>'
        )
    return f'<tbody role="rowgroup">{head}{"".join(rows)}</tbody>'


def _row(v: Verdict, machines: Mapping[str, int]) -> str:
    whose = " (tracked, printed nowhere)" if v.number.tracked else ""
    unit = f' <span class="unit">{escape(v.number.unit)}{whose}</span>'
    allowed = f'<span class="allowed">± {_plain(v.number.atol)}</span>'
    cells = (
        ("figure", f"{escape(v.number.printed)}{unit}{allowed}"),
        ("figure", escape(formats.measured(v))),
        ("figure", escape(formats.difference(v))),
        ("drawing", tolerance(v)),
        ("kind", tag(v.kind)),
        ("why" if v.why else "why bare", (f"<p>{escape(v.why)}</p>" if v.why else "") + _details(v, machines)),
    )
    data = "".join(
        f'<td role="cell" class="{kind}" data-label="{heading}">{cell}</td>'
        if cell
        else f'<td role="cell" class="{kind} empty"></td>'
        for (kind, cell), heading in zip(cells, HEADINGS[1:], strict=True)
    )
    return (
        f'<tr role="row" class="{slug(v.kind)}" data-stem="{escape(v.number.stem)}" '
        f'data-verdict="{escape(v.kind)}" data-subject="{escape(v.whose)}">'
        f'<th role="rowheader" scope="row">{breakable(v.number.key)}</th>{data}</tr>'
    )


def _plain(value: float) -> str:
    """Write a tolerance without an exponent, where it has one to ten decimals."""
    return f"{value:.10f}".rstrip("0").rstrip(".") if 1e-10 < abs(value) < 1e10 else f"{value:g}"


def breakable(key: str) -> str:
    """Return a text that may be broken after its underscores."""
    return escape(key).replace("_", "_<wbr>")


def _details(v: Verdict, machines: Mapping[str, int]) -> str:
    number = v.number
    facts = {
        "made by" if number.tracked else "where": number.where,
        "setting": number.setting,
        "tolerance": f"± {_plain(number.atol)} {number.unit}: {number.why_atol}",
        "judged": JUDGED[number.better] + (f"; {number.one_run}" if number.one_run else ""),
    }
    if number.spread is not None or number.runs is not None:
        spread = "" if number.spread is None else f"± {number.spread:g} {number.unit}"
        runs = "" if number.runs is None else f"over {number.runs} runs"
        facts["the paper's spread"] = f"{spread} {runs}".strip()
    if number.known_gap:
        facts["known gap"] = f"up to {number.gap:g} {number.unit}: {number.known_gap}"
    if v.records:
        facts |= _measured(v)
    entries = "".join(f"<dt>{escape(k)}</dt><dd>{escape(text)}</dd>" for k, text in facts.items())
    if v.records:
        on = sorted({machines[record.id] for record in v.records if record.id in machines})
        links = ", ".join(f'<a href="#machine-{i}">machine {i}</a>' for i in on)
        entries += f"<dt>on</dt><dd>{links}</dd>"
    return f"<details><summary>protocol</summary><dl>{entries}</dl></details>"


def _measured(v: Verdict) -> dict[str, str]:
    last = max(v.records, key=lambda record: record.time)
    facts = {"experiment": f"{last.experiment} ({last.tier})"}
    if len(v.records) > 1:
        seeds = ", ".join(f"{_value(record)} (seed {record.seed})" for record in v.records)
        facts["seeds"] = f"{len(v.records)}: {seeds}"
    if last.settings:
        facts["noted"] = "; ".join(f"{key}: {value}" for key, value in last.settings.items())
    if last.artifacts:
        facts["artifacts"] = ", ".join(f"{name} ({checksum})" for name, checksum in last.artifacts.items())
    peak = "" if last.peak_bytes is None else f", {formats.size(last.peak_bytes)} at most"
    of = f" ({last.peak_bytes_of})" if peak and last.peak_bytes_of else ""
    facts["cost"] = f"{formats.seconds(last.seconds)}{peak}{of}"
    changed = " with changes" if last.dirty else ""
    facts["commit"] = f"{last.commit[:10] or 'none'}{changed}, {last.time}"
    return facts


def _value(record: Record) -> str:
    parts = record.value if isinstance(record.value, list) else [record.value]
    return " ".join(f"{part:.6g}" for part in parts)
