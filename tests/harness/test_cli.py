"""The command line: what a user types, what is printed, and the exit code."""

import json
import re
import sys
from dataclasses import replace

import pytest

from dmbench import cli
from dmbench.harness import discovery, paths
from dmbench.harness.numbers import read_paper
from dmbench.harness.records import append, read
from tests.harness import conftest
from tests.harness.test_subjects import mypkg  # noqa: F401

FINE, NOT_FINE, USAGE, NOTHING = 0, 1, 2, 3
RUDE = """
import sys
calls = []
def f(x):
    calls.append(x)
    if len(calls) > 2:  # the contract is tried twice, then comes the experiment
        {what}
    return 2.0
"""


@pytest.fixture
def dmbench(monkeypatch, capsys):
    """Run `dmbench WORDS` in this process; returns exit code, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["dmbench", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run


def test_run_measures_the_quick_tier_and_prints_a_verdict_for_every_number(toy, dmbench, results_folder):
    code, out, _ = dmbench("run", "toy")
    assert code == FINE
    assert re.search(r"toy/two +reproduced +printed 2\.00 things, measured 2\.0000 \(0\.0000\)", out)
    assert re.search(r"toy/noisy +not measured .*: dmbench run toy --number noisy", out)
    assert re.search(r"toy/elsewhere +not measured .*: nobody has the machine", out)
    assert "5 numbers: 2 reproduced, 3 not measured" in out
    assert len(read(results_folder)[0]) == 2


def test_run_of_every_tier_tells_a_failure_from_a_gap(toy, dmbench):
    code, out, _ = dmbench("run", "--tier", "all")
    assert code == NOT_FINE
    assert re.search(r"toy/breaks +failed +.*: RuntimeError: the wheel came off", out)
    assert re.search(r"toy/noisy +reproduced +printed 10 points, measured 10\.00? ± 0\.20?", out)


def test_json_is_one_document_and_progress_goes_elsewhere(toy, dmbench):
    code, out, _ = dmbench("run", "toy", "--json")
    rows = {row["number"]: row for row in json.loads(out)["verdicts"]}
    assert code == FINE
    assert (rows["two"]["verdict"], rows["two"]["measured"], rows["two"]["difference"]) == ("reproduced", 2.0, 0.0)
    assert rows["pair"]["measured"] == [1.0, 2.5]


def test_workers_measure_and_record(dmbench, results_folder):
    code, out, _ = dmbench("run", "--number", "parameters_9*", "--workers", "2")
    assert code == FINE
    assert "3 numbers: 3 reproduced" in out
    assert len(read(results_folder)[0]) == 3


def test_a_seed_that_fails_fails_the_number(toy, dmbench, monkeypatch):
    whole = conftest.noisy
    monkeypatch.setitem(vars(conftest), "noisy", whole)

    def some_fail(ctx):
        return {"noisy": float("nan") if ctx.seed > 1 else 10.0}

    monkeypatch.setattr(whole, "__code__", some_fail.__code__)
    code, out, _ = dmbench("run", "--number", "noisy")
    assert code == NOT_FINE
    assert re.search(r"toy/noisy +failed .*measured nan, which is not finite", out)


def test_an_interrupted_run_says_so_and_how_to_go_on(toy, dmbench, monkeypatch):
    def interrupt(ctx):
        raise KeyboardInterrupt

    monkeypatch.setattr(conftest.pair, "__code__", interrupt.__code__)
    code, _, err = dmbench("run", "toy")
    assert code == 130
    assert "--resume goes on from there" in err


@pytest.mark.parametrize("what", ["sys.exit(0)", "raise NameError('x')", "assert False, 'no'", "raise MemoryError"])
def test_nothing_that_an_implementation_raises_ends_the_run(toy, dmbench, tmp_path, monkeypatch, what):
    (tmp_path / "rude.py").write_text(RUDE.format(what=what))
    monkeypatch.chdir(tmp_path)
    code, out, err = dmbench("run", "--impl", "double=rude:f")
    sys.modules.pop("rude", None)
    assert code == NOT_FINE
    assert re.search(r"toy/two +failed", out), err


def test_an_own_implementation_is_judged_apart_and_below_is_exit_1(toy, dmbench, mypkg, results_folder):  # noqa: F811
    assert dmbench("run", "toy")[0] == FINE
    code, out, _ = dmbench("run", "--impl", "double=mypkg:short")
    assert code == NOT_FINE
    assert "measured: double=mypkg:short" in out
    assert re.search(r"toy/two +below .*measured 1\.9000 \(.0\.1000\): 0\.1 things from the printed value", out)
    assert "toy/pair" not in out  # an experiment that the part has no say in
    assert dmbench("tables")[0] == FINE
    table = (results_folder / "tables" / "verdicts.md").read_text()
    assert "## toy, by double=mypkg:short" in table


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "tory"], r"unknown stem tory: did you mean toy\?"),
        (["run", "--tier", "slwo"], r"unknown tier slwo: did you mean slow\?"),
        (["run", "--tier", "all", "--tier", "slwo"], r"unknown tier slwo: did you mean slow\?"),
        (["run", "--number", "two", "--tier", "slow"], "no number has these stems, tiers, patterns and parts together"),
        (["run", "--number", "tow"], r"no number matches tow: did you mean two\?"),
        (["run", "--impl", "x"], r"--impl x: write NAME=module:attribute"),
        (["run", "--impl", "double=nowhere:f"], "module nowhere is not found"),
        (["run", "--impl", "triple=mypkg:right"], "nothing chosen has a part called triple"),
        (["run", "--impl", "double=mypkg:wrong_type"], "returned str, not a float. The contract: "),
        (["run", "--device", "cudda"], "--device cudda: "),
        (["run", "--cluster", "2", "--workers", "2"], "--workers, --cluster and --scheduler say the same thing"),
        (["run", "--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers at tcp://127.0.0.1:1: start one"),
        (["run", "--scheduler", "nowhere"], "no scheduler answers at nowhere: start one"),
        (["merge", "nowhere"], "nowhere is no results folder"),
        (["data", "fetch", "nothing"], "unknown artifact nothing"),
        (
            ["compare", "here", "there"],
            "here is neither a results folder nor a commit or implementation that has records",
        ),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(toy, dmbench, mypkg, words, complaint):  # noqa: F811
    code, _, err = dmbench(*words)
    assert code == USAGE
    assert re.match(rf"dmbench: .*{complaint}", err)
    assert err.count("\n") == 1


def test_merge_adds_what_other_folders_measured_and_names_what_is_damaged(toy, dmbench, results_folder, tmp_path):
    assert dmbench("run", "toy", "--results", tmp_path / "far")[0] == FINE
    code, out, _ = dmbench("merge", tmp_path / "far")
    assert (code, out.split(":")[0]) == (FINE, "2 records added, 0 were there")
    assert len(read(results_folder)[0]) == 2
    with (tmp_path / "far" / "measured" / "toy.jsonl").open("a") as stream:
        stream.write("{\n")
    code, out, err = dmbench("merge", tmp_path / "far")
    assert (code, out.split(":")[0]) == (NOT_FINE, "0 records added, 2 were there")
    assert "toy.jsonl:3: damaged line, left out" in err


def test_an_option_that_does_not_exist_is_exit_2(dmbench):
    assert dmbench("run", "--nonsense")[0] == USAGE


def test_a_missing_mirror_folder_is_told_at_once(toy, dmbench, monkeypatch):
    monkeypatch.setenv("DMBENCH_MIRROR", "/nowhere")
    code, _, err = dmbench("run")
    assert (code, err) == (
        USAGE,
        "dmbench: DMBENCH_MIRROR=/nowhere is no folder: set it to one that is there, or unset it\n",
    )


def test_a_folder_that_cannot_be_written_is_one_line(toy, dmbench, tmp_path):
    (tmp_path / "file").write_text("")
    assert dmbench("run", "--results", tmp_path / "file")[0] == USAGE
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "measured").write_text("")
    code, _, err = dmbench("run", "--results", tmp_path / "folder")
    assert code == NOT_FINE
    assert "cannot be written" in err
    assert err.count("\n") == 1


def test_a_run_that_measured_nothing_is_exit_3(toy, dmbench):
    code, out, _ = dmbench("run", "--number", "elsewhere")
    assert code == NOTHING
    assert "1 numbers: 1 not measured" in out


def test_damaged_lines_are_named_and_the_rest_is_used(toy, dmbench, results_folder):
    dmbench("run")
    with (results_folder / "measured" / "toy.jsonl").open("a") as stream:
        stream.write('{"cut sho\n')
    code, _, err = dmbench("tables")
    assert code == FINE
    assert "toy.jsonl:3: damaged line, left out" in err


def test_tables_check_fails_when_the_records_say_otherwise(toy, dmbench, results_folder, record):
    dmbench("run")
    dmbench("tables")
    assert dmbench("tables", "--check")[0] == FINE
    append(results_folder, [record(value=1.0, time="2027-01-01T00:00:00+00:00")])
    code, _, err = dmbench("tables", "--check")
    assert code == NOT_FINE
    assert "verdicts.md" in err
    assert "run dmbench tables" in err
    dmbench("tables")
    assert dmbench("tables", "--check")[0] == FINE
    assert (
        "| two | 2.00 things | 1.0000 | \N{MINUS SIGN}1.0000 | below |"
        in (results_folder / "tables" / "verdicts.md").read_text()
    )


def test_compare_tells_what_moved_and_whether_it_matters(toy, dmbench, tmp_path, record):
    append(tmp_path / "a", [record(value=2.0), record("pair", [1, 2.5])])
    append(tmp_path / "b", [record(value=2.004, environment={"torch": "3.0"}), record("pair", [1, 2.5])])
    append(tmp_path / "c", [record(value=1.9)])
    code, out, _ = dmbench("compare", tmp_path / "a", tmp_path / "b")
    assert code == FINE
    assert re.search(r"toy/two +2 -> 2\.004 +\+0\.004 things, inside its tolerance of 0\.005 +reproduced", out)
    assert "2 numbers on both sides: 1 moved, 1 did not" in out
    assert "unlike environments: torch: 2.13.0 | 2.13.0, 3.0" in out
    code, out, _ = dmbench("compare", tmp_path / "a", tmp_path / "c")
    assert code == NOT_FINE
    assert "-0.1 things, outside its tolerance of 0.005  reproduced -> below" in out
    assert "only in" in out
    append(tmp_path / "e", [record(value=2.0)])
    assert dmbench("compare", tmp_path / "e", tmp_path / "b")[0] == FINE
    assert dmbench("compare", tmp_path / "a", tmp_path / "e")[0] == NOT_FINE  # a number is gone
    assert dmbench("compare", tmp_path / "c", tmp_path / "e")[0] == FINE  # it moved a lot, to the better
    (tmp_path / "d" / "measured").mkdir(parents=True)
    assert dmbench("compare", tmp_path / "a", tmp_path / "d")[0] == NOTHING


def test_compare_takes_commits_too(toy, dmbench, results_folder, record):
    append(results_folder, [record(value=2.0, commit="a" * 40), record(value=1.9, commit="b" * 40)])
    code, out, _ = dmbench("compare", "aaaaaaa", "bbbbbbb")
    assert (code, "outside its tolerance" in out) == (NOT_FINE, True)


def test_compare_takes_implementations_and_tells_which_of_them_a_seed_favours(toy, dmbench, results_folder, record):
    theirs = {"subject": {"double": "mine:f"}}
    append(results_folder, [record("noisy", 9.5 + s, seed=s) for s in range(3)] + [record("two", 2.0)])
    append(results_folder, [record("noisy", 10.5 + s, seed=s, **theirs) for s in range(2)])
    code, out, _ = dmbench("compare", "dmbench", "double=mine:f")
    assert "a seed of double=mine:f is better than one of dmbench with probability 0.67 [" in out
    assert "3 and 2 seeds" in out
    assert "1 numbers on both sides: 1 moved, 0 did not" in out
    assert "toy/two" not in out  # theirs has none
    assert code == FINE
    found = json.loads(dmbench("compare", "double=mine:f", "dmbench", "--json")[1])["numbers"][0]["b_is_better"]
    assert found[0] == pytest.approx(1 / 3)
    err = dmbench("compare", "dmbench", "double=mine:g")[2]
    assert "double=mine:g is neither" in err
    assert err.strip().endswith("and of the implementations dmbench, double=mine:f")


def test_compare_knows_that_lower_is_better_and_asks_for_two_seeds(toy, dmbench, results_folder, record):
    toy["toy"].numbers["noisy"] = replace(toy["toy"].numbers["noisy"], better="lower")
    theirs = {"subject": {"double": "mine:f"}}
    append(results_folder, [record("noisy", 9.0 + s, seed=s) for s in range(2)])
    append(results_folder, [record("noisy", 19.0, seed=0, **theirs)])
    assert "is better than" not in dmbench("compare", "dmbench", "double=mine:f")[1]
    append(results_folder, [record("noisy", 20.0, seed=1, **theirs)])
    out = dmbench("compare", "dmbench", "double=mine:f")[1]
    assert "a seed of double=mine:f is better than one of dmbench with probability 0.00 [0.00, 0.00]" in out


def test_tables_prints_the_tables_that_papers_declare(toy, dmbench, results_folder, record, tmp_path, monkeypatch):
    path = tmp_path / "toy.toml"
    path.write_text(
        conftest.PAPER
        + """
[[tables]]
key = "all"
title = "What there is"
over = "which"
rows = { two = "Two" }
columns = [{ heading = "measured", number = "{which}", show = "measured" }]
"""
    )
    monkeypatch.setattr(discovery, "papers", lambda folder=None: {"toy": read_paper(path)})
    append(results_folder, [record("two", 2.001)])
    code, out, _ = dmbench("tables", "--no-pictures")
    assert code == FINE
    assert "What there is\nTwo\n  measured  2.0010\n" in out
    assert "toy_all.csv" in out


def test_list_shows_numbers_and_parts(toy, dmbench):
    code, out, _ = dmbench("list")
    assert (code, out.strip()) == (FINE, "toy: Doe (1999), On Toys; 5 numbers (2 quick, 1 slow, 1 full)")
    out = dmbench("list", "toy")[1]
    assert re.search(r"two +quick +2\.00 things ± 0\.005; Table 1", out)
    assert "--impl double=module:attribute replaces tests.harness.conftest:double. double(x) returns a float." in out
    assert len(json.loads(dmbench("list", "toy", "--json")[1])) == 5


def test_list_missing_names_what_no_record_measures_and_fails_where_no_reason_is_written(toy, dmbench):
    code, out, _ = dmbench("list", "--missing")
    assert code == NOT_FINE
    assert "toy: no reason is written: nothing here stands in its way\n  two, noisy, pair\n" in out
    assert "toy: full tier: hours of a GPU, or days of a CPU\n  breaks\n  dmbench run toy --number breaks\n" in out
    assert "toy: nobody has the machine\n" in out
    dmbench("run", "--tier", "quick", "--tier", "slow")
    code, out, _ = dmbench("list", "toy", "--missing", "--json")
    assert code == FINE
    assert [(row["number"], row["command"]) for row in json.loads(out)] == [
        ("toy/breaks", "dmbench run toy --number breaks"),
        ("toy/elsewhere", ""),
    ]


def test_doctor_tells_what_can_run(toy, dmbench):
    code, out, _ = dmbench("doctor")
    assert code == FINE
    assert re.search(r"torch +\d", out)
    assert "quick: 2 of 2 experiments can run here" in out


def test_data_list_shows_every_artifact(dmbench):
    code, out, _ = dmbench("data", "list")
    assert code == FINE
    assert all("licence: " in line for line in out.splitlines())


def test_version(dmbench):
    assert re.fullmatch(r"dmbench \d+\.\d+\.\d+\n", dmbench("--version")[1])


def test_results_go_to_the_checkout_only_from_inside_it(monkeypatch, tmp_path):
    monkeypatch.delenv("DMBENCH_RESULTS")
    monkeypatch.chdir(tmp_path)
    assert str(paths.results_folder()) == "dmbench-results"
    monkeypatch.chdir(paths.checkout() / "tests")
    assert paths.results_folder() == paths.reference()
