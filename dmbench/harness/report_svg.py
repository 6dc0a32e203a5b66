"""Drawings of the report, as inline SVG: a tolerance with what was measured, and a plot of lines.

Colours come from the page's style sheet by class, so that they follow its light and dark scheme.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from dmbench.harness.verdict import Verdict

REACH = 3.0  # tolerances to each side of the printed value that a tolerance's drawing shows
WIDTH, HEIGHT, MIDDLE = 128, 20, 10  # of that drawing, pixels
UNIT = (WIDTH / 2 - 4) / REACH  # pixels a tolerance
FRAME = (52, 22, 332, 172)  # of a plot: left, top, right, bottom, pixels
PLOT = (352, 208)  # width, height, pixels
KINDS = ("context", "seed", "line")  # of lines, from back to front
LABEL = 13  # pixels from one label to the next, at least


def tolerance(verdict: Verdict) -> str:
    """Draw the band printed +- atol, a tick at the printed value, the measured values and their interval.

    One tolerance is as wide in every drawing; what lies further than three off is an arrow, with
    the distance in tolerances. Empty for a number without a measurement.
    """
    number = verdict.number
    if not verdict.measured or verdict.difference is None:
        return ""
    printed = number.value if isinstance(number.value, tuple) else (number.value,)
    offsets = [a - b for a, b in zip(verdict.measured, printed, strict=True)]
    parts = []
    if number.gap is not None:
        wide = _at(number.gap, number.atol) - WIDTH / 2
        parts.append(_rectangle("gap", WIDTH / 2 - wide, 2 * wide))
    band = UNIT if number.atol > 0 else 1
    parts.append(_rectangle("band", WIDTH / 2 - band, 2 * band))
    parts.append(f'<path class="axis" d="M0 {MIDDLE}H{WIDTH}"/>')
    parts.append(f'<path class="printed" d="M{WIDTH // 2} 2V{HEIGHT - 2}"/>')
    if verdict.low is not None and verdict.high is not None and verdict.high > verdict.low:
        mean = (verdict.low + verdict.high) / 2
        ends = [_at(verdict.difference + end - mean, number.atol) for end in (verdict.low, verdict.high)]
        caps = "".join(f"M{end:.1f} {MIDDLE - 4}v8" for end in ends if 0 < end < WIDTH)
        parts.append(f'<path class="interval" d="M{ends[0]:.1f} {MIDDLE}H{ends[1]:.1f}{caps}"/>')
    parts += [_point(offset, number.atol) for offset in dict.fromkeys(offsets)]
    label = escape(_in_words(verdict.difference, number.atol, number.unit, number.origin))
    return (
        f'<svg class="tolerance" role="img" aria-label="{label}" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )


def _at(offset: float, atol: float) -> float:
    """Return the x of an offset from the printed value; an edge's, where it lies out of reach."""
    if abs(offset) > REACH * atol:
        return WIDTH if offset > 0 else 0
    return WIDTH / 2 + (UNIT * offset / atol if offset else 0)


def _rectangle(kind: str, x: float, width: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="3" width="{width:.1f}" height="{HEIGHT - 6}"/>'


def _point(offset: float, atol: float) -> str:
    x = _at(offset, atol)
    if 0 < x < WIDTH:
        return f'<circle class="point" cx="{x:.1f}" cy="{MIDDLE}" r="3.4"/>'
    inward = -1 if offset > 0 else 1
    arrow = f"M{x:.0f} {MIDDLE}l{7 * inward} -4.5v9z"
    times = f"{abs(offset) / atol:.0f}\N{MULTIPLICATION SIGN}" if atol > 0 else ""
    anchor = "end" if offset > 0 else "start"
    return (
        f'<path class="point" d="{arrow}"/><text class="far" x="{x + 10 * inward:.0f}" '
        f'y="{MIDDLE - 2}" text-anchor="{anchor}">{times}</text>'
    )


def _in_words(difference: float, atol: float, unit: str, origin: str) -> str:
    if difference == 0:
        return f"measured as {origin}"
    side = "above" if difference > 0 else "below"
    return f"measured {abs(difference):.3g} {unit} {side} the {origin} value, {atol:g} allowed"


@dataclass(frozen=True)
class Line:
    """One line of a plot, with an area from low to high around it if given.

    kind: its style: "line", "seed" (one of many, faint), or "context" (somebody else's, behind the others).
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    kind: str = "line"
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def plot(lines: Sequence[Line], levels: dict[str, float], x_label: str, y_label: str) -> str:
    """Draw lines that share axes, and named horizontal levels; every value is finite. The caller names the y axis."""
    left, top, right, bottom = FRAME
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in (*line.y, *line.low, *line.high)] + list(levels.values())
    x_ticks, y_ticks = _ticks(min(xs), max(xs), 4), _ticks(min(ys), max(ys), 5)
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys))

    def place(x: float, y: float) -> str:
        return (
            f"{left + (x - x_low) / (x_high - x_low) * (right - left):.1f} "
            f"{bottom - (y - y_low) / (y_high - y_low) * (bottom - top):.1f}"
        )

    parts = []
    for y in y_ticks:
        at = place(x_low, y).split()[1]
        text = f'<text x="{left - 6}" y="{float(at) + 3.5:.1f}" text-anchor="end">{_tick(y, y_ticks)}'
        parts.append(f'<path class="grid" d="M{left} {at}H{right}"/>{text}</text>')
    for x in (x for x in x_ticks if x_low <= x <= x_high):
        at = place(x, y_low).split()[0]
        text = f'<text x="{at}" y="{bottom + 15}" text-anchor="middle">{_tick(x, x_ticks)}</text>'
        parts.append(f'<path class="axis" d="M{at} {bottom}v4"/>{text}')
    parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    parts.append(f'<text class="name" x="{right}" y="{bottom + 31}" text-anchor="end">{escape(x_label)}</text>')
    drawn = sorted(lines, key=lambda line: KINDS.index(line.kind))
    parts += [_area(line, place) for line in drawn if len(line.low)]
    heights = {name: float(place(x_low, y).split()[1]) for name, y in levels.items()}
    parts += _levels(levels, heights, {name for name, y in levels.items() if _begins_far(lines, y)})
    parts += [_line(line, place) for line in drawn]
    said = escape(_said(lines, levels, x_label, y_label))
    return f'<svg class="plot" role="img" aria-label="{said}" viewBox="0 0 {PLOT[0]} {PLOT[1]}">{"".join(parts)}</svg>'


def _area(line: Line, place: Callable[[float, float], str]) -> str:
    there = [place(x, y) for x, y in zip(line.x, line.high, strict=True)]
    back = [place(x, y) for x, y in zip(line.x, line.low, strict=True)]
    return f'<path class="area {line.kind}" d="M{"L".join([*there, *reversed(back)])}Z"/>'


def _line(line: Line, place: Callable[[float, float], str]) -> str:
    points = [place(x, y) for x, y in zip(line.x, line.y, strict=True)]
    title = f"<title>{escape(line.name)}</title>" if line.name else ""
    x, y = points[-1].split()
    end = f'<circle class="end" cx="{x}" cy="{y}" r="2.6"/>' if line.kind == "line" else ""
    return f'<g>{title}<path class="{line.kind}" d="M{"L".join(points)}"/>{end}</g>'


def _begins_far(lines: Sequence[Line], level: float) -> bool:
    """Return whether lines begin further from a level than they end, so that its name stands better at the left."""
    main = [line for line in lines if line.kind == "line"]
    return sum(abs(line.y[0] - level) for line in main) > sum(abs(line.y[-1] - level) for line in main)


def _levels(levels: dict[str, float], heights: dict[str, float], on_the_left: set[str]) -> list[str]:
    """Draw levels, each with its name above it, or lower where another's name is in the way."""
    left, _, right, _ = FRAME
    parts, taken = [], -math.inf
    for name in sorted(levels, key=lambda name: heights[name]):
        taken = max(heights[name] - 4, taken + LABEL)
        at, anchor = (left + 4, "start") if name in on_the_left else (right, "end")
        kind = "level target" if name.startswith(("printed", "tracked")) else "level"
        parts.append(
            f'<path class="{kind}" d="M{left} {heights[name]:.1f}H{right}"/>'
            f'<text class="{kind}" x="{at}" y="{taken:.1f}" text-anchor="{anchor}">'
            f"{escape(name)} {levels[name]:.4g}</text>"
        )
    return parts


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Return round values from at or below `low` to at or above `high`, about `count` of them."""
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if span / (f * power) <= count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _tick(value: float, ticks: Sequence[float]) -> str:
    step = ticks[1] - ticks[0]
    places = next((p for p in range(8) if abs(step * 10**p - round(step * 10**p)) < 1e-6), 8)
    return f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")


def _said(lines: Sequence[Line], levels: dict[str, float], x_label: str, y_label: str) -> str:
    main = [line for line in lines if line.kind == "line"]
    first = main[0]
    text = f"{y_label} from {first.y[0]:.4g} to {first.y[-1]:.4g}, {x_label} to {first.x[-1]:,.6g}"
    if len(first.low):
        text += f", interval at the end {first.low[-1]:.4g} to {first.high[-1]:.4g}"
    if len(main) > 1:
        text += f"; the first of {len(main)} seeds"
    behind = [f"{line.name} ends at {line.y[-1]:.4g}" for line in lines if line.kind == "context"]
    return "; ".join([text, *(f"{name} {value:.4g}" for name, value in levels.items()), *behind])
