"""Handing out, with a link that does as it is told: what no run on real processes can time."""

import pickle
import queue
from collections import Counter
from types import SimpleNamespace

import pytest

from dmbench.harness import cells as worker_side
from dmbench.harness import cluster_link, cluster_run
from dmbench.harness.cells import Answer, Cell, facts
from dmbench.harness.cluster import Where
from dmbench.harness.cluster_link import Interrupted
from dmbench.harness.errors import ArtifactError, UsageError
from dmbench.harness.listener import Listener
from dmbench.harness.measure import Outcome, Settings, Task
from dmbench.harness.runner import run

TASKS = [Task("toy", "short", ("short",), "quick", seed) for seed in range(6)]


class Link:
    """Workers by name, each a function from cells to answers, or to None while it keeps them to itself."""

    up = True

    def __init__(self, **workers):
        self.there = {name: {} for name in workers}
        self.does = workers
        self.ended, self.told = queue.SimpleQueue(), queue.SimpleQueue()
        self.kept, self.calls, self.facts = [], [], facts()

    def workers(self):
        return self.there

    def submit(self, address, function, *arguments, gpu=False):
        future = SimpleNamespace(key=f"{len(self.calls)}", status="finished", address=address)
        self.calls.append((address, arguments))
        result = self.facts if function is facts else self.does[address](*arguments)
        if result is None:
            self.kept.append((future, arguments))
        else:
            self.finish(future, result)
        return future

    def finish(self, future, result):
        future.result = lambda: pickle.dumps(result)
        self.ended.put(future)

    def close(self):
        """Nothing is open."""


def answers(cells, forget):
    return [Answer(cell.key, Outcome(cell.task, reason="done")) for cell in cells]


@pytest.fixture
def hand_out(monkeypatch, tmp_path):
    """Hand out tasks by a link, and return their outcomes in order."""

    def all_of(link, tasks=TASKS, device="cpu", listener=None):
        monkeypatch.setattr(cluster_run, "Link", lambda address, said: link)
        monkeypatch.setattr(cluster_run, "LOOK_EVERY", -1.0)
        run = cluster_run.HandingOut(list(tasks), Settings(tmp_path, device), listener or Listener(), "tcp://x")
        return [outcome for some in run.outcomes() for outcome in some]

    return all_of


def test_a_cell_of_a_worker_that_died_and_answers_after_all_counts_once(hand_out):
    def dies(cells, forget):
        link.there.pop("first", None)
        link.there["second"] = {}

    def second(cells, forget):
        for future, (kept, _) in link.kept:  # what the first had finished comes now
            link.finish(future, answers(kept, []))
        link.kept.clear()
        return answers(cells, forget)

    link = Link(first=dies, second=second)
    del link.there["second"]
    assert Counter(outcome.task for outcome in hand_out(link)) == Counter(TASKS)


def test_answers_that_come_with_the_news_of_a_cancelled_batch_count_once(hand_out):
    def cancelled_once(cells, forget):
        if len(link.calls) == 2:
            future = SimpleNamespace(key="1", status="cancelled")
            link.ended.put(future)
            return None
        return answers(cells, forget)

    link = Link(one=cancelled_once)
    assert Counter(outcome.task for outcome in hand_out(link)) == Counter(TASKS)


def test_what_a_batch_had_no_time_for_is_handed_out_again(hand_out):
    link = Link(one=lambda cells, forget: answers(cells[:1], forget))
    many = [Task("toy", "short", ("short",), "quick", seed) for seed in range(60)]
    assert Counter(outcome.task for outcome in hand_out(link, many)) == Counter(many)
    assert max(len(arguments[0]) for _, arguments in link.calls if arguments) > 1


def test_an_artifact_that_is_nowhere_is_the_cells_reason_and_one_lost_on_the_way_is_brought_again(hand_out):
    here = set()

    def wants(cells, forget):
        return [Answer(cell.key, Outcome(cell.task), wants=() if here else ("set5",)) for cell in cells]

    link, brought = Link(one=wants), []

    def bring(address, artifact):
        brought.append(artifact)
        if len(brought) == 1:
            raise Interrupted("the worker went")
        here.add(artifact)
        return True

    link.bring = bring
    assert [outcome.reason for outcome in hand_out(link, TASKS[:1])] == [""]
    assert brought == ["set5", "set5"]

    def nowhere(address, artifact):
        raise ArtifactError("set5 is not on this machine")

    here.clear()
    link.bring = nowhere
    (outcome,) = hand_out(link, TASKS[:1])
    assert (outcome.reason, outcome.failed) == ("ArtifactError: set5 is not on this machine", False)


def test_a_worker_that_never_has_what_was_brought_does_not_hold_up_the_run(hand_out):
    link = Link(one=lambda cells, forget: [Answer(c.key, Outcome(c.task), wants=("set5",)) for c in cells])
    link.bring = lambda address, artifact: False
    (outcome,) = hand_out(link, TASKS[:1])
    assert outcome.failed
    assert outcome.reason == "set5: brought to worker one before, and not there"


def test_on_gpus_only_workers_with_the_resource_get_cells_and_each_call_takes_it(hand_out):
    listener = Listener()
    said, taken = [], []
    listener.said = said.append
    link = Link(plain=answers, graphics=answers)
    link.there["graphics"] = {"resources": {"GPU": 1.0}}
    submit = link.submit
    link.submit = lambda address, function, *rest, gpu=False: (
        taken.append((address, function is facts, gpu)), submit(address, function, *rest)
    )[1]  # fmt: skip
    outcomes = hand_out(link, device="cuda", listener=listener)
    assert Counter(outcome.task for outcome in outcomes) == Counter(TASKS)
    assert said == ["refused: worker plain has no GPU as a dask resource: start it with --resources GPU=1"]
    assert taken[0] == ("graphics", True, False)
    assert {call[1:] for call in taken[1:]} == {(False, True)}
    assert {address for address, *_ in taken} == {"graphics"}


def test_workers_started_for_a_run_have_no_gpus(toy, tmp_path):
    with pytest.raises(UsageError, match=r"^--cluster 2 starts workers without GPUs: .*--resources GPU=1"):
        run([toy["toy"].numbers["two"]], Settings(tmp_path, device="cuda"), cluster=Where(workers=2))


def test_a_worker_begins_no_further_cell_of_a_batch_when_its_time_is_over(monkeypatch):
    clock = iter([0.0, 0.4, 0.9, 1.3, 5.0])
    monkeypatch.setattr(worker_side, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(worker_side, "_answer", lambda cell, tell, store: Answer(cell.key, Outcome(cell.task)))
    found = worker_side.answer([Cell(task) for task in TASKS], [], lambda task, done, total: None)
    assert [one.outcome.task for one in found] == TASKS[:3]
    assert [round(one.seconds, 3) for one in found] == [0.4, 0.5, 0.4]


def test_a_scheduler_that_stays_away_ends_the_run_with_one_line(monkeypatch):
    def nobody(self, patience):
        raise UsageError("no scheduler answers at tcp://x")

    clock = iter([0.0, 1.0, 200.0])
    quiet = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None, close=lambda timeout: None)
    monkeypatch.setattr(cluster_link, "time", quiet)
    monkeypatch.setattr(cluster_link.Link, "_connected", lambda self, patience: quiet)
    said = []
    link = cluster_link.Link("tcp://x", said.append)
    monkeypatch.setattr(cluster_link.Link, "_connected", nobody)
    with pytest.raises(UsageError, match="no scheduler answers"):
        link.reconnect()
    assert said == ["the scheduler at tcp://x is gone: waiting for it"]


@pytest.mark.parametrize(
    ("name", "has"), [("torch", "2.11.0"), ("python", "3.10"), ("dmbench's sources", "0123456789abcdef")]
)
def test_a_worker_with_another_version_gets_nothing_and_is_named(hand_out, monkeypatch, name, has):
    link, listener, said = Link(other=answers), Listener(), []
    link.facts = facts() | {"host": "elsewhere", name: has}
    listener.said = said.append
    monkeypatch.setattr(cluster_run, "PATIENCE", -1.0)
    outcomes = hand_out(link, listener=listener)
    reason = f"worker other on elsewhere has {name} {has}, this run {facts()[name]}"
    assert said == [f"refused: {reason}"]
    assert {outcome.reason for outcome in outcomes} == {f"no worker that can be used: {reason.removeprefix('worker ')}"}
    assert Counter(outcome.task for outcome in outcomes if outcome.failed) == Counter(TASKS)
    assert all(not arguments for _, arguments in link.calls)
