"""A comparison of times, laid out on a terminal."""

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from dmbench.harness.bench_compare import Compared
from dmbench.harness.bench_stats import CANNOT_TELL


def print_compared(found: Sequence[Compared], a: str, b: str, console: Console) -> None:
    """Print a line a case, with what could not run, then how many there are of each answer."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    width = max((len(one.case) for one in found), default=0)
    for one in found:
        say(f"{one.case:{width}}  {_described(one)}")
    counts = Counter("not run" if one.reasons else one.answer.kind for one in found)
    floors = [one.answer.floor - 1 for one in found if math.isfinite(one.answer.floor)]
    say(f"{b} against {a}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    if floors:
        say(f"noise floor, {a} against itself: {min(floors):.1%} to {max(floors):.1%}")


def _described(one: Compared) -> str:
    if one.reasons:
        return "not run: " + "; ".join(f"{side}: {reason}" for side, reason in one.reasons.items())
    if not math.isfinite(one.answer.floor):
        return f"{CANNOT_TELL}: {len(one.effects)} processes a side were timed, and three are needed: raise --budget"
    facts = f"{one.answer!s:18}  x{one.answer.ratio:.3f} [{one.answer.low:.3f}, {one.answer.high:.3f}]"
    facts += f"  floor {one.answer.floor - 1:.1%}  {len(one.effects)} processes a side"
    if one.memory is not None and one.memory != 1:
        facts += f"  peak memory x{one.memory:.3f}"
    return facts
