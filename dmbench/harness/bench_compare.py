"""Comparing the times of two sides: generations of fresh processes, rounds in turn, until each case is decided.

It knows nothing of processes: `start` gives it a side to ask, so that it is tested on noise that is made up.
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dmbench.harness.bench_stats import CANNOT_TELL, LEAST_GENERATIONS, SLOWER, UNKNOWN, Answer, answer
from dmbench.harness.errors import DmbenchError

A, B, AGAIN = "A", "B", "A'"
ORDERS = tuple(itertools.permutations((A, B, AGAIN)))
MOST_GENERATIONS = 10
ROUNDS = len(ORDERS)  # each order once
LONG = 0.1  # seconds; a case that takes longer is timed in half the rounds
SAMPLE = 0.01  # seconds, of a sample


class LostSide(DmbenchError):
    """A side that was to measure is gone."""


class Measuring(Protocol):
    """What `start` returns, as bench_sides.Side; each of these may raise LostSide."""

    def prepare(self, case: str, weigh: bool) -> tuple[str, int | None]: ...

    def sample(self, number: int) -> float: ...

    def close(self) -> None: ...


@dataclass
class Compared:
    """What is known of one case. reasons: by side, why it cannot run. peaks: peak bytes by side."""

    case: str
    effects: list[float] = field(default_factory=list)
    nulls: list[float] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    answer: Answer = UNKNOWN

    @property
    def decided(self) -> bool:
        return bool(self.reasons) or self.answer.kind != CANNOT_TELL

    @property
    def memory(self) -> float | None:
        """Peak bytes of B over those of A."""
        return self.peaks[B] / self.peaks[A] if self.peaks.get(A) and B in self.peaks else None


def compare(
    cases: Sequence[str],
    start: Callable[[str], Measuring],
    *,
    within: float = 0.05,
    budget: float = 600.0,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Compared]:
    """Compare all cases; those still open when the budget is spent, or at an interruption, stay `cannot tell`.

    Args:
        cases: their names.
        start: makes a side, "A", "B" or "A'", ready to measure; each is made anew in every generation.
        within: the largest difference that is called the same.
        budget: seconds, after which no case is begun.
        clock: tells the seconds.
        tell: is given a line after each generation.
    """
    found = {case: Compared(case) for case in cases}
    chances = len(cases) * (MOST_GENERATIONS - LEAST_GENERATIONS + 1)
    end = clock() + budget
    for generation in range(MOST_GENERATIONS):
        left = [one for one in found.values() if not one.decided]
        if not left or clock() > end:
            break
        first = generation * 7 % len(left)  # so that a spent budget does not always leave the same ones out
        sides: dict[str, Measuring] = {}
        try:
            for name in ORDERS[generation % len(ORDERS)]:
                sides[name] = start(name)
            for one in left[first:] + left[:first]:
                if clock() > end:
                    break
                if not _measure(one, sides):
                    break
                one.answer = answer(one.effects, one.nulls, within=within, chances=chances)
        except KeyboardInterrupt:
            tell("interrupted: what was found until then follows")
            break
        finally:
            for side in sides.values():
                side.close()
        tell(f"{generation + 1} processes a side: {sum(one.decided for one in found.values())} of {len(found)} decided")
    return list(found.values())


def _measure(one: Compared, sides: dict[str, Measuring]) -> bool:
    """Measure a case once; return whether all sides have survived it."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    name = ""
    try:
        for name, side in sides.items():
            reason, peak = side.prepare(one.case, name != AGAIN and name not in one.peaks)
            if reason:
                one.reasons[name] = reason
            if peak is not None:
                one.peaks[name] = peak
        if one.reasons:
            return True
        once = 0.0
        for name in sides:
            once = max(once, sides[name].sample(1))
        number = max(1, min(1000, math.ceil(SAMPLE / max(once, 1e-7))))
        for name in itertools.chain(*ORDERS[:: 2 if once > LONG else 1]):
            samples[name].append(sides[name].sample(number))
    except LostSide as error:
        one.reasons[name] = f"its process ended: {error}"
        return False
    a, b, again = ([math.log(max(sample, 1e-12)) for sample in samples[name]] for name in (A, B, AGAIN))
    one.effects.append(statistics.median(y - (x + z) / 2 for x, y, z in zip(a, b, again, strict=True)))
    one.nulls.append(statistics.median(z - x for x, z in zip(a, again, strict=True)))
    return True


def exit_code(found: Sequence[Compared]) -> int:
    """0: nothing is slower; 1: something is; 3: not one case could be told."""
    if any(one.answer.kind == SLOWER for one in found):
        return 1
    return 0 if any(one.answer.kind != CANNOT_TELL for one in found) else 3
