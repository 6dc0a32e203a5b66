"""`from dmbench import check`: measure an implementation from one's own pytest."""

import tempfile
from pathlib import Path
from typing import Any

from dmbench.harness import discovery, formats, subjects
from dmbench.harness.errors import UsageError
from dmbench.harness.judging import judge_all
from dmbench.harness.measure import Settings
from dmbench.harness.runner import Selection, run
from dmbench.harness.verdict import NOT_A_PASS, NOT_MEASURED, Verdict


class CheckFailed(AssertionError):
    """An implementation fell short of a printed number, failed, or could not be measured at all."""


def check(
    stem: str,
    *,
    numbers: str = "*",
    tier: str = "quick",
    device: str = "cpu",
    seeds: int | None = None,
    results: Path | None = None,
    **implementations: Any,
) -> list[Verdict]:
    """Measure implementations against the numbers of a stem, by the same experiments as `dmbench run --impl`.

        def test_my_network():
            check("stem", part=MyNet)

    Args:
        stem: whose numbers.
        numbers: a shell pattern of keys.
        tier: the experiments to run.
        device: "cpu", "cuda", "cuda:1".
        seeds: for numbers that have any; None: as many as the experiment declares.
        results: folder for the records; None: they are not kept.
        implementations: by part, the object itself or its `module:attribute`; `dmbench list STEM` names the parts.

    Returns:
        The verdicts of all numbers that were measured.

    Raises:
        CheckFailed: a verdict is below, failed or inconclusive, or nothing was measured; the message lists which.
        UsageError: an unknown stem, tier, part, or pattern.
        ContractError: an implementation does not do what the contract says.
    """
    __tracebackhide__ = True  # pytest then shows the caller's line, not this one
    papers = discovery.papers()
    discovery.choose([stem], papers)
    parts = tuple(implementations)
    chosen = Selection((stem,), (tier,), (numbers,), parts).numbers(papers)
    # Checked once, and loudly, before anything is measured; an experiment takes the parts that it has.
    subjects.resolve(discovery.experiments(stem), implementations)
    if not chosen:
        raise UsageError(f"{stem} has no {tier} number that matches {numbers} and has the parts {', '.join(parts)}")
    with tempfile.TemporaryDirectory() as scratch:
        named = {part: thing for part, thing in implementations.items() if isinstance(thing, str)}
        settings = Settings(results or Path(scratch), device, named)
        done = run(chosen, settings, seeds=seeds, implementations=implementations)
    labels = {part: subjects.label(thing) for part, thing in implementations.items()}
    verdicts = judge_all(chosen, done.records, done.reasons(), labels)
    short = [v for v in verdicts if v.kind in NOT_A_PASS]
    if short:
        raise CheckFailed("\n".join(_line(verdict) for verdict in short))
    if all(verdict.kind == NOT_MEASURED for verdict in verdicts):
        raise CheckFailed("nothing could be measured:\n" + "\n".join(_line(verdict) for verdict in verdicts))
    return [verdict for verdict in verdicts if verdict.kind != NOT_MEASURED]


def _line(verdict: Verdict) -> str:
    number = verdict.number
    values = f"{number.origin} {number.printed} {number.unit}"
    if verdict.measured:
        values += f", measured {formats.measured(verdict)}"
    return f"{number.name} {verdict.kind}: {values}; {verdict.why}"


__all__ = ["CheckFailed", "check"]
