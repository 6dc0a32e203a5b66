"""Learning curves of the report: which key of a curve's points is the time, and what is drawn against it.

A key that counts updates, frames, seconds and the like, and never falls, is a clock: the first one, and one of time,
become x axes. A key that stays at one value is a level; `<key>_error` is a key's standard error and becomes a band;
each other key gets a plot of its own.
"""

import math
import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from dmbench.harness.drawing import Backdrop
from dmbench.harness.records import Record
from dmbench.harness.report_lines import ERROR, Drawn
from dmbench.harness.report_svg import plot
from dmbench.harness.verdict import Verdict

CLOCKS = "batch episode epoch example frame hour iteration minute sample second sequence step token update"
MOST_LEVELS = 4  # beside one line: the names of more lie upon each other
TIMES = ("second", "minute", "hour")
LONGEST = 400  # points a line; a longer one is thinned
STRETCH = 2.0  # a level is drawn where it lies within so many spans of the line

Points = list[dict[str, float]]
Behind = Callable[[str, str], list[Backdrop]]


def curves(
    verdicts: Iterable[Verdict], labels: Mapping[str, str] | None = None, behind: Behind = lambda stem, name: []
) -> list[str]:
    """Draw the curves of the judged records: a <figure> an experiment and subject, all seeds in it.

    labels: what the keys of the points are, and by `judged` the key that the printed value is drawn beside.
    behind: by stem and experiment, whose curves are drawn behind.
    """
    runs: dict[tuple[str, str], list[tuple[Verdict, Record]]] = {}
    for verdict in verdicts:
        for record in verdict.records:
            if points(record):
                runs.setdefault((verdict.whose, record.experiment), []).append((verdict, record))
    return [
        _figure(whose, name, found, labels or {}, behind(found[0][1].stem, name))
        for (whose, name), found in runs.items()
    ]


def points(record: Record) -> Points:
    """Return the record's curve, or nothing where it is no list of finite numbers under equal keys."""
    curve = record.curve
    if not isinstance(curve, list) or len(curve) < 2:
        return []
    keys = set(curve[0]) if isinstance(curve[0], dict) else set()
    for point in curve:
        if not isinstance(point, dict) or set(point) != keys:
            return []
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in point.values()):
            return []
    return curve[:: math.ceil(len(curve) / LONGEST)][:-1] + curve[-1:]


def _figure(
    whose: str,
    name: str,
    found: Sequence[tuple[Verdict, Record]],
    labels: Mapping[str, str],
    behind: Sequence[Backdrop],
) -> str:
    by_seed = {record.seed: points(record) for _, record in found}
    seeds = sorted(by_seed, key=lambda seed: -1 if seed is None else seed)
    runs = [by_seed[seed] for seed in seeds]
    clocks = _clocks(runs)
    errors = {f"{key}{ERROR}" for key in runs[0][0]} & set(runs[0][0])
    levels = {key: value for key, value in _constants(runs).items() if key not in errors}
    lines = [key for key in runs[0][0] if key not in clocks and key not in levels and key not in errors]
    judged = labels.get("judged", "")
    lines.sort(key=lambda key: key != judged)
    plots, drawn, shown_behind = [], Drawn(), []
    for clock in _shown(clocks):
        for key in lines if clock == clocks[0] or len(lines) < 3 else lines[:1]:
            targets = _printed(found) if key == judged else _targets(key, found, levels)
            mine = drawn.ours(runs, seeds, clock, key)
            context = [b for b in behind if (b.clock, b.key) == (clock, key)]
            theirs = [line for b in context if (line := drawn.theirs(b, max(p[clock] for run in runs for p in run)))]
            shown_behind += context if theirs else []
            shown = _near(key, runs, _own(key, lines, levels) | targets)
            x_label, y_label = (labels.get(k, _words(k)) for k in (clock, key))
            svg = plot([*theirs, *mine], shown, x_label, y_label)
            plots.append(f'<div class="panel"><p aria-hidden="true">{escape(y_label)}</p>{svg}</div>')
    numbers = ", ".join(dict.fromkeys(verdict.number.key for verdict, _ in found))
    count = f"{len(runs)} seeds" if len(runs) > 1 else "one run"
    by = "" if whose == "dmbench" else f", by {escape(whose)}"
    caption = f"<b>{escape(_words(name))}</b>{by}: {count}, measuring {escape(numbers)}"
    return (
        f'<figure class="curve"><figcaption>{caption}{drawn.key([b.label for b in shown_behind])}</figcaption>'
        f'<div class="panels">{"".join(plots)}</div></figure>'
    )


def _shown(clocks: Sequence[str]) -> list[str]:
    """Return the two clocks to draw against: the first, and the first other that tells time, if any does."""
    rest = sorted(clocks[1:], key=lambda clock: clock.rpartition("_")[2].removesuffix("s") not in TIMES)
    return [*clocks[:1], *rest[:1]]


def _printed(found: Sequence[tuple[Verdict, Record]]) -> dict[str, float]:
    """Return the values of the first number's unit, printed or tracked as it is, each under a name that tells it apart.

    Of more than MOST_LEVELS only the first number's.
    """
    numbers = {verdict.number.key: verdict.number for verdict, _ in found}
    first = next(iter(numbers.values()))
    same = [n for n in reversed(numbers.values()) if (n.unit, n.tracked) == (first.unit, first.tracked)]
    values = {n.value: n.key for n in same if not isinstance(n.value, tuple)}
    if len(values) > MOST_LEVELS:
        values = {value: key for value, key in values.items() if key == first.key}
    if len(values) < 2:
        return dict(zip([first.origin], values, strict=False))
    shared = len(os.path.commonpath(key.replace("_", "/") for key in values.values()))  # whole words at the front
    return {f"{first.origin} {_words(key[shared:].strip('_'))}": value for value, key in values.items()}


def _clocks(runs: Sequence[Points]) -> list[str]:
    """Return the keys to draw against; the first key where none counts anything known."""

    def counts(key: str) -> bool:
        word = key.rpartition("_")[2].lower()
        return word in CLOCKS.split() or word.removesuffix("s") in CLOCKS.split()

    keys = [key for key in runs[0][0] if all(key in run[0] for run in runs)]
    rising = [key for key in keys if counts(key) and all(_rises(run, key) for run in runs)]
    return rising or keys[:1]


def _rises(run: Points, key: str) -> bool:
    values = [point[key] for point in run]
    return values == sorted(values) and values[0] < values[-1]


def _constants(runs: Sequence[Points]) -> dict[str, float]:
    return {
        key: value for key, value in runs[0][0].items() if all(point.get(key) == value for run in runs for point in run)
    }


def _own(key: str, lines: Sequence[str], levels: dict[str, float]) -> dict[str, float]:
    """Return the levels that belong beside a line: none that ends in another line's last word."""
    last = {line.rpartition("_")[2] for line in lines if line != key}
    mine = key.rpartition("_")[2]
    return {
        _words(name): value
        for name, value in levels.items()
        if name.rpartition("_")[2] == mine or name.rpartition("_")[2] not in last
    }


def _targets(key: str, found: Sequence[tuple[Verdict, Record]], levels: dict[str, float]) -> dict[str, float]:
    """Return the printed or tracked values that the line leads to.

    A number is what the line leads to where its record is the line's last value, or how far that
    lies above a level.
    """
    targets = {}
    for verdict, record in found:
        printed = verdict.number.value
        if isinstance(record.value, list) or isinstance(printed, tuple):
            continue
        last = points(record)[-1].get(key, math.nan)
        for base in (0.0, *levels.values()):
            if math.isclose(record.value, last - base, rel_tol=1e-9, abs_tol=1e-9):
                targets[verdict.number.origin] = printed + base
                break
    return targets


def _near(key: str, runs: Sequence[Points], levels: dict[str, float]) -> dict[str, float]:
    values = [point[key] for run in runs for point in run]
    reach = STRETCH * (max(values) - min(values) or abs(max(values)))
    return {name: level for name, level in levels.items() if min(values) - reach <= level <= max(values) + reach}


def _words(key: str) -> str:
    return key.replace("_", " ")
