"""Comparing two sides on noise that is made up, seeded, and worse than that of two busy cores."""

import math

import numpy as np
import pytest

from dmbench.harness.bench_compare import AGAIN, A, B, Compared, LostSide, compare, exit_code
from dmbench.harness.bench_show import print_compared
from dmbench.harness.bench_stats import CANNOT_TELL, FASTER, SAME, SLOWER

CASES = {f"case {i}": 10.0**-i for i in (1, 2, 4)}  # seconds


class Machine:
    """A clock that only samples move, and noise on it: bursts of seconds, drift, heavy tails, unlike processes."""

    def __init__(self, seed, factor=1.0, noise=1.0):
        self.random, self.factor, self.noise = np.random.default_rng(seed), factor, noise
        self.now, self.drift, self.burst_ends, self.burst, self.started = 0.0, 0.0, 0.0, 1.0, []

    def start(self, name):
        self.now += 3.0
        self.started.append(name)
        return Process(self, name)

    def disturbance(self, seconds):
        """How much longer what takes these seconds takes now; time goes on."""
        self.now += seconds
        keep = math.exp(-seconds / 2)  # drift is forgotten over two seconds
        self.drift = keep * self.drift + math.sqrt(1 - keep**2) * self.random.normal(0, 0.15)
        if self.now > self.burst_ends and self.random.random() < 1 - math.exp(-seconds / 5):
            self.burst, self.burst_ends = self.random.uniform(1.2, 3.0), self.now + self.random.exponential(2.0)
        burst = self.burst if self.now < self.burst_ends else 1.0
        tail = 0.05 * self.random.standard_t(2.0) + (self.random.random() < 0.05) * self.random.pareto(1.5)
        return math.exp(self.noise * (self.drift + math.log(burst) + max(tail, -0.5)))


class Process:
    def __init__(self, machine, name):
        self.machine, self.factor = machine, machine.factor if name == B else 1.0
        self.layout = {case: math.exp(machine.noise * machine.random.normal(0, 0.04)) for case in CASES}

    def prepare(self, case, weigh):
        self.case = case
        return "", 1000 if weigh else None

    def sample(self, number):
        seconds = CASES[self.case] * self.factor * self.layout[self.case]
        return seconds * self.machine.disturbance(seconds * number)

    def close(self):
        self.machine.now += 0.1


def run(machine, **options):
    return compare(list(CASES), machine.start, clock=lambda: machine.now, **options)


def test_twenty_pairs_of_a_against_itself_are_never_called_slower_or_faster():
    kinds = [one.answer.kind for seed in range(20) for one in run(Machine(seed))]
    assert set(kinds) <= {SAME, CANNOT_TELL}
    assert len(kinds) == 20 * len(CASES)


def test_a_planted_slowdown_of_one_and_a_half_is_always_found():
    for seed in range(20):
        found = run(Machine(seed, factor=1.5))
        assert [one.answer.kind for one in found] == [SLOWER] * len(CASES)
        assert all(one.answer.low < 1.5 < one.answer.high for one in found)
        assert exit_code(found) == 1


def test_a_planted_speedup_is_called_faster():
    assert {one.answer.kind for one in run(Machine(0, factor=1 / 1.5))} == {FASTER}


def test_on_a_quiet_machine_five_per_cent_are_found_and_equals_are_the_same():
    slower, same = run(Machine(0, factor=1.05, noise=0.05)), run(Machine(1, noise=0.05))
    assert {one.answer.kind for one in slower} == {SLOWER}
    assert {one.answer.kind for one in same} == {SAME}
    assert all(one.answer.within < 0.05 for one in same)
    assert exit_code(same) == 0


def test_each_generation_has_fresh_processes_of_all_three_sides_in_another_order():
    machine = Machine(0)
    run(machine)
    thirds = [tuple(machine.started[i : i + 3]) for i in range(0, len(machine.started), 3)]
    assert len(thirds) >= 3
    assert all(set(third) == {A, B, AGAIN} for third in thirds)
    assert len(set(thirds)) > 1


def test_a_spent_budget_leaves_cannot_tell():
    found = run(Machine(0, factor=1.5), budget=10.0)
    assert {one.answer.kind for one in found} == {CANNOT_TELL}
    assert exit_code(found) == 3


def test_an_interruption_leaves_what_was_found_until_then():
    told = []

    class Interrupted(Scripted):
        def sample(self, number):
            if self.case == "second":
                raise KeyboardInterrupt
            return super().sample(number)

    found = compare(["first", "second"], lambda name: Interrupted(name, {}), tell=told.append)
    assert [len(one.effects) for one in found] == [1, 0]
    assert told == ["interrupted: what was found until then follows"]


class Scripted:
    """A side that needs no time; what is not `well` cannot run or dies."""

    def __init__(self, name, ailing):
        self.name, self.ailing = name, ailing

    def prepare(self, case, weigh):
        self.case = case
        reason = self.ailing.get((self.name, case), "")
        return ("" if reason == "dies" else reason), {A: 100, B: 150}[self.name] if weigh else None

    def sample(self, number):
        if self.ailing.get((self.name, self.case)) == "dies":
            raise LostSide("a bus error")
        return 0.001 * (1 + 0.001 * len(self.name))

    def close(self):
        pass


def test_what_one_commit_cannot_run_is_named_and_the_rest_goes_on(capsys):
    from rich.console import Console

    ailing = {(A, "new"): "its suite has no such case", (B, "deadly"): "dies"}
    found = compare(["new", "deadly", "fine"], lambda name: Scripted(name, ailing))
    new, deadly, fine = found
    assert new.reasons == {A: "its suite has no such case"}
    assert deadly.reasons == {B: "its process ended: a bus error"}
    assert (fine.answer.kind, fine.memory) == (SAME, 1.5)
    step = math.log(1.002 / 1.001)  # A' has the longer name
    assert fine.effects == pytest.approx([-step / 2] * 3, abs=1e-12)
    assert fine.nulls == pytest.approx([step] * 3, abs=1e-12)
    assert exit_code(found) == 0
    print_compared(found, "HEAD~1", "HEAD", Console(width=200))
    out = capsys.readouterr().out
    assert "not run: A: its suite has no such case" in out
    assert "peak memory x1.500" in out
    assert "HEAD against HEAD~1: 2 not run, 1 same" in out


@pytest.mark.parametrize("ailing", [{(A, "x"): "no"}, {(B, "x"): "no"}, {(AGAIN, "x"): "dies"}])
def test_a_comparison_of_nothing_is_exit_3(ailing):
    assert exit_code(compare(["x"], lambda name: Scripted(name, ailing))) == 3
    assert exit_code([Compared("x")]) == 3
