"""Lists: stems, their numbers and replaceable parts; and a verdict as plain values for machines."""

import sys
from typing import Any

from rich.console import Console

from dmbench.harness.discovery import experiment_of, experiments, peers
from dmbench.harness.numbers import Paper
from dmbench.harness.verdict import Verdict


def list_stems(papers: list[Paper], in_full: bool, console: Console) -> None:
    """Print one line a stem; in full: each number, and the parts that --impl can replace."""
    for paper in papers:
        tiers = [e.tier for n in paper.numbers.values() if (e := experiment_of(n)) and not n.unchecked]
        counts = ", ".join(f"{tiers.count(tier)} {tier}" for tier in dict.fromkeys(tiers))
        head = f"{paper.stem}: {paper.authors} ({paper.year}), {paper.title}"
        _print(console, f"{head}; {len(paper.numbers)} numbers" + (f" ({counts})" if counts else ""))
        if in_full:
            _in_full(paper, console)


def _in_full(paper: Paper, console: Console) -> None:
    width = max(map(len, paper.numbers))
    for number in paper.numbers.values():
        found = experiment_of(number)
        how = "unchecked" if number.unchecked or found is None else found.tier + (", tracked" if number.tracked else "")
        _print(
            console,
            f"  {number.key:{width}}  {how:9}  {number.printed} {number.unit} ± {number.atol:g}; {number.where}",
        )
    parts = {subject.name: subject for e in experiments(paper.stem) for subject in e.subjects}
    for subject in parts.values():
        place = f"{subject.default.__module__}:{subject.default.__qualname__}"
        _print(
            console,
            f"  --impl {subject.name}=module:attribute replaces {place}. {subject.contract}.",
        )
        for label, implementations in peers(paper.stem).items():
            if subject.name in implementations:
                at = _place(f"dmbench.peers.{paper.stem}", implementations[subject.name])
                _print(console, f"    {label}: --impl {subject.name}={at}")


def _place(module: str, implementation: Any) -> str:
    name = next(name for name, value in vars(sys.modules[module]).items() if value is implementation)
    return f"{module}:{name}"


def numbers_of(paper: Paper) -> list[dict[str, Any]]:
    """Return one row a number, as plain values."""
    rows = []
    for number in paper.numbers.values():
        found = None if number.unchecked else experiment_of(number)
        row = {k: v for k, v in vars(number).items() if v is not None}
        rows.append(row | {"tier": found.tier if found else None, "experiment": found.name if found else None})
    return rows


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values."""
    number = verdict.number
    return {
        "stem": number.stem,
        "number": number.key,
        "verdict": verdict.kind,
        "why": verdict.why,
        "printed": number.value,
        "tracked": number.tracked,
        "unit": number.unit,
        "atol": number.atol,
        "measured": list(verdict.measured) if isinstance(number.value, tuple) else next(iter(verdict.measured), None),
        "low": verdict.low,
        "high": verdict.high,
        "difference": verdict.difference,
        "subject": verdict.whose,
        "seeds": len(verdict.records),
    }


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
