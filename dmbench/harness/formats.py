"""How values are written: as many digits as tell, one way everywhere."""

import math

from dmbench.harness.verdict import Verdict


def decimals(verdict: Verdict) -> int:
    """Return how many decimals show a difference of the size of the tolerance, one more than printed.

    Without a tolerance they show the interval's half width to two digits.
    """
    bounds = [bound for bound in (verdict.low, verdict.high) if bound is not None]
    if all(float(part).is_integer() for part in (*verdict.measured, *_values(verdict), *bounds, verdict.number.atol)):
        return 0
    if verdict.number.atol > 0:
        return min(10, max(1, 1 - math.floor(math.log10(verdict.number.atol) + 1e-9)))
    half = half_width(verdict)
    return min(4, max(0, 1 - math.floor(math.log10(half)))) if half else 4


def measured(verdict: Verdict) -> str:
    """Return the measured value, with its confidence interval where it has one; empty if not measured."""
    if not verdict.measured:
        return ""
    places = decimals(verdict)
    text = ", ".join(f"{part:,.{places}f}" for part in verdict.measured)
    half = half_width(verdict)
    return f"{text} ± {half:,.{places}f}" if half else text


def half_width(verdict: Verdict) -> float:
    """Return half of the width of the measured value's 95 % interval; 0 where it has none.

    One run's is that of its own samples, where its record notes it as `interval`.
    """
    if verdict.low is not None and verdict.high is not None and verdict.high > verdict.low:
        return (verdict.high - verdict.low) / 2
    noted = verdict.records[0].settings.get("interval") if len(verdict.records) == 1 else None
    if isinstance(noted, list) and len(noted) == 2 and all(isinstance(end, int | float) for end in noted):
        return max(0.0, float(noted[1] - noted[0]) / 2)
    return 0.0


def difference(verdict: Verdict) -> str:
    """Return measured minus printed, signed; empty if not measured."""
    if verdict.difference is None:
        return ""
    places = decimals(verdict)
    text = f"{verdict.difference:+.{places}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else f"{0:.{places}f}"


def seconds(value: float) -> str:
    """Return a duration as 0.8 s, 42 s, 3 min 5 s or 2 h 4 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int | None) -> str:
    """Return a count of bytes as 12 B, 3.4 kB, 5.6 MB; 'size unknown' for None."""
    if count is None:
        return "size unknown"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def _values(verdict: Verdict) -> tuple[float, ...]:
    value = verdict.number.value
    return value if isinstance(value, tuple) else (value,)
