"""Timing beside peers, its records and its tables: figures that can be computed by hand."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dmbench.harness import bench_run, bench_tables
from dmbench.harness.bench_cases import OURS, cases_of, choose, find, first_line
from dmbench.harness.bench_machine import Roof, machine_name, roofline
from dmbench.harness.bench_records import append, latest, read
from dmbench.harness.errors import RecordsError, UsageError

CPU = torch.device("cpu")


class Suite:
    """A product, ours in 2 ms; one peer takes three times as long and twice the memory, two are not here."""

    params = (["a|b", "c"], ["forward", "forward+backward"], ["dmbench", "slow", "absent", "late", "floor"], ["cpu"])
    param_names = ("size", "pass", "implementation", "device")
    own = ("floor",)
    track_seconds = None

    def setup(self, size, passes, implementation, device):
        if implementation == "absent":
            raise NotImplementedError("pip install absent\nor so")
        a = torch.ones(100, 100)

        def run():
            if implementation == "late":
                raise RuntimeError("at the first call")
            return [a @ a for _ in range(1 + (implementation == "slow"))]

        run.seconds = {"dmbench": 0.002, "slow": 0.006}.get(implementation, 0.001)
        self.run = run


@pytest.fixture
def clock(monkeypatch):
    """Samples are what a run says, and a round's disturbance, the same for all in it."""
    counts = itertools.count()

    def sampler(run, device, number=1):
        return lambda: run.seconds * (1 + next(counts) // 3 % 5)

    monkeypatch.setattr(bench_run, "sampler", sampler)
    monkeypatch.setattr(bench_run, "roofline", lambda device, dtype, threads: Roof(10e9, 1e9))
    monkeypatch.setattr(bench_run, "_enough", lambda run, device: 1)


@pytest.fixture
def timing(clock):
    return bench_run.measure(cases_of(Suite)[0], CPU, budget=0)


def test_ratios_are_of_pairs_in_one_round_and_hold_under_disturbance(timing):
    assert timing.ratios == {"slow": [3.0, 3.0, 3.0], "floor": [0.5, 0.5, 0.5]}
    assert timing.rounds == 7
    assert list(timing.seconds) == ["dmbench", "slow", "floor"]


def test_flops_traffic_and_memory_are_of_ours(timing):
    assert (timing.flops, timing.traffic, timing.dtype) == (2 * 100**3, 2 * 4 * 100**2, "float32")
    assert timing.peak_bytes == {"dmbench": 40_000, "slow": 80_000, "floor": 40_000}


def test_flops_that_a_suite_declares_count_instead(clock, monkeypatch):
    monkeypatch.setattr(Suite, "flops", 12345, raising=False)
    assert bench_run.measure(cases_of(Suite)[0], CPU, budget=0).flops == 12345


def test_what_is_not_here_says_why_in_one_line(timing):
    assert timing.missing == {"absent": "pip install absent", "late": "RuntimeError: at the first call"}


def test_where_ours_cannot_run_nothing_is_timed(clock, monkeypatch):
    monkeypatch.setattr(Suite, "setup", lambda self, *case: 1 / 0)
    found = bench_run.measure(cases_of(Suite)[0], CPU, budget=0)
    assert (found.seconds, found.ratios) == ({}, {})
    assert found.missing[OURS] == "ZeroDivisionError: division by zero"


def test_rounds_begin_with_another_implementation_each_time(monkeypatch):
    told = []
    monkeypatch.setattr(bench_run, "sampler", lambda run, device, number=1: lambda: told.append(run) or 1.0)
    monkeypatch.setattr(bench_run, "_enough", lambda run, device: 1)
    samples = bench_run.interleave({name: name for name in "abc"}, CPU, budget=0)
    assert samples == dict.fromkeys("abc", [1.0] * 7)
    assert "".join(told) == "abcbcacababcbcacababc"


@pytest.mark.parametrize(("took", "runs"), [(0.0, 1000), (1e-6, 1000), (0.002, 3), (0.005, 1), (60.0, 1)])
def test_a_sample_is_long_enough_for_the_clock(took, runs):
    assert bench_run._enough(SimpleNamespace(sample=lambda clock: took), CPU) == runs


def test_the_roof_is_what_a_product_and_a_copy_reach():
    roof = roofline(CPU, torch.uint8, 1, seconds=0.0)
    assert 1e8 < roof.flops < 1e13
    assert 1e7 < roof.bandwidth < 1e12


def test_a_machine_is_named_by_its_cores_or_its_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB (HBM3)")
    assert machine_name(torch.device("cuda")) == "nvidia-h100-80gb-hbm3"
    assert machine_name(CPU).startswith("cpu-")


def test_threads_reach_the_suites_setup(monkeypatch):
    common = SimpleNamespace(THREADS=1)
    monkeypatch.setitem(bench_run.sys.modules, "benchmarks._common", common)
    before = torch.get_num_threads()
    try:
        bench_run.set_threads(2)
        assert (torch.get_num_threads(), common.THREADS) == (2, 2)
    finally:
        torch.set_num_threads(before)


def test_cases_are_the_headline_unless_all_are_asked_for():
    cases = cases_of(Suite)
    names = [case.name for case in choose(cases, [])]
    assert names == ["test_bench_run.Suite(a|b, forward)", "test_bench_run.Suite(a|b, forward+backward)"]
    assert len(choose(cases, [], everything=True)) == 4
    assert len(choose(cases, ["test_bench_run"])) == len(choose(cases, ["forward"])) == 2
    assert [case.values for case in choose(cases, ["*(c, forward)"], everything=True)] == [("c", "forward")]
    with pytest.raises(UsageError, match="no case matches tset_bench_run: did you mean test_bench_run"):
        choose(cases, ["tset_bench_run"])


def test_a_headline_that_is_no_case_is_refused(monkeypatch):
    monkeypatch.setattr(Suite, "headline", [("d", "forward")], raising=False)
    with pytest.raises(UsageError, match=r"Suite: its headline \('d', 'forward'\) is none of its params"):
        cases_of(Suite)


def test_every_suite_of_this_checkout_is_found_with_ours_first_and_the_same_cases_on_both_devices():
    cases, problems = find()
    assert problems == []
    assert {case.devices for case in cases} <= {("cpu", "cuda"), ("cpu",), ("cuda",)}
    assert {case.implementations[0] for case in cases if case.implementations} == {OURS}
    assert all(set(case.own) <= set(case.implementations) for case in cases)
    assert len({case.name for case in cases}) == len(cases)
    stems = {case.stem for case in cases if case.headline and len(case.implementations) > 1}
    assert {"conv2d", "deform_conv2d", "lstm", "gru", "batch_norm"} <= stems


def test_an_error_is_told_in_one_line():
    assert first_line(NotImplementedError("no GPU\nat all")) == "no GPU"
    assert first_line(KeyError()) == "KeyError"


def test_records_come_back_and_damaged_lines_are_named(timing, tmp_path):
    append(tmp_path, [timing])
    (path,) = append(tmp_path, [replace(timing, id="2", time="2099-01-01T00:00:00+00:00", rounds=9)])
    good = path.read_text()
    facts = json.loads(good.splitlines()[0])
    bad = [facts | {"schema": 2}, facts | {"machine": "other"}, facts | {"ratios": {"slow": [1]}}, facts | {"new": 1}]
    path.write_text(good + '{"cut sho\n' + "".join(json.dumps(line) + "\n" for line in bad))
    timings, problems = read(tmp_path)
    assert [t.rounds for t in timings] == [7, 9]
    assert latest(timings) == timings[1:]
    assert [problem.line for problem in problems] == [3, 4, 5, 6, 7]
    assert "schema 2 is newer" in str(problems[1])


@pytest.mark.parametrize("part", ["seconds", "peak_bytes"])
def test_a_record_that_lacks_a_part_is_a_damaged_line(timing, tmp_path, part):
    (path,) = append(tmp_path, [timing])
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {part: {}}) + "\n")
    timings, problems = read(tmp_path)
    assert (timings, "unlike implementations" in str(problems[0])) == ([], True)


def test_the_table_shows_wins_losses_and_what_is_not_here(timing, tmp_path):
    append(tmp_path, [timing])
    ((path, text),) = bench_tables.committed(tmp_path, "")[0].items()
    assert path == tmp_path / "tables" / "speed.md"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    ms = f"{timing.seconds[OURS] * 1e3:.3g} ms"
    rate = timing.flops / timing.seconds[OURS]
    assert rows[2][0] == "test_bench_run.Suite(a/b, forward)"
    assert rows[2][1:3] == [ms, f"{rate / 1e9:.3g} GFLOP/s, {rate / 10e9:.0%}"]
    assert rows[2][-3:] == ["slow", "3.00 [3.00, 3.00]", "2.00"]
    assert [row[-3:] for row in rows[3:]] == [
        ["floor", "0.50 [0.50, 0.50]", "1.00"],
        ["absent", "not here", "pip install absent"],
        ["late", "not here", "RuntimeError: at the first call"],
    ]


def test_the_readme_gets_the_headline_beside_peers_and_keeps_the_rest(timing, tmp_path):
    append(tmp_path, [timing, replace(timing, headline=False, case="other", id="2")])
    readme = f"before\n{bench_tables.BEGIN}\nold\n{bench_tables.END}\nafter\n"
    text = bench_tables.committed(tmp_path, readme)[1]
    assert text.startswith(f"before\n{bench_tables.BEGIN}\n")
    assert text.endswith(f"{bench_tables.END}\nafter\n")
    assert "| case | ours | slow |" in text
    assert "| 3.00 time, 2.00 memory |" in text
    assert "old" not in text
    assert "other" not in text
    assert bench_tables.committed(tmp_path, text)[1] == text
    with pytest.raises(RecordsError, match="README.md: has no lines"):
        bench_tables.committed(tmp_path, "no marks")


def test_without_timings_there_is_no_table_and_the_readme_stays(tmp_path):
    assert bench_tables.committed(tmp_path, "as it was") == ({}, "as it was")
