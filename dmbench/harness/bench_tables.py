"""The speed tables: the last timing of each case, wins and losses alike: Markdown, the README's part, a terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dmbench.harness.bench_records import Timing, latest, read
from dmbench.harness.errors import RecordsError

BEGIN = "<!-- speed: written by dmbench tables -->"
END = "<!-- end of speed -->"
READING = (
    "A factor is a peer's figure over ours, of pairs timed in one process: above 1 ours is faster, or takes less "
    "memory. In brackets, its 95 % interval. Operations per second are those of matrix products and convolutions; "
    "bytes per second those of inputs and results, each counted once, which is the least that has to move. Both stand "
    "beside what a large product and a large copy reached in the same process. Memory is the peak of torch's "
    "allocator: what a library takes for itself does not count."
)
HEADINGS = ("case", "ours", "of the product's rate", "of the copy's rate", "memory", "peer", "time", "memory")


def committed(folder: Path, readme: str) -> tuple[dict[Path, str], str]:
    """Return the tables that a folder's timings give, by path, and the README with its own; neither without timings.

    Raises:
        RecordsError: the README lacks the lines between which its table goes.
    """
    timings = latest(read(folder)[0])
    if not timings:
        return {}, readme
    if readme:
        before, begin, rest = readme.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise RecordsError(f"README.md: has no lines {BEGIN} and {END}, between which the speed table goes")
        readme = "\n".join([before + BEGIN, "", *_summary(timings), "", END + after])
    return {folder / "tables" / "speed.md": _markdown(timings)}, readme


def print_timings(timings: Sequence[Timing], console: Console) -> None:
    """Print the table of a run: as a table on a terminal, as plain lines elsewhere."""
    rows = [row for timing in timings for row in _rows(timing)]
    for line in _machine(timings[:1]):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if console.is_terminal:
        table = Table(*HEADINGS, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
        return
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    for row in [HEADINGS, *rows]:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _markdown(timings: Sequence[Timing]) -> str:
    lines = ["# What it costs, beside what people call today", "", "Written by `dmbench tables`; not to be edited.", ""]
    lines += [READING, ""]
    for rows in _places(timings):
        lines += [f"## {_place(rows[0])}", "", *_machine(rows), ""]
        lines += [f"| {' | '.join(HEADINGS)} |", "|---|---:|---:|---:|---:|---|---:|---:|"]
        lines += [_line(cells) for timing in rows for cells in _rows(timing)]
        lines.append("")
    return "\n".join(lines)


def _summary(timings: Sequence[Timing]) -> list[str]:
    """Return the README's table: of each case with peers the time, and of each peer two factors."""
    lines: list[str] = []
    for rows in _places(timings):
        rows = [timing for timing in rows if timing.headline and timing.ratios]
        peers = list(dict.fromkeys(peer for timing in rows for peer in timing.ratios if peer not in timing.own))
        if not rows:
            continue
        lines += [""] if lines else []
        lines += [f"**{_place(rows[0])}**: {' '.join(_machine(rows))}", ""]
        lines += [f"| case | ours | {' | '.join(peers)} |", "|---|---:" + "|---:" * len(peers) + "|"]
        for timing in rows:
            cells = [_both(timing, peer) for peer in peers]
            lines.append(_line([timing.case, _time(timing.seconds[_ours(timing)]), *cells]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _both(timing: Timing, peer: str) -> str:
    if peer not in timing.ratios:
        return "not here" if peer in timing.missing else ""
    return f"{timing.ratios[peer][0]:.2f} time, {_memory(timing, peer)} memory"


def _places(timings: Sequence[Timing]) -> list[list[Timing]]:
    groups: dict[tuple[str, str, int], list[Timing]] = {}
    for timing in timings:
        groups.setdefault((timing.machine, timing.device, timing.threads), []).append(timing)
    return list(groups.values())


def _place(timing: Timing) -> str:
    threads = "one thread" if timing.threads == 1 else f"{timing.threads} threads"
    return f"{timing.machine}, {timing.device}" + ("" if timing.device.startswith("cuda") else f", {threads}")


def _machine(timings: Sequence[Timing]) -> list[str]:
    """Say what they were measured on: facts that all share by their value, others by how many there are."""
    facts = {}
    for name in ("gpu", "cpu", "driver_version", "torch", "cuda", "python", "clocks.sm", "throttling"):
        values = sorted({str(t.environment[name]) for t in timings if t.environment.get(name) not in (None, "")})
        facts[name] = " to ".join(dict.fromkeys([*values[:1], *values[-1:]]))
    parts = [facts["gpu"], facts["cpu"], *(f"{name} {facts[name]}" for name in list(facts)[2:] if facts[name])]
    commits = sorted({t.commit[:8] + (" with changes" if t.dirty else "") for t in timings if t.commit})
    days = sorted({t.time[:10] for t in timings})
    parts += [f"timed by {' and '.join(sorted({t.clock for t in timings}))}", f"commit {', '.join(commits)}"]
    return [f"{', '.join(part for part in parts if part)}; {' to '.join(dict.fromkeys((days[0], days[-1])))}."]


def _rows(timing: Timing) -> list[tuple[str, ...]]:
    ours = _ours(timing)
    if ours not in timing.seconds:
        return [(timing.case, "", "", "", "", ours, "not here", timing.missing.get(ours, ""))]
    once = timing.seconds[ours]
    first = (
        timing.case,
        _time(once),
        _share(timing.flops / once, timing.peak_flops, "GFLOP/s"),
        _share(timing.traffic / once, timing.bandwidth, "GB/s"),
        _size(timing.peak_bytes[ours]),
    )
    rows: list[tuple[str, ...]] = []
    for peer, (middle, low, high) in timing.ratios.items():
        rows.append((peer, f"{middle:.2f} [{low:.2f}, {high:.2f}]", _memory(timing, peer)))
    rows += [(peer, "not here", reason) for peer, reason in timing.missing.items()]
    blank = ("",) * len(first)
    return [((first if i == 0 else blank) + row) for i, row in enumerate(rows or [("", "", "")])]


def _ours(timing: Timing) -> str:
    return next(iter(timing.seconds), "dmbench")


def _memory(timing: Timing, peer: str) -> str:
    mine = timing.peak_bytes.get(_ours(timing), 0)
    return f"{timing.peak_bytes[peer] / mine:.2f}" if mine else "none used"


def _share(rate: float, peak: float, unit: str) -> str:
    return f"{rate / 1e9:.3g} {unit}, {rate / peak:.0%}" if rate else ""


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _size(count: int) -> str:
    return f"{count / 2**20:.3g} MiB"
