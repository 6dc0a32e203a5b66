"""A training that is killed, or finds the disk full, at any moment: the last checkpoint is whole, the run goes on."""

import errno
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dmbench.agents.ddpg import Actor, Critic
from dmbench.agents.dqn import VectorNetwork
from dmbench.agents.parts import replay_files
from dmbench.datasets.environments import Tasks
from dmbench.experiments import _ddpg, _dqn
from dmbench.harness import measure as measuring
from dmbench.harness.measure import Settings, Task
from tests import test_ddpg, test_dqn

PENDULUM = replace(test_ddpg.TINY, steps=140, environments=2, memory=90, batch=4, begin=20, evaluate_every=70)
CARTPOLE = replace(test_dqn.TINY, steps=140, memory=90, lives=False, evaluate_every=70, checkpoint_every=0.0)


def ddpg(ctx):
    """Train on Pendulum: the weights that come of it."""
    torch.manual_seed(3)
    actor, critic = Actor(3, 1, units=(9, 8)), Critic(3, 1, units=(9, 8))
    _ddpg.train(ctx, lambda count: Tasks("Pendulum-v1", count), actor, critic, PENDULUM)
    return [*actor.parameters(), *critic.parameters()]


def dqn(ctx):
    """Train on CartPole: the weights that come of it."""
    torch.manual_seed(3)
    network = VectorNetwork(4, 2, units=9)
    _dqn.train(ctx, lambda count: Tasks("CartPole-v1", count), network, CARTPOLE)
    return list(network.parameters())


class Killed(BaseException):
    """A kill: nothing that follows is done."""


@pytest.fixture
def context(tmp_path, monkeypatch, one_thread):
    """Return, by name, the contexts that experiments are given; and pieces so small that many are written."""
    monkeypatch.setattr(replay_files, "PIECE", 8)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # slow, and no power is cut here
    chosen = SimpleNamespace(case={}, artifacts=(), name="training")

    def make(name="killed", resume=None):
        task = Task("dqn", "training", (), "full", 0)
        settings = Settings(tmp_path / name, resume=resume)
        return measuring._Context(chosen, task, settings, {}, {}, lambda done, total: None, None)

    return make


def outcome(train, ctx):
    """All that the training says: weights, scores and losses."""
    weights = [weight.detach().clone() for weight in train(ctx)]
    return weights, [{key: value for key, value in point.items() if key != "seconds"} for point in ctx._curve]


def same(one, other):
    return one[1] == other[1] and all(torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))


def nth(number, raises, before, real):
    """Let `real` be called, but for the number-th call, which raises before or after it is done."""
    calls = iter(range(1, 10**6))

    def call(*args, **kwargs):
        if next(calls) != number:
            return real(*args, **kwargs)
        if not before:
            real(*args, **kwargs)
        raise raises

    return call


@pytest.mark.parametrize("train", [ddpg, dqn])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("where", ["piece", "state", "tidy"])
def test_a_kill_while_a_checkpoint_is_written_changes_nothing(train, before, where, context, monkeypatch):
    """Before or after a piece, the state, or the deletion of old pieces; three times, at other moments."""
    expected = outcome(train, context("alone"))
    module, name = {
        "piece": (replay_files, "_write"),
        "state": (measuring.Checkpoint, "save"),
        "tidy": (replay_files, "tidy"),
    }[where]
    for number in (2, 4, 3):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, nth(number, Killed(), before, getattr(module, name)))
            with pytest.raises(Killed):
                train(context())
    assert same(outcome(train, context()), expected)


@pytest.mark.parametrize("train", [ddpg, dqn])
@pytest.mark.parametrize("where", ["piece", "state"])
def test_a_full_disk_costs_neither_the_run_nor_the_last_checkpoint(train, where, context, monkeypatch, capsys):
    expected = outcome(train, context("alone"))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        if where == "piece":
            patch.setattr(replay_files, "_write", nth(3, full, True, replay_files._write))
        else:
            patch.setattr(measuring.Checkpoint, "save", nth(3, full, True, measuring.Checkpoint.save))
        assert same(outcome(train, context()), expected)
    said = capsys.readouterr().err
    assert said == "dmbench: dqn/training seed 0: no new checkpoint, going on without (No space left on device)\n"


@pytest.mark.parametrize(("train", "last"), [(ddpg, 60), (dqn, 120)])
def test_a_disk_that_stays_full_leaves_the_last_checkpoint_to_go_on_from(train, last, context, monkeypatch):
    """The pieces that it needs stay, though the memory has long overwritten them."""
    expected = outcome(train, context("alone"))
    saves = iter(range(10**6))
    save = measuring.Checkpoint.save

    def fills(self, state):
        if (number := next(saves)) == last:
            raise Killed
        if number >= 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, state)

    with monkeypatch.context() as patch:
        patch.setattr(measuring.Checkpoint, "save", fills)
        with pytest.raises(Killed):
            train(context())
    assert same(outcome(train, context()), expected)


def test_nothing_half_written_stays(context, monkeypatch):
    ctx = context()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", nth(3, OSError(errno.ENOSPC, "full"), True, lambda descriptor: None))
        ddpg(ctx)
    assert not list(ctx.folder().glob("*.partial"))
    (ctx.folder() / "7.1.partial").touch()  # as a kill leaves them
    half = ctx.checkpoint.path.with_name(f".{ctx.checkpoint.path.name}.1")
    half.touch()
    again = context()
    ddpg(again)
    assert not list(again.folder().glob("*.partial"))
    again.checkpoint.delete()
    assert not list(half.parent.iterdir())


def test_another_number_of_threads_is_told_and_recorded(context, monkeypatch, capsys):
    ctx = context()
    ctx.save({"done": 1})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    later = context()
    assert later.load() == {"done": 1}
    assert "goes on with 2 threads after 1: last digits will not be those" in capsys.readouterr().err
    assert later._notes["threads"] == [1, 2]
    later.save({"done": 2})
    last = context()
    last.load()
    assert capsys.readouterr().err == ""
    assert last._notes["threads"] == [1, 2]


def test_fresh_leaves_nothing_of_the_old_run_to_go_on_from(context):
    ctx = context()
    ctx.save({"done": 1})
    (ctx.folder() / "0.piece").touch()
    assert context(resume=False).load() is None
    assert context().load() is None
    assert not ctx.checkpoint.folder.exists()


def flipped(whole):
    """One bit of the weights is another one."""
    place = whole.index(torch.arange(2000.0).numpy().tobytes()) + 1234
    return whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


cuts = [lambda whole, share=share: whole[: int(share * len(whole))] for share in (0.01, 0.1, 0.5, 0.9, 0.99)]


@pytest.mark.parametrize("content", [b"", b"garbage", flipped, *cuts])
def test_a_damaged_checkpoint_is_told_and_kept_aside(content, context, capsys):
    ctx = context()
    ctx.save({"done": 1, "weights": torch.arange(2000.0)})
    whole = ctx.checkpoint.path.read_bytes()
    damaged = content(whole) if callable(content) else content
    ctx.checkpoint.path.write_bytes(damaged)
    assert context().load() is None
    said = capsys.readouterr().err
    assert said.startswith("dmbench: dqn/training seed 0: the checkpoint is damaged, beginning anew (")
    assert said.count("\n") == 1
    assert ctx.checkpoint.damaged.read_bytes() == damaged
