"""Judging many numbers at once: one pass over the records, one verdict a number and subject."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dmbench.harness.discovery import experiment_of
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.records import Record, name_subject
from dmbench.harness.verdict import FAILED, KINDS, NOT_MEASURED, Verdict, judge


def judge_all(
    numbers: Iterable[Number],
    records: Iterable[Record],
    reasons: dict[str, tuple[str, bool]] | None = None,
    whose: str | Mapping[str, str] = "dmbench",
) -> list[Verdict]:
    """Judge each number by the records of one subject, in the numbers' order.

    reasons: by `stem/key`, why a run has no record of a number (or of a seed of it), and whether that was a failure.
    whose: the subject, or by part the implementations given: a number is then judged by those that its experiment has.
    """
    by_number: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_number.setdefault((record.stem, record.number), []).append(record)
    verdicts = []
    for number in numbers:
        subject = whose if isinstance(whose, str) else _subject_of(number, whose)
        verdict = judge(number, by_number.get((number.stem, number.key), ()), subject)
        reason, failed = (reasons or {}).get(number.name, ("", False))
        if failed:  # the seeds that did not fail say nothing of the number
            verdict = replace(verdict, kind=FAILED, why=reason)
        elif reason and verdict.kind == NOT_MEASURED:
            verdict = replace(verdict, why=reason)
        verdicts.append(verdict)
    return verdicts


def _subject_of(number: Number, given: Mapping[str, str]) -> str:
    found = experiment_of(number)
    parts = {subject.name for subject in found.subjects} if found else set()
    return name_subject({part: place for part, place in given.items() if part in parts})


def judge_subjects(papers: Mapping[str, Paper], records: list[Record]) -> list[Verdict]:
    """Judge all numbers for every subject that has records; of a user's own only what was measured is told."""
    numbers = [number for paper in papers.values() for number in paper.numbers.values()]
    return [
        verdict
        for whose in subjects_of(records)
        for verdict in judge_all(numbers, records, whose=whose)
        if whose == "dmbench" or verdict.kind != NOT_MEASURED
    ]


def subjects_of(records: Iterable[Record]) -> list[str]:
    """Return whose implementations the records measured, ours first."""
    return sorted(
        {record.whose for record in records} | {"dmbench"},
        key=lambda whose: (whose != "dmbench", whose),
    )


def summary(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count verdicts by kind, in the order of `verdict.KINDS`; kinds that do not occur are left out."""
    counts = dict.fromkeys(KINDS, 0)
    for verdict in verdicts:
        counts[verdict.kind] += 1
    return {kind: count for kind, count in counts.items() if count}
