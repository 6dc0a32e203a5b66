"""Lines of a learning curve's plot: a run with its error, or several seeds as one line with a band; and their key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from dmbench.harness.drawing import Backdrop
from dmbench.harness.report_svg import Line
from dmbench.harness.seeds import band

ERROR = "_error"  # after a key: its standard error
WIDE = 1.96  # standard errors to each side: 95 % of a normal distribution

SEEDS = "a seed"
MEAN = "interquartile mean of the seeds, with its 95 % bootstrap interval"
INTERVAL = "95 % interval of each point: 1.96 standard errors of its evaluation to each side"


@dataclass
class Drawn:
    """Makes lines, and remembers which kinds a figure has, for its key."""

    meanings: dict[str, str] = field(default_factory=dict)  # by the style of its sample

    def ours(self, runs: Sequence[list[dict[str, float]]], seeds: Sequence[int | None], x: str, y: str) -> list[Line]:
        """Return the lines of one key's runs over a clock; seeds at the same points are summed up in one."""
        at = [[point[x] for point in run] for run in runs]
        values = [[point[y] for point in run] for run in runs]
        names = ["" if seed is None else f"seed {seed}" for seed in seeds]
        if len(runs) > 1 and all(points == at[0] for points in at):
            found = band(values)
            self.meanings |= {"line": MEAN, "seed": SEEDS}
            thin = [Line(at[0], run, name, "seed") for run, name in zip(values, names, strict=True)]
            whole = f"interquartile mean of {len(runs)} seeds"
            return [*thin, Line(at[0], found.value.tolist(), whole, "line", found.low.tolist(), found.high.tolist())]
        lines = []
        for run, points, value, name in zip(runs, at, values, names, strict=True):
            low: list[float] = []
            high: list[float] = []
            if len(runs) == 1 and y + ERROR in run[0]:
                self.meanings["line"] = INTERVAL
                low, high = ([p[y] + side * WIDE * p[y + ERROR] for p in run] for side in (-1, 1))
            lines.append(Line(points, value, name, "line", low, high))
        return lines

    def theirs(self, backdrop: Backdrop, until: float) -> Line | None:
        """Return somebody else's runs as one line, as far as ours go; None where they have no two points there."""
        count = sum(x <= until for x in backdrop.x)
        if count < 2:
            return None
        found = band([run[:count] for run in backdrop.runs])
        return Line(
            backdrop.x[:count], found.value.tolist(), backdrop.label, "context", found.low.tolist(), found.high.tolist()
        )

    def key(self, behind: Sequence[str]) -> str:
        """Return the figure's key: a sample of each style that needs words."""
        words = [*self.meanings.items(), *(("context", label) for label in dict.fromkeys(behind))]
        samples = "".join(f"<span>{_sample(kind)} {escape(text)}</span>" for kind, text in words)
        return f'<span class="key">{samples}</span>' if samples else ""


def _sample(kind: str) -> str:
    area = "" if kind == "seed" else f'<path class="area {kind}" d="M0 1H26V11H0Z"/>'
    return (
        f'<svg class="sample" aria-hidden="true" width="26" height="12" viewBox="0 0 26 12">{area}'
        f'<path class="{kind}" d="M0 6H26"/></svg>'
    )
