"""Processes of a comparison, and the command line of the benchmarks, on the suites of this checkout."""

import json
import shutil
import sys
from contextlib import closing, nullcontext

import pytest

from dmbench import cli
from dmbench.harness.bench_compare import LostSide
from dmbench.harness.bench_sides import Side, sources
from dmbench.harness.errors import UsageError
from dmbench.harness.paths import PACKAGE
from tests.harness.test_cli import FINE, NOT_FINE, USAGE, dmbench  # noqa: F401

ROOT = PACKAGE.parent
CASE = "psnr.Psnr(255)"


@pytest.fixture
def older(tmp_path):
    """An older dmbench: without harness, peers and a component, and with a PSNR that talks and takes more memory."""
    skipped = shutil.ignore_patterns("harness", "peers", "__pycache__", "lstm.py")
    shutil.copytree(PACKAGE, tmp_path / "dmbench", ignore=skipped)
    with (tmp_path / "dmbench" / "metrics" / "psnr.py").open("a") as file:
        file.write(
            "\n_before = psnr\n\n\ndef psnr(*arguments):\n    print('hello')\n    kept = torch.empty(10_000_000)\n"
            "    return _before(*arguments) + 0 * kept.numel()\n"
        )
    return tmp_path


def test_a_side_measures_the_components_of_its_folder_with_the_suites_of_this_checkout(older):
    with closing(Side(ROOT, "cpu")) as ours, closing(Side(older, "cpu")) as theirs:
        (_, mine), (reason, more) = ours.prepare(CASE, True), theirs.prepare(CASE, True)
        assert reason == ""
        assert more >= mine + 40_000_000
        assert 0 < theirs.sample(2) < 10
        assert ours.prepare(CASE, False) == ("", None)
        assert "benchmarks/lstm.py cannot be imported: ModuleNotFoundError" in theirs.prepare("lstm.Layer()", True)[0]
        assert ours.prepare("psnr.Psnr(7)", True)[0] == "its suite has no such case"


def test_a_side_that_does_not_come_up_says_why(tmp_path):
    (tmp_path / "dmbench").mkdir()
    (tmp_path / "dmbench" / "__init__.py").write_text("raise RuntimeError('no wheels')")
    with pytest.raises(LostSide, match="^RuntimeError: no wheels$"):
        Side(tmp_path, "cpu")


def test_the_working_tree_and_commits_are_sources_and_nothing_else_is(tmp_path):
    with sources(ROOT, ".") as folder:
        assert folder == ROOT
    with pytest.raises(UsageError, match="nonsense is no commit here"), sources(ROOT, "nonsense"):
        pass


def test_counters_are_written_and_then_hold(dmbench, tmp_path):  # noqa: F811
    words = ("bench", "counters", "psnr", "--results", tmp_path)
    assert dmbench(*words, "--check")[0] == 3
    assert dmbench(*words)[0] == FINE
    code, out, _ = dmbench(*words, "--check")
    assert (code, "4 counters as committed, 0 differences" in out) == (FINE, True)
    path = tmp_path / "counters" / "psnr.json"
    path.write_text(path.read_text().replace('"operators": ', '"operators": 1'))
    code, out, _ = dmbench(*words, "--check")
    assert (code, "operators" in out, "1 differences" in out) == (NOT_FINE, True, True)


def test_bench_run_prints_records_and_is_json_on_demand(dmbench, tmp_path, monkeypatch):  # noqa: F811
    from dmbench.harness import bench_run
    from dmbench.harness.bench_machine import Roof

    monkeypatch.setattr(bench_run, "roofline", lambda device, dtype, threads: Roof(1e11, 1e10))
    words = ("bench", "run", "psnr", "--seconds", "0", "--results", tmp_path)
    code, out, _ = dmbench(*words)
    assert (code, CASE in out, "records: " in out) == (FINE, True, True)
    code, out, _ = dmbench(*words, "--json")
    assert (code, json.loads(out)[0]["case"]) == (FINE, CASE)


def test_bench_run_looks_at_the_results_folder_before_it_measures(dmbench, tmp_path, monkeypatch):  # noqa: F811
    from dmbench.harness import bench_run

    monkeypatch.setattr(bench_run, "measure", None)
    (tmp_path / "a file").touch()
    code, _, err = dmbench("bench", "run", "psnr", "--results", tmp_path / "a file")
    assert (code, "is a file" in err) == (USAGE, True)


@pytest.mark.parametrize("trouble", ["unwritable", "interrupted"])
def test_bench_run_prints_what_was_timed_whatever_comes_after(dmbench, tmp_path, monkeypatch, trouble):  # noqa: F811
    from dmbench.harness import bench_run
    from dmbench.harness.bench_machine import Roof

    def measure(case, *words, whole=bench_run.measure, **options):
        if trouble == "interrupted" and case.name != CASE:
            raise KeyboardInterrupt
        return whole(case, *words, **options)

    monkeypatch.setattr(bench_run, "roofline", lambda device, dtype, threads: Roof(1e11, 1e10))
    monkeypatch.setattr(bench_run, "measure", measure)
    if trouble == "unwritable":
        (tmp_path / "bench").touch()
    code, out, err = dmbench("bench", "run", "psnr", "ssim", "--seconds", "0", "--results", tmp_path)
    assert CASE in out
    if trouble == "unwritable":
        assert (code, err.count("dmbench: "), "cannot be written" in err) == (NOT_FINE, 1, True)
    else:
        assert (code, "dmbench: interrupted; what was timed is recorded" in err) == (130, True)


@pytest.mark.parametrize(("slow", "word", "expected"), [("b", "slower", NOT_FINE), ("a", "faster", FINE)])
def test_the_second_commit_is_compared_with_the_first(dmbench, monkeypatch, slow, word, expected):  # noqa: F811
    from dmbench.harness import bench_sides

    class Made:
        def __init__(self, folder, device):
            self.seconds = 0.03 if folder == slow else 0.02

        def prepare(self, case, weigh):
            return "", None

        def sample(self, number):
            return self.seconds

        def close(self):
            pass

    monkeypatch.setattr(bench_sides, "Side", Made)
    monkeypatch.setattr(bench_sides, "sources", lambda root, commit: nullcontext(commit))
    code, out, _ = dmbench("bench", "compare", "a", "b", "psnr")
    assert (code, f"1 {word}" in out) == (expected, True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "psrn"], "no case matches psrn: did you mean psnr"),
        (["run", "--device", "cudda"], "--device cudda: no device cudda here"),
        (["compare", "nonsense", ".", "psnr"], "nonsense is no commit here"),
        (["counters", "psnr", "--device", "abacus"], "--device abacus: "),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(dmbench, words, complaint):  # noqa: F811
    code, _, err = dmbench("bench", *words)
    assert (code, err.count("\n")) == (USAGE, 1)
    assert complaint in err


def test_benchmarks_need_a_checkout(monkeypatch, tmp_path, capsys):
    from dmbench.harness import bench_cases

    monkeypatch.setattr(bench_cases, "checkout", lambda: None)
    monkeypatch.setattr(sys, "argv", ["dmbench", "bench", "run"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "run it inside a clone of dmbench" in capsys.readouterr().err
