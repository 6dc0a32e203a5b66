"""`dmbench bench`: what the components cost, beside peers and between commits.

Exit codes are those of `dmbench`; of `compare` 1 is *something is slower*, of `counters --check` *something differs*.
"""

import json
import math
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from dmbench.harness import bench_cases, bench_compare, paths
from dmbench.harness.bench_cases import Case
from dmbench.harness.device import pick_device
from dmbench.harness.errors import RecordsError, UsageError

FINE, NOT_FINE, NOTHING, INTERRUPTED = 0, 1, 3, 130
os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or torch's profiler tells of each start

bench = typer.Typer(
    help="What the components cost: beside peers, between two commits, and in counters that noise cannot touch.",
    no_args_is_help=True,
)

Patterns = Annotated[
    list[str] | None, typer.Argument(help="Files of benchmarks/, or parts of cases' names; * and ? as in a shell.")
]
Everything = Annotated[bool, typer.Option("--all", help="All cases, not the headline alone: that may take hours.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")]
Results = Annotated[Path | None, typer.Option("--results", help="Folder with bench/, counters/ and tables/.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]


@bench.command("run")
def run_(
    patterns: Patterns = None,
    peers: Annotated[bool, typer.Option("--peers", help="Time what a user would otherwise call as well.")] = False,
    device: Device = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="torch's threads.")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="Of timing, for each case.")] = 1.0,
    everything: Everything = False,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Time ours, and peers in turn with it; print ratios, memory, throughput and the fraction of the machine's peak."""
    from dmbench.harness.bench_records import Timing, append
    from dmbench.harness.bench_run import measure
    from dmbench.harness.bench_tables import print_timings

    picked, console = _device(device), Console(stderr=as_json)
    cases = [case for case in _cases(patterns, everything, picked) if not peers or len(case.implementations) > 1]
    folder = paths.results_folder(results)
    timings: list[Timing] = []
    troubles: dict[str, None] = {}
    interrupted = False
    try:
        for i, case in enumerate(cases, 1):
            timings.append(measure(case, picked, threads, peers=peers, budget=seconds))
            _say(f"[{i}/{len(cases)}] {case.name}", Console(stderr=True))
            try:
                append(folder, timings[-1:])
            except RecordsError as error:
                troubles[str(error)] = None  # each once
    except KeyboardInterrupt:
        interrupted = True
    if as_json:
        print(json.dumps([asdict(timing) for timing in timings], indent=1))
    elif timings:
        print_timings(timings, console)
        _say(f"records: {paths.shown(folder / 'bench')}; dmbench tables lays them out", console)
    for line in troubles:
        print(f"dmbench: {line}", file=sys.stderr)
    if interrupted:
        print("dmbench: interrupted; what was timed is recorded", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    if troubles:
        raise typer.Exit(NOT_FINE)
    if not any(timing.seconds for timing in timings):
        raise typer.Exit(NOTHING)
    raise typer.Exit(FINE if all(timing.seconds for timing in timings) else NOT_FINE)


@bench.command()
def compare(
    a: Annotated[str, typer.Argument(help="A commit, or `.` for the working tree.")],
    b: Annotated[str, typer.Argument(help="A commit, or `.` for the working tree.")],
    patterns: Patterns = None,
    device: Device = "cpu",
    budget: Annotated[float, typer.Option(min=0, help="Seconds in all.")] = 600.0,
    within: Annotated[float, typer.Option(min=0, help="The largest difference that is called the same.")] = 0.05,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Compare two commits: slower, faster, same within x %, or cannot tell; exit code 1 if one is slower."""
    from dmbench.harness.bench_sides import Side, sources

    picked = _device(device)
    cases = [case.name for case in _cases(patterns, everything, picked)]
    with ExitStack() as stack:
        folders = [stack.enter_context(sources(bench_cases.root(), word)) for word in (a, b)]
        of = {bench_compare.A: folders[0], bench_compare.B: folders[1], bench_compare.AGAIN: folders[0]}
        found = bench_compare.compare(
            cases,
            lambda name: Side(of[name], str(picked)),
            within=within,
            budget=budget,
            tell=lambda line: _say(line, Console(stderr=True)),
        )
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=1))
    else:
        from dmbench.harness.bench_show import print_compared

        print_compared(found, a, b, Console())
    raise typer.Exit(bench_compare.exit_code(found))


@bench.command()
def counters(
    patterns: Patterns = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a counter is not as committed.")
    ] = False,
    device: Device = "cpu",
    results: Results = None,
) -> None:
    """Count floating-point operations, operators, bytes and kernel launches of the headline's cases."""
    from dmbench.harness import bench_gate

    picked, folder, console = _device(device), paths.results_folder(results), Console()
    cases = _cases(patterns, False, picked)
    found, missing = bench_gate.count(cases, picked)
    if not check:
        for path in bench_gate.write(folder, cases, found, picked):
            _say(paths.shown(path), console)
        for name, reason in missing.items():
            print(f"dmbench: {name}: cannot run here: {reason}", file=sys.stderr)
        raise typer.Exit(FINE if found else NOTHING)
    gate = bench_gate.check(folder, cases, found, missing, picked)
    for line in gate.not_comparable:
        _say(f"not comparable: {line}", console)
    for line in gate.differences:
        _say(line, console)
    _say(f"{gate.agree} counters as committed, {len(gate.differences)} differences", console)
    if gate.differences:
        _say("if that is meant: dmbench bench counters, and commit what it writes", console)
        raise typer.Exit(NOT_FINE)
    raise typer.Exit(FINE if gate.agree else NOTHING)


def _cases(patterns: list[str] | None, everything: bool, device: torch.device) -> list[Case]:
    cases, problems = bench_cases.find()
    for line in problems:
        print(f"dmbench: {line}", file=sys.stderr)
    return bench_cases.choose([case for case in cases if device.type in case.devices], patterns or [], everything)


def _device(name: str) -> torch.device:
    try:
        return pick_device(name)
    except ValueError as error:
        raise UsageError(f"--device {name}: {error}") from error


def _plain(one: bench_compare.Compared) -> dict[str, Any]:
    facts = asdict(one.answer)
    finite = {key: fact if isinstance(fact, str) or math.isfinite(fact) else None for key, fact in facts.items()}
    return {"case": one.case, **finite, "processes": len(one.effects), "memory": one.memory, "reasons": one.reasons}


def _say(line: str, console: Console) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
