"""The terminal: a verdict table, and the progress of a run; plain lines where nobody watches."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dmbench.harness import formats
from dmbench.harness.judging import summary
from dmbench.harness.laid_out import LaidOut
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Task
from dmbench.harness.verdict import (
    BELOW,
    BETTER,
    CHANGED,
    FAILED,
    INCONCLUSIVE,
    KNOWN_GAP,
    NOT_MEASURED,
    REPRODUCED,
    UNCHANGED,
    Verdict,
)

COLOURS = {
    REPRODUCED: "green",
    BETTER: "bold green",
    UNCHANGED: "green",
    KNOWN_GAP: "yellow",
    INCONCLUSIVE: "yellow",
    BELOW: "bold red",
    CHANGED: "bold red",
    FAILED: "bold red",
    NOT_MEASURED: "dim",
}


def print_verdicts(verdicts: list[Verdict], console: Console) -> None:
    """Print one row a number: as a table on a terminal, as plain lines elsewhere."""
    if console.is_terminal:
        console.print(_table(verdicts))
    else:
        width = max((len(verdict.number.name) for verdict in verdicts), default=0)
        for v in verdicts:
            facts = f"{v.number.origin} {v.number.printed} {v.number.unit}"
            if v.measured:
                facts += f", measured {formats.measured(v)} ({formats.difference(v)})"
            reason = f": {v.why}" if v.why else ""
            console.print(
                f"{v.number.name:{width}}  {v.kind:12}  {facts}{reason}",
                soft_wrap=True,
                highlight=False,
            )
    counts = ", ".join(f"{count} {kind}" for kind, count in summary(verdicts).items())
    console.print(f"{len(verdicts)} numbers: {counts}", highlight=False)


def print_declared(table: LaidOut, console: Console) -> None:
    """Print a declared table: on a terminal wide enough as one, elsewhere row by row, a cell a line."""
    console.print(f"\n{table.declared.title}", style="bold", markup=False, highlight=False, soft_wrap=True)
    rows = [[name, *map(str, cells)] for name, cells in table.rows]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading, figure in zip(table.headings, table.figures, strict=True):
        shown.add_column(Text(heading.replace(": ", ":\n")), justify="right" if figure else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(Text, row))
    if console.is_terminal and shown.__rich_measure__(console, console.options).maximum <= console.width:
        console.print(shown)
    else:
        width = max(map(len, table.headings[1:]))
        for row in rows:
            console.print(row[0], markup=False, highlight=False, soft_wrap=True)
            for heading, text in zip(table.headings[1:], row[1:], strict=True):
                if text:
                    console.print(f"  {heading:{width}}  {text}", markup=False, highlight=False, soft_wrap=True)
    if table.declared.note:
        console.print(table.declared.note, markup=False, highlight=False, style="dim")


def _table(verdicts: list[Verdict]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("number", "printed", "measured", "difference"):
        table.add_column(heading, justify="left" if heading == "number" else "right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why, or how to get it", overflow="fold")
    for v in verdicts:
        table.add_row(
            v.number.name,
            f"{v.number.printed} {v.number.unit}" + (" (tracked)" if v.number.tracked else ""),
            formats.measured(v),
            formats.difference(v),
            f"[{COLOURS[v.kind]}]{v.kind}[/]",
            v.why,
        )
    return table


class Lines(Listener):
    """One line when a task ends, and one now and then while a long one goes on."""

    EVERY = 60  # seconds

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total, self._done = console, total, 0
        self._began: dict[Task, float] = {}
        self._told: dict[Task, float] = {}

    def started(self, task: Task) -> None:
        self._began[task] = self._told[task] = time.monotonic()

    def progressed(self, task: Task, done: float, total: float) -> None:
        now = time.monotonic()
        if done and now - self._told.get(task, now) > self.EVERY:
            self._told[task] = now
            left = (now - self._began[task]) * (total - done) / done
            self._print(f"{task}: {done / total:.0%}, about {formats.seconds(left)} left")

    def said(self, line: str) -> None:
        self._print(line)

    def finished(self, outcome: Outcome) -> None:
        self._done += 1
        self._print(f"[{self._done}/{self._total}] {outcome.task}: {described(outcome)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Bars(Listener):
    """A bar for the whole run, and one for each task that goes on, with the time left."""

    def __init__(self, console: Console, total: int, expected: dict[str, float]) -> None:
        """expected: seconds that tasks took when they were last measured, by their name."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._expected = expected
        self._all = self._progress.add_task("all", total=total)
        self._bars: dict[Task, TaskID] = {}
        self._over: set[Task] = set()

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, task: Task) -> None:
        if task in self._over:
            return
        expected = self._expected.get(str(task))
        name = f"{task}" + (f" (took {formats.seconds(expected)})" if expected else "")
        self._bars[task] = self._progress.add_task(name, total=None)

    def progressed(self, task: Task, done: float, total: float) -> None:
        if task in self._bars:
            self._progress.update(self._bars[task], completed=done, total=total)

    def said(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)

    def finished(self, outcome: Outcome) -> None:
        self._over.add(outcome.task)
        if outcome.task in self._bars:
            self._progress.remove_task(self._bars.pop(outcome.task))
        self._progress.advance(self._all)


def described(outcome: Outcome) -> str:
    """Say in a few words what came of a task."""
    if outcome.found_again:
        return "measured before, taken from the records"
    if outcome.records:
        return f"measured in {formats.seconds(outcome.records[0].seconds)}"
    return f"{FAILED if outcome.failed else NOT_MEASURED}: {outcome.reason}"
