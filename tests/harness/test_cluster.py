"""Runs on dask.distributed: every cell answered once, whatever dies; what a worker must have in common with the run."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import asdict

import pytest

from dmbench.harness import cells, cluster_link, cluster_run, formats
from dmbench.harness.artifacts import Store
from dmbench.harness.cells import Cell
from dmbench.harness.cluster import Where
from dmbench.harness.discovery import papers
from dmbench.harness.errors import DamagedArtifact, UsageError
from dmbench.harness.judging import judge_all
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Settings
from dmbench.harness.paths import checkout
from dmbench.harness.records import read
from dmbench.harness.runner import Selection, plan, run
from dmbench.harness.verdict import INCONCLUSIVE, REPRODUCED

OTHER_TORCH = "import torch\ntorch.__version__ = '2.11.0'\n"


class Machines:
    """A scheduler and workers on loopback, each worker in a folder of its own with its own cache.

    Each starts again when it ends, as under a supervisor: a worker ends when its scheduler does.
    """

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self.start_scheduler()

    def start_scheduler(self):
        words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard"]
        return self._start(words, "scheduler")

    def start_worker(self, name, *words, sitecustomize="", **variables):
        folder = self.folder / name
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(sitecustomize)
        path = f"{folder}{os.pathsep}{checkout()}"
        environment = {"DMBENCH_CACHE": str(folder / "cache"), "PYTHONPATH": path, "DMBENCH_OFFLINE": "1"} | variables
        words = ["distributed.cli.dask_worker", self.address, "--nthreads", 1, "--no-dashboard", "--memory-limit", 0,
                 "--local-directory", folder, *words]  # fmt: skip
        return self._start(words, name, environment)

    def _start(self, words, name, variables=None):
        environment = {k: v for k, v in os.environ.items() if k not in ("DMBENCH_MIRROR", "DMBENCH_DATA")}
        (self.folder / name).mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                ["sh", "-c", f"while true; do {shlex.join([sys.executable, '-m', *map(str, words)])}; sleep 0.1; done"],
                env=environment | {"OMP_NUM_THREADS": "1"} | (variables or {}),
                cwd=self.folder / name,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def kill(self, process):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.processes.remove(process)

    def close(self):
        for process in list(self.processes):
            self.kill(process)


@pytest.fixture
def machines(tmp_path):
    folder = tmp_path / "machines"
    folder.mkdir()
    these = Machines(folder)
    yield these
    these.close()


class Chaos(Listener):
    """Remembers what was said, and does something when so many cells have ended."""

    def __init__(self, then):
        self.then, self.ended, self.lines = then, 0, []

    def said(self, line):
        self.lines.append(line)

    def finished(self, outcome):
        self.ended += 1
        if self.ended in self.then:
            self.then[self.ended]()


def numbers(stem, *patterns):
    return Selection((stem,), ("quick",), patterns).numbers(papers())


@pytest.mark.timeout(900)
def test_every_cell_is_answered_once_whatever_dies(machines, tmp_path):
    unruly = {"UNRULY": "1"}
    first = machines.start_worker("first", **unruly)
    machines.start_worker("other torch", sitecustomize=OTHER_TORCH)

    def kill_a_worker_and_add_one():
        machines.kill(first)
        machines.start_worker("second", **unruly)

    def restart_the_scheduler():
        machines.kill(machines.scheduler)
        machines.scheduler = machines.start_scheduler()

    chaos = Chaos({1: kill_a_worker_and_add_one, 2: restart_the_scheduler})
    settings = Settings(tmp_path / "results", given={"sigmoid": "tests.unruly:sigmoid"})
    chosen = Selection(("sigmoid",), ("quick",), (), ("sigmoid",)).numbers(papers())
    done = run(chosen, settings, cluster=Where(machines.address), listener=chaos)

    assert Counter(o.task for o in done.outcomes) == Counter(plan(chosen, None))
    failed = {o.task.experiment: o.reason for o in done.outcomes if o.failed}
    assert set(failed) == {"far", "sigmoid_from_torch_float32"}, failed
    assert failed["sigmoid_from_torch_float32"].startswith("its worker died 3 times")
    assert failed["far"].startswith("RuntimeError: the wheel came off (")
    (trace,) = (tmp_path / "results" / "failures").iterdir()
    assert 'raise RuntimeError("the wheel came off")' in trace.read_text()
    kept = [(record.number, record.seed) for record in read(tmp_path / "results")[0]]
    assert len(kept) == len(set(kept)) == len(done.records)
    assert {number for number, _ in kept} == {n.key for n in chosen} - {
        "far_values", "far_gradients", "difference_sigmoid_float32",
    }  # fmt: skip
    refused = [line for line in chaos.lines if line.startswith("refused")]
    assert refused
    assert all("has torch 2.11.0, this run" in line for line in refused)
    assert any("is gone: waiting for it" in line for line in chaos.lines)


SEARCH = ("network_morphism", "random_search")
THE_RUNS_OWN = {"id", "time", "seconds", "peak_bytes", "run"}  # what two measurements of the same need not share


@pytest.mark.timeout(600)
def test_a_cluster_of_three_gives_the_table_and_the_records_of_one_process(tmp_path, one_thread):
    chosen = Selection(SEARCH, ("quick",)).numbers(papers())
    alone = run(chosen, Settings(tmp_path / "alone"), seeds=2)
    spread = run(chosen, Settings(tmp_path / "spread"), seeds=2, cluster=Where(workers=3))
    assert Counter(o.task for o in spread.outcomes) == Counter(plan(chosen, 2))
    tables, records = [], []
    for done in (alone, spread):
        kept = read(done.settings.results)[0]
        verdicts = judge_all(chosen, kept, done.reasons())
        tables.append([(v.number.name, v.kind, formats.measured(v), v.why) for v in verdicts])
        rows = [{k: v for k, v in asdict(one).items() if k not in THE_RUNS_OWN} for one in kept]
        records.append(sorted(rows, key=lambda row: (row["stem"], row["number"], row["seed"] or 0)))
    assert tables[0] == tables[1]
    assert records[0] == records[1]
    assert {kind for _, kind, *_ in tables[0]} & {REPRODUCED, INCONCLUSIVE}
    again = run(chosen, Settings(tmp_path / "spread", resume=True), seeds=2, cluster=Where(workers=3))
    assert all(outcome.found_again for outcome in again.outcomes if outcome.records)
    assert len(read(tmp_path / "spread")[0]) == len(spread.records)


@pytest.mark.data
@pytest.mark.timeout(600)
def test_artifacts_reach_a_worker_that_has_none(machines, tmp_path, artifact):
    files = artifact("set5")
    machines.start_worker("bare")
    done = run(numbers("bicubic", "set5_x2_psnr"), Settings(tmp_path / "results"), cluster=Where(machines.address))
    assert "set5_x2_psnr" in {record.number for record in done.records}
    cached = machines.folder / "bare" / "cache"
    assert all((cached / name).read_bytes() == path.read_bytes() for name, path in files.items())


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_link, "ANSWER_WITHIN", 1.0)
    with pytest.raises(
        UsageError, match=r"^no scheduler answers at tcp://127.0.0.1:1: start one with `dask scheduler`"
    ):
        run(numbers("relu"), Settings(tmp_path), cluster=Where("tcp://127.0.0.1:1"))


@pytest.mark.timeout(300)
def test_a_run_that_needs_gpus_says_which_workers_have_none(machines, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_run, "PATIENCE", 1.0)
    machines.start_worker("plain")
    listener = Chaos({})
    done = run(numbers("relu"), Settings(tmp_path, device="cuda"), cluster=Where(machines.address), listener=listener)
    assert done.records == []
    assert all(o.failed and o.reason.startswith("no worker that can be used") for o in done.outcomes)


def test_what_comes_damaged_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_CACHE", str(tmp_path))
    name = Store.from_environment().registry["set5"].files[0].name
    with pytest.raises(DamagedArtifact, match="it came damaged"):
        cells.deliver("set5", name, b"something else")
    assert not (tmp_path / name).exists()


def test_a_long_answer_is_kept_until_the_run_has_it(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("DMBENCH_CACHE", str(tmp_path))
    cell = Cell(plan([toy["toy"].numbers["noisy"]], seeds=1)[0], run="a")
    quiet = lambda task, done, total: None  # noqa: E731
    (first,), (second,) = (cells.answer([cell], [], quiet) for _ in range(2))
    assert first.outcome.records[0].id == second.outcome.records[0].id
    (third,) = cells.answer([cell], [cell.key], quiet)
    assert third.outcome.records[0].id != first.outcome.records[0].id
    assert third.outcome.records[0].value == first.outcome.records[0].value
    (other,) = cells.answer([Cell(cell.task, run="b")], [], quiet)
    assert other.outcome.records[0].id != third.outcome.records[0].id
