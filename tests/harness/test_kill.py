"""A run that is killed at random, and resumed, ends with the table of one that was left alone."""

import os
import random
import subprocess
import sys
import time

import pytest

RUN = ["run", "bicubic", "srcnn", "--resume", "--results"]


def dmbench(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "dmbench", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(*words):
    process = dmbench(*words)
    return process.communicate()[0], process.returncode


@pytest.mark.data
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_and_resumed_ends_with_the_same_table(tmp_path, artifact, kills, workers):
    for name in ("set5", "srcnn_955", "srcnn_915"):
        artifact(name)
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    begin = time.monotonic()
    finished(*RUN, alone)
    took = time.monotonic() - begin
    rng = random.Random(0)
    for _ in range(kills):
        process = dmbench(*RUN, killed, "--workers", workers)
        time.sleep(rng.uniform(0.3, 1.0) * took)
        os.killpg(process.pid, 9)
        process.communicate()
    output, _ = finished(*RUN, killed)
    assert "measured before, taken from the records" in output
    for folder in (alone, killed):
        assert finished("tables", "--no-pictures", "--results", folder)[1] == 0
    for name in ("verdicts.md", "verdicts.csv", "verdicts.tex"):
        assert (alone / "tables" / name).read_text() == (killed / "tables" / name).read_text()
