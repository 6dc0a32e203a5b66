"""Verdicts: what records say about a number. Computed, never stored.

Deterministic numbers are compared as they are. Numbers with seeds are judged by the 95 % confidence interval of their
mean (Student's t) against the printed value +- atol; where that interval leaves it open, so does the verdict.
A tracked value is judged in the same way, and is *unchanged* or *changed*: no paper is reproduced by it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from dmbench.harness.discovery import experiment_of
from dmbench.harness.numbers import Number
from dmbench.harness.records import Record

REPRODUCED = "reproduced"
BETTER = "better"
UNCHANGED = "unchanged"
KNOWN_GAP = "known gap"
INCONCLUSIVE = "inconclusive"
BELOW = "below"
CHANGED = "changed"
FAILED = "failed"
NOT_MEASURED = "not measured"
KINDS = (REPRODUCED, BETTER, UNCHANGED, KNOWN_GAP, INCONCLUSIVE, BELOW, CHANGED, FAILED, NOT_MEASURED)
NOT_A_PASS = (INCONCLUSIVE, BELOW, CHANGED, FAILED)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Verdict:
    """What is known of one number.

    measured: the mean over seeds. low, high: its confidence interval, equal to it for a deterministic number.
    difference: measured minus printed (the largest one of a list). why: the reason, or how to get there.
    """

    number: Number
    kind: str
    why: str = ""
    measured: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    records: tuple[Record, ...] = ()
    whose: str = "dmbench"


def judge(number: Number, records: Iterable[Record], whose: str = "dmbench") -> Verdict:
    """Judge a number from its newest records by the subject called `whose`."""
    chosen = newest(number, records, whose)
    if not chosen:
        return Verdict(number, NOT_MEASURED, how_to_measure(number), whose=whose)
    values = [_floats(record.value) for record in chosen]
    lengths = {len(value) for value in values} | {len(_floats(number.value))}
    if len(lengths) > 1:
        counts = " and ".join(str(length) for length in sorted(lengths))
        return Verdict(
            number, FAILED, f"printed and measured differ in how many values they are: {counts}", whose=whose
        )
    samples = np.array(values)
    printed = np.array(_floats(number.value))
    mean = samples.mean(axis=0)
    low, high = _interval(samples, number, deterministic=chosen[0].seed is None)
    worst = int(np.argmax(np.abs(mean - printed)))
    found = Verdict(
        number,
        INCONCLUSIVE,
        measured=tuple(mean.tolist()),
        low=None if low is None else float(low[worst]),
        high=None if high is None else float(high[worst]),
        difference=float(mean[worst] - printed[worst]),
        records=tuple(chosen),
        whose=whose,
    )
    if low is None or high is None:
        return _as(found, INCONCLUSIVE, "one seed: run it with --seeds 5 or more")
    kind = _compare(low, high, printed, number)
    if number.tracked and kind != INCONCLUSIVE:
        moved = f"it was {number.printed} when it was last accepted: find out why, or accept it in its file"
        return _as(found, UNCHANGED, "") if kind == REPRODUCED else _as(found, CHANGED, moved)
    if kind == BELOW and number.known_gap and number.gap is not None:
        short = np.maximum(np.abs(mean - printed) - number.atol, 0).max()
        if (np.abs(mean - printed) <= number.gap + _slack(printed)).all():
            return _as(found, KNOWN_GAP, number.known_gap)
        return _as(
            found,
            BELOW,
            f"{short:.3g} {number.unit} beyond the tolerance: more than the known gap explains",
        )
    if kind == INCONCLUSIVE:
        return _as(found, kind, f"{len(chosen)} seeds leave it open: run more")
    if kind == BELOW:
        short = np.abs(mean - printed).max()
        return _as(
            found,
            kind,
            f"{short:.3g} {number.unit} from the printed value, {number.atol:g} allowed",
        )
    return _as(found, kind, number.unseen or "")


def newest(number: Number, records: Iterable[Record], whose: str = "dmbench") -> list[Record]:
    """Return the newest record of each seed, among those that share the newest record's protocol."""
    mine = [r for r in records if r.number == number.key and r.stem == number.stem and r.whose == whose]
    if not mine:
        return []
    last = max(mine, key=lambda record: record.time)
    by_seed = {r.seed: r for r in sorted(mine, key=lambda r: r.time) if r.protocol == last.protocol}
    return [by_seed[seed] for seed in sorted(by_seed, key=lambda s: -1 if s is None else s)]


def how_to_measure(number: Number) -> str:
    """Say why a number has no measurement, and the command that gets one."""
    if number.unchecked:
        return number.unchecked
    found = experiment_of(number)
    if found is None:
        return "no experiment measures it yet"
    fetch = f"dmbench data fetch {' '.join(found.artifacts)} && " if found.artifacts else ""
    device = " --device cuda" if found.gpu else ""
    first = "".join(f"set {name} to {what}; then " for name, what in found.needs.items())
    return f"{first}{fetch}dmbench run {number.stem} --number {number.key}{device}"


def _floats(value: float | Sequence[float]) -> list[float]:
    return [float(part) for part in value] if isinstance(value, Sequence) else [float(value)]


def _interval(samples: np.ndarray, number: Number, deterministic: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    mean = samples.mean(axis=0)
    if deterministic or (len(samples) == 1 and number.one_run):
        return mean, mean
    if len(samples) == 1:
        return None, None
    error = stats.sem(samples, axis=0) * stats.t.ppf((1 + CONFIDENCE) / 2, len(samples) - 1)
    return mean - error, mean + error


def _compare(low: np.ndarray, high: np.ndarray, printed: np.ndarray, number: Number) -> str:
    slack = _slack(printed)
    bottom, top = printed - number.atol - slack, printed + number.atol + slack
    if (low >= bottom).all() and (high <= top).all():
        return REPRODUCED
    if number.better == "exact":
        return BELOW if (high < bottom).any() or (low > top).any() else INCONCLUSIVE
    if number.better == "lower":
        low, high, bottom, top = -high, -low, -top, -bottom
    if (high < bottom).any():
        return BELOW
    if (low >= bottom).all():
        # Where the interval reaches past the tolerance on the good side, it is at least as good as printed.
        return BETTER if (low > top).any() else REPRODUCED
    return INCONCLUSIVE


def _slack(printed: np.ndarray) -> np.ndarray:
    """The rounding error that the subtraction of decimal fractions carries, far below any tolerance."""
    slack: np.ndarray = 1e-12 * np.maximum(np.abs(printed), 1)
    return slack


def _as(verdict: Verdict, kind: str, why: str) -> Verdict:
    return replace(verdict, kind=kind, why=why)
