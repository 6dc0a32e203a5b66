"""The command line.

Exit codes: 0 all judged fine; 1 a number is below, failed or inconclusive, or something could not be read, fetched or
written; 2 usage; 3 nothing could be measured; 130 interrupted.
"""

import json
import signal
import sys
import uuid
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from dmbench import __version__
from dmbench.harness import artifacts, discovery, formats, paths, records, subjects
from dmbench.harness.bench_cli import bench
from dmbench.harness.discovery import code_hash
from dmbench.harness.errors import ContractError, DmbenchError, NumbersError, UsageError, nearest
from dmbench.harness.experiment import TIERS
from dmbench.harness.judging import judge_all, judge_subjects
from dmbench.harness.numbers import Number, Paper
from dmbench.harness.verdict import NOT_A_PASS, NOT_MEASURED, Verdict

FINE, NOT_FINE, USAGE, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    help="Are the building blocks of deep learning right, and what do they cost?\n\n"
    "Exit codes: 0 all judged fine; 1 a number is below, failed or inconclusive; 2 usage or malformed input; "
    "3 nothing could be measured; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Data and weights: list, fetch, verify.", no_args_is_help=True)
app.add_typer(data, name="data")
app.add_typer(bench, name="bench")

Stems = Annotated[
    list[str] | None,
    typer.Argument(help="Stems, as in `dmbench list`, or a folder of them, such as layers; all if none is named."),
]
SIDE = "A commit, a results folder, or an implementation that was measured: dmbench, or NAME=module:attribute."
Results = Annotated[Path | None, typer.Option("--results", help="Folder with measured/ and tables/.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]


def main() -> NoReturn:
    """Run the command line; an error that a user can mend is one line, and no traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is an interruption like Ctrl-C
    try:
        app(standalone_mode=True)
    except (UsageError, ContractError, NumbersError) as error:
        _fail(str(error), USAGE)
    except DmbenchError as error:
        _fail(str(error), NOT_FINE)
    except KeyboardInterrupt:
        _fail(
            "interrupted; what was measured is recorded, and --resume goes on from there",
            INTERRUPTED,
        )
    sys.exit(FINE)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Show the version, or go on to the command."""
    if version:
        print(f"dmbench {__version__}")
        raise typer.Exit


@app.command("list")
def list_(
    stems: Stems = None,
    lacking: Annotated[
        bool,
        typer.Option("--missing", help="Only what no record measures, and why; exit code 1 if a reason is missing."),
    ] = False,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """List stems; or, of the stems named, the numbers, experiments and replaceable parts."""
    from dmbench.harness.listing import list_stems, numbers_of

    papers = discovery.papers()
    chosen = discovery.choose(stems or [], papers)
    if lacking:
        _list_missing({stem: papers[stem] for stem in chosen}, paths.results_folder(results, own=True), as_json)
        return
    if as_json:
        print(json.dumps([row for stem in chosen for row in numbers_of(papers[stem])], indent=1))
    else:
        list_stems([papers[stem] for stem in chosen], bool(stems), _console())


def _list_missing(papers: dict[str, Paper], folder: Path, as_json: bool) -> None:
    from dmbench.harness.missing import NO_REASON, missing, print_missing

    found, problems = records.read(folder, papers)
    _warn(problems)
    rows = missing(papers, found)
    if as_json:
        print(json.dumps([{"number": r.number.name, "reason": r.reason, "command": r.command} for r in rows], indent=1))
    else:
        print_missing(rows, _console())
    raise typer.Exit(NOT_FINE if any(row.reason == NO_REASON for row in rows) else FINE)


@app.command()
def run(
    stems: Stems = None,
    tier: Annotated[list[str] | None, typer.Option(help="quick, slow, full or all [default: quick].")] = None,
    number: Annotated[
        list[str] | None,
        typer.Option(help="Only numbers that match, as in 'set5_x3_*'; of any tier."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds for numbers that have any.")] = None,
    impl: Annotated[
        list[str] | None,
        typer.Option(help="Measure yours: NAME=module:attribute. `dmbench list STEM` names the parts."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes [default: for many quick tasks on a CPU, as many as cores; else 1]."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Measure on the workers of a dask.distributed scheduler: tcp://host:8786.")
    ] = None,
    cluster: Annotated[
        int | None, typer.Option(min=1, help="Measure on so many dask.distributed workers started on this machine.")
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh",
            help="--resume takes what this code has measured on this machine from the records; --fresh starts "
            "trainings anew; neither: measure, and go on with a training that was interrupted.",
            show_default=False,
        ),
    ] = None,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Measure numbers, record them, and print what they say."""
    from dmbench.harness import runner
    from dmbench.harness.cluster import Where
    from dmbench.harness.device import pick_device
    from dmbench.harness.environment import environment
    from dmbench.harness.listing import verdict_row
    from dmbench.harness.measure import Settings, Task
    from dmbench.harness.terminal import Bars, Lines, print_verdicts

    if (workers is not None) + (scheduler is not None) + (cluster is not None) > 1:
        raise UsageError("--workers, --cluster and --scheduler say the same thing: give one of them")
    where = Where(scheduler or "", cluster or 0) if scheduler or cluster else None
    papers = discovery.papers()
    given = subjects.parse(impl or [])
    tiers = tuple(tier or (["all"] if number else ["quick"]))
    for word in tiers:
        if word not in (*TIERS, "all"):
            raise UsageError(f"unknown tier {word}{nearest(word, [*TIERS, 'all'])}")
    tiers = () if "all" in tiers else tiers
    selection = runner.Selection(tuple(discovery.choose(stems or [], papers)), tiers, tuple(number or []), tuple(given))
    if given:
        everything = [e for stem in selection.stems for e in discovery.experiments(stem)]
        subjects.resolve(everything, given)
    chosen = selection.numbers(papers)
    if not chosen:
        raise UsageError("no number has these stems, tiers, patterns and parts together: dmbench list STEM")
    artifacts.Store.from_environment()
    try:
        picked = pick_device(device if where is None or device == "auto" else "cpu")
    except ValueError as error:
        raise UsageError(f"--device {device}: {error}") from error
    folder = paths.results_folder(results, own=not given)
    measured_on = str(picked) if where is None or device == "auto" else device
    settings = Settings(folder, measured_on, given, resume, uuid.uuid4().hex[:12])
    console = _console(stderr=as_json)
    tasks = runner.plan(chosen, seeds)
    before, problems = records.read(settings.results, selection.stems)
    _warn(problems)
    expected = {str(Task(r.stem, r.experiment, (), r.tier, r.seed)): float(r.seconds) for r in before}
    listener = Bars(console, len(tasks), expected) if console.is_terminal else Lines(console, len(tasks))
    with listener if isinstance(listener, Bars) else nullcontext():
        try:
            count = workers or runner.processes(tasks, settings.device)
            done = runner.run(chosen, settings, seeds=seeds, workers=count, cluster=where, listener=listener)
        except KeyboardInterrupt:
            listener.__exit__() if isinstance(listener, Bars) else None
            _fail("interrupted; what was measured is recorded, and --resume goes on from there", INTERRUPTED)
    shown = selection.numbers(papers) if number or given else _of_stems(papers, selection.stems)
    verdicts = judge_all(shown, done.records, done.reasons(), given)
    if as_json:
        print(
            json.dumps(
                {
                    "environment": environment(picked),
                    "verdicts": [verdict_row(v) for v in verdicts],
                },
                indent=1,
            )
        )
    else:
        if given:
            _say(f"measured: {records.name_subject(given)}", console)
        print_verdicts(verdicts, console)
        _say(f"records: {paths.shown(settings.results / 'measured')}", console)
    for line in done.unsaved:
        print(f"dmbench: {line}", file=sys.stderr)
    raise typer.Exit(NOT_FINE if done.unsaved else exit_code(verdicts))


def exit_code(verdicts: list[Verdict]) -> int:
    """Return what a run's verdicts come to."""
    if any(verdict.kind in NOT_A_PASS for verdict in verdicts):
        return NOT_FINE
    return NOTHING if all(verdict.kind == NOT_MEASURED for verdict in verdicts) else FINE


@app.command()
def tables(
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; fail if the tables are not what the records give."),
    ] = False,
    pictures: Annotated[
        bool, typer.Option(help="Draw pictures into the report, from artifacts on this machine.")
    ] = True,
    results: Results = None,
) -> None:
    """Write the tables of all verdicts and of speed: Markdown, CSV, LaTeX, and one HTML report."""
    from dmbench.harness import bench_records
    from dmbench.harness.laid_out import laid_out
    from dmbench.harness.tables import check_tables, write_tables
    from dmbench.harness.terminal import print_declared

    folder = paths.results_folder(results)
    papers = discovery.papers()
    found, problems = records.read(folder)
    _warn([*problems, *bench_records.read(folder)[1]])
    if not found:
        _fail(f"{paths.shown(folder)} holds no records: dmbench run makes some", NOTHING)
    if check:
        stale = check_tables(folder, papers, found)
        if stale:
            _fail(
                f"{', '.join(map(paths.shown, stale))}: not what the records give: run dmbench tables",
                NOT_FINE,
            )
        _say("the tables are what the records give", _console())
        return
    for path in write_tables(folder, papers, found, pictures=pictures):
        _say(paths.shown(path), _console())
    judged = judge_subjects(papers, found)
    for table in laid_out(papers, judged):
        print_declared(table, _console())
    earlier = [v for v in judged if v.records and v.records[-1].code != code_hash(v.number.stem)]
    if earlier:
        _say(f"{len(earlier)} verdicts rest on records of earlier code: dmbench run measures again", _console())


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help=SIDE)],
    b: Annotated[str, typer.Argument(help=SIDE)],
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Compare the records of two commits, results folders or implementations: what moved, and whether that matters.

    Where both have several seeds of a number, it tells how likely a seed of B is better than one of A.
    """
    from dmbench.harness.compare import compare_records, print_comparison, side

    papers = discovery.papers()
    folder = paths.results_folder(results)
    comparison = compare_records(papers, side(a, folder), side(b, folder))
    _warn([*comparison.a.problems, *comparison.b.problems])
    if as_json:
        print(json.dumps(comparison.rows(), indent=1))
    else:
        print_comparison(comparison, _console())
    raise typer.Exit(comparison.exit_code())


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders, of other machines say.")],
    results: Results = None,
) -> None:
    """Add the records of other results folders to this one's; what it has already does not count twice."""
    from dmbench.harness.merging import merge as join

    into = paths.results_folder(results)
    merged = join(folders, into)
    for line in merged.problems:
        print(f"dmbench: {line}", file=sys.stderr)
    kept = f", {merged.files} kept files" if merged.files else ""
    _say(f"{merged.added} records added{kept}, {merged.there} were there: {paths.shown(into)}", _console())
    raise typer.Exit(NOT_FINE if merged.problems else FINE)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def show(
    context: typer.Context,
    stem: Annotated[str, typer.Argument(help="A stem that has something to show.")],
    to: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("dmbench-show"),
) -> None:
    """Draw what a stem's implementation sees and does; options of its own follow as --name value."""
    from dmbench.harness import showing

    discovery.choose([stem], discovery.papers())
    for path in showing.show(stem, context.args, to):
        _say(paths.shown(path), _console())


@data.command("list")
def data_list() -> None:
    """List artifacts: size, licence, and how much of each is on this machine."""
    store = artifacts.Store.from_environment()
    console = _console()
    width = max(map(len, store.registry))
    for name in store.registry:
        artifact = store.artifact(name)
        here = len(store.local(name))
        state = "here" if here == len(artifact.files) else f"{here} of {len(artifact.files)} files here"
        facts = f"{state:22}  {formats.size(artifact.size):>12}  {artifact.title}; licence: {artifact.licence}"
        _say(f"{name:{width}}  {facts}", console)


@data.command("fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(help="Artifacts, as in `dmbench data list`.")],
) -> None:
    """Fetch artifacts into the cache, whatever their size, and check them."""
    store = artifacts.Store.from_environment()
    for name in names:
        store.artifact(name)
    for name in names:
        files = store.fetch(name, lambda line: _say(line, _console(stderr=True)))
        _say(f"{name}: {len(files)} files, checked", _console())


@data.command("verify")
def data_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Artifacts; all if none is named.")] = None,
) -> None:
    """Check the checksums of what is on this machine."""
    store = artifacts.Store.from_environment()
    bad = here = 0
    for name in names or list(store.registry):
        present, damaged = store.verify(name)
        bad += len(damaged)
        here += present
        total = len(store.artifact(name).files)
        _say(
            f"{name}: {present} of {total} files here" + (", all as listed" if present and not damaged else ""),
            _console(),
        )
        for line in damaged:
            _say(f"  {line}", _console())
    raise typer.Exit(NOT_FINE if bad else FINE if here else NOTHING)


@app.command()
def doctor(results: Results = None, as_json: AsJson = False) -> None:
    """Show this machine's environment, what can run here, and what is missing."""
    from dmbench.harness.doctor import diagnose, print_diagnosis

    diagnosis = diagnose(paths.results_folder(results))
    if as_json:
        print(json.dumps(diagnosis, indent=1))
    else:
        print_diagnosis(diagnosis, _console())


@app.command()
def dashboard(
    serve: Annotated[bool, typer.Option("--serve", help="Serve the page until interrupted.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Build the asv dashboard from the committed results, so that it needs no network to be looked at."""
    from dmbench.harness import dashboard as page

    root = paths.checkout()
    if root is None:
        raise UsageError("the dashboard shows a checkout's history: run it inside a clone of dmbench")
    folder = page.build(root)
    _say(f"{paths.shown(folder)}: to look at it: dmbench dashboard --serve", _console())
    if serve:
        page.serve(folder, port)


def _of_stems(papers: dict[str, Paper], stems: tuple[str, ...]) -> list[Number]:
    return [number for stem in stems for number in papers[stem].numbers.values()]


def _warn(problems: list[records.Problem], most: int = 5) -> None:
    for problem in problems[:most]:
        print(f"dmbench: {problem}", file=sys.stderr)
    if len(problems) > most:
        print(f"dmbench: and {len(problems) - most} more lines like that", file=sys.stderr)


def _console(stderr: bool = False) -> Console:
    return Console(stderr=stderr)


def _say(line: str, console: Console) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _fail(line: str, code: int) -> NoReturn:
    print(f"dmbench: {line}", file=sys.stderr)
    sys.exit(code)
