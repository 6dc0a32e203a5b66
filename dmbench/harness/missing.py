"""What no record measures, and why: the written reason, or what this machine lacks for it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rich.console import Console

from dmbench.harness.artifacts import Store
from dmbench.harness.discovery import experiment_of
from dmbench.harness.judging import judge_all
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.records import Record
from dmbench.harness.verdict import NOT_MEASURED, how_to_measure

FULL = "full tier: hours of a GPU, or days of a CPU"
NO_REASON = "no reason is written: nothing here stands in its way"


class Missing(NamedTuple):
    """A number that no record measures. command: what gets it; empty where nothing does."""

    number: Number
    reason: str
    command: str = ""


def missing(papers: Mapping[str, Paper], records: Iterable[Record]) -> list[Missing]:
    """Return what is not measured, in the papers' order."""
    store = Store.from_environment()
    numbers = [number for paper in papers.values() for number in paper.numbers.values()]
    lacking = [v.number for v in judge_all(numbers, records) if v.kind == NOT_MEASURED]
    return [_of(number, store) for number in lacking]


def _of(number: Number, store: Store) -> Missing:
    found = experiment_of(number)
    if number.unchecked or found is None:
        return Missing(number, number.unchecked or NO_REASON)
    absent = [name for name in found.artifacts if len(store.local(name)) < len(store.artifact(name).files)]
    reasons = [f"needs {', '.join(absent)}, not on this machine"] if absent else []
    reasons += found.unset
    reasons += ["needs a GPU"] if found.gpu else []
    reasons += [FULL] if found.tier == "full" else []
    return Missing(number, "; ".join(reasons) or NO_REASON, how_to_measure(number))


def print_missing(rows: Iterable[Missing], console: Console) -> None:
    """Print what is missing: a stem and reason once, with its numbers, and the command where there is one."""
    groups: dict[tuple[str, str], list[Missing]] = {}
    for row in rows:
        groups.setdefault((row.number.stem, row.reason), []).append(row)
    for (stem, reason), found in groups.items():
        _print(console, f"{stem}: {reason}")
        _print(console, f"  {', '.join(row.number.key for row in found)}")
        if found[0].command:
            _print(console, f"  {found[0].command}{' and so on' if len(found) > 1 else ''}")


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
