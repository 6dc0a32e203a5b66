"""Judging many numbers at once: one pass over the records, one verdict a number and subject."""

from collections.abc import Iterable

from dmbench.harness.numbers import Number
from dmbench.harness.records import Record
from dmbench.harness.verdict import FAILED, NOT_MEASURED, Verdict, judge


def judge_all(
    numbers: Iterable[Number],
    records: Iterable[Record],
    reasons: dict[str, tuple[str, bool]] | None = None,
    whose: str = "dmbench",
) -> list[Verdict]:
    """Judge each number by the records of one subject, in the numbers' order.

    reasons: by `stem/key`, why a run has no record of a number, and whether that was a failure; it stands in
    place of the way to measure it.
    """
    by_number: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.whose == whose:
            by_number.setdefault((record.stem, record.number), []).append(record)
    verdicts = []
    for number in numbers:
        verdict = judge(number, by_number.get((number.stem, number.key), ()), whose)
        reason, failed = (reasons or {}).get(number.name, ("", False))
        if reason and verdict.kind == NOT_MEASURED:
            verdict = Verdict(number, FAILED if failed else NOT_MEASURED, reason, whose=whose)
        verdicts.append(verdict)
    return verdicts


def subjects_of(records: Iterable[Record]) -> list[str]:
    """Return whose implementations the records measured, ours first."""
    return sorted(
        {record.whose for record in records} | {"dmbench"},
        key=lambda whose: (whose != "dmbench", whose),
    )


def summary(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count verdicts by kind, in the order of `verdict.KINDS`; kinds that do not occur are left out."""
    from dmbench.harness.verdict import KINDS

    counts = dict.fromkeys(KINDS, 0)
    for verdict in verdicts:
        counts[verdict.kind] += 1
    return {kind: count for kind, count in counts.items() if count}
