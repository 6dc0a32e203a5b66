"""Machines of the report: records grouped by what they were measured on."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from dmbench.harness.records import Record

HARDWARE = ("cpu", "cores", "gpu")
SOFTWARE = ("os", "python", "torch", "cuda")  # with HARDWARE, what makes two records' machines alike
HEADINGS = ("machine", "hardware", "software", "other settings", "records", "measured", "commits")


def machines(records: Iterable[Record]) -> list[list[Record]]:
    """Group records by machine, in the order of their first record."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        facts = [record.environment.get(name) for name in (*HARDWARE, *SOFTWARE)]
        groups.setdefault(json.dumps(facts, default=str), []).append(record)
    return list(groups.values())


def table(groups: Sequence[Sequence[Record]]) -> str:
    """Lay out machines, a row each; its number is the place in `groups`, from 1."""
    heads = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in HEADINGS)
    rows = "".join(_row(i, group) for i, group in enumerate(groups, 1))
    return (
        '<table role="table" class="machines"><caption>Machines that the records come from</caption>'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


def _row(i: int, group: Sequence[Record]) -> str:
    first = group[0].environment
    other = sorted({key for record in group for key in record.environment} - {*HARDWARE, *SOFTWARE})
    days = sorted({record.time[:10] for record in group})
    commits = dict.fromkeys(
        f"{record.commit[:10] or 'no commit'}{' with changes' if record.dirty else ''}" for record in group
    )
    cells = (
        _facts(first, HARDWARE),
        _facts(first, SOFTWARE),
        "; ".join(f"{key} {_distinct(group, key)}" for key in other),
        f"{len(group):,}",
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
        ", ".join(commits),
    )
    data = "".join(
        f'<td role="cell" data-label="{heading}">{escape(cell)}</td>'
        for cell, heading in zip(cells, HEADINGS[1:], strict=True)
    )
    head = f'<th role="rowheader" scope="row">machine {i}</th>'
    return f'<tr role="row" id="machine-{i}">{head}{data}</tr>'


def _facts(environment: dict[str, Any], names: Sequence[str]) -> str:
    told = {"cpu": "{}", "gpu": "{}", "os": "{}", "cores": "{} cores"}
    known = [name for name in names if environment.get(name) not in (None, "")]
    return ", ".join(told.get(name, f"{name} {{}}").format(environment[name]) for name in known)


def _distinct(group: Sequence[Record], key: str) -> str:
    values = {_plain(record.environment.get(key)) for record in group}
    few = sorted(values)[:4]
    return " or ".join(few) + (" or other" if len(values) > len(few) else "")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unknown" if value is None else str(value)
