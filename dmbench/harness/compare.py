"""Comparing two sets of records: what moved between two commits or two results folders, and whether it matters."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from dmbench.harness.errors import UsageError
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.paths import shown
from dmbench.harness.records import Problem, Record, read
from dmbench.harness.seeds import improvement
from dmbench.harness.verdict import NOT_MEASURED, Verdict, judge

ALIKE = ("cpu", "gpu", "torch", "python", "device", "cuda", "cudnn", "tf32", "threads")


@dataclass(frozen=True)
class Side:
    """One set of records, what a user calls it, the lines that could not be used, and whose implementation it is of."""

    name: str
    records: tuple[Record, ...]
    problems: tuple[Problem, ...] = ()
    whose: str = "dmbench"


@dataclass(frozen=True)
class Row:
    """One number on both sides; moved: b minus a, None where a side lacks it."""

    number: Number
    a: Verdict
    b: Verdict

    @property
    def moved(self) -> float | None:
        if not self.a.measured or not self.b.measured or len(self.a.measured) != len(self.b.measured):
            return None
        return max((b - a for a, b in zip(self.a.measured, self.b.measured, strict=True)), key=abs)

    @property
    def improvement(self) -> tuple[float, float, float] | None:
        """How likely a seed of b is better than one of a, and its 95 % interval; None without two seeds of both."""
        sides = [[r.value for r in v.records if r.seed is not None] for v in (self.a, self.b)]
        a, b = ([float(value) for value in side if not isinstance(value, list)] for side in sides)
        if self.number.better == "exact" or min(len(a), len(b)) < 2:
            return None
        sign = 1 if self.number.better == "higher" else -1
        return improvement([sign * value for value in b], [sign * value for value in a])

    @property
    def outside(self) -> bool:
        """Whether it moved by more than the number's tolerance."""
        return self.moved is not None and abs(self.moved) > self.number.atol

    @property
    def worse(self) -> bool:
        """Whether it moved by more than its tolerance, and away from the good side."""
        if self.moved is None or not self.outside:
            return False
        if self.number.better == "exact":
            return True
        return self.moved < 0 if self.number.better == "higher" else self.moved > 0


@dataclass(frozen=True)
class Comparison:
    """All numbers that either side has, and how the environments differ."""

    a: Side
    b: Side
    found: list[Row]
    unlike: dict[str, tuple[str, str]]

    def exit_code(self) -> int:
        """0: nothing got worse; 1: something did, or b lacks a number that a has; 3: no number is on both sides."""
        if not any(row.moved is not None for row in self.found):
            return 3
        return 1 if any(row.worse or (row.a.measured and not row.b.measured) for row in self.found) else 0

    def rows(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {
            "a": self.a.name,
            "b": self.b.name,
            "unlike": self.unlike,
            "numbers": [
                {
                    "number": row.number.name,
                    "a": list(row.a.measured),
                    "b": list(row.b.measured),
                    "moved": row.moved,
                    "outside": row.outside,
                    "worse": row.worse,
                    "b_is_better": row.improvement,
                    "verdicts": [row.a.kind, row.b.kind],
                }
                for row in self.found
            ],
        }


def side(word: str, results: Path) -> Side:
    """Return the records of a results folder, or among the records of `results` those of an implementation or a commit.

    An implementation is `dmbench`, ours, or `part=module:attribute`. What was measured with uncommitted changes is not
    the commit's.

    Raises:
        UsageError: it is no folder with records, and no record is of such an implementation or commit.
    """
    folder = Path(word)
    if (folder / "measured").is_dir():
        records, problems = read(folder)
        return Side(word, tuple(records), tuple(problems))
    commit = _full_hash(word)
    records, problems = read(results)
    if mine := tuple(r for r in records if r.whose == word):
        return Side(word, mine, tuple(problems), word)
    found = tuple(r for r in records if len(commit) >= 4 and r.commit.startswith(commit) and not r.dirty)
    if not found:
        known = sorted({r.commit[:10] for r in records if r.commit and not r.dirty})
        hint = f"; {shown(results)} has records of {', '.join(known)}" if known else ""
        others = "".join(f", {name}" for name in sorted({r.whose for r in records} - {"dmbench"}))
        hint += f"; and of the implementations dmbench{others}" if others else ""
        raise UsageError(f"{word} is neither a results folder nor a commit or implementation that has records{hint}")
    return Side(word, found, tuple(problems))


def _full_hash(word: str) -> str:
    import subprocess

    from dmbench.harness.paths import checkout

    if (root := checkout()) is None:
        return word
    command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{word}^{{commit}}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return word


def compare_records(papers: dict[str, Paper], a: Side, b: Side) -> Comparison:
    """Judge every number on both sides; of two implementations those that both were measured for."""
    if a.whose != b.whose:
        a, b = _common(a, b)
    rows = []
    for paper in papers.values():
        for number in paper.numbers.values():
            row = Row(number, judge(number, a.records, a.whose), judge(number, b.records, b.whose))
            if {row.a.kind, row.b.kind} != {NOT_MEASURED}:
                rows.append(row)
    return Comparison(a, b, rows, _unlike(a.records, b.records))


def _common(a: Side, b: Side) -> tuple[Side, Side]:
    both = {(r.stem, r.number) for r in a.records} & {(r.stem, r.number) for r in b.records}
    first, second = (tuple(r for r in side.records if (r.stem, r.number) in both) for side in (a, b))
    return replace(a, records=first), replace(b, records=second)


def _unlike(a: tuple[Record, ...], b: tuple[Record, ...]) -> dict[str, tuple[str, str]]:
    def facts(records: tuple[Record, ...], name: str) -> str:
        return ", ".join(sorted({str(record.environment.get(name, "none")) for record in records}))

    both = {name: (facts(a, name), facts(b, name)) for name in ALIKE}
    return {name: (left, right) for name, (left, right) in both.items() if left != right}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print what moved, then what is on one side only, then how the environments differ."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    both = [row for row in comparison.found if row.moved is not None]
    width = max((len(row.number.name) for row in both), default=0)
    for row in both:
        if row.moved:
            size = "outside" if row.outside else "inside"
            verdicts = row.b.kind if row.a.kind == row.b.kind else f"{row.a.kind} -> {row.b.kind}"
            say(
                f"{row.number.name:{width}}  {row.a.measured[0]:.6g} -> {row.b.measured[0]:.6g}  {row.moved:+.3g} "
                f"{row.number.unit}, {size} its tolerance of {row.number.atol:g}  {verdicts}"
            )
        if row.improvement:
            chance, low, high = row.improvement
            seeds = f"{len(row.a.records)} and {len(row.b.records)} seeds"
            better = f"a seed of {comparison.b.name} is better than one of {comparison.a.name}"
            say(f"{row.number.name:{width}}  {better} with probability {chance:.2f} [{low:.2f}, {high:.2f}], {seeds}")
    still = sum(1 for row in both if not row.moved)
    say(f"{len(both)} numbers on both sides: {len(both) - still} moved, {still} did not")
    for name, one in ((comparison.a.name, "a"), (comparison.b.name, "b")):
        alone = [r for r in comparison.found if r.moved is None and getattr(r, one).measured]
        if alone:
            say(f"only in {name}: {', '.join(row.number.name for row in alone)}")
    for name, (left, right) in comparison.unlike.items():
        say(f"unlike environments: {name}: {left} | {right}")
