"""dm_control's tasks as tensors, in step with one another; skipped without the extra `control`."""

import builtins
import importlib.util

import numpy as np
import pytest
import torch

from dmbench.datasets.control import Control

needs = pytest.mark.skipif(importlib.util.find_spec("dm_control") is None, reason="needs the extra `control`")


@needs
def test_two_tasks_answer_as_dm_control_alone():
    from dm_control import suite

    tasks = Control("cartpole", "swingup", 2, repeat=2)
    seen = tasks.reset([3, 4])
    alone = [suite.load("cartpole", "swingup", task_kwargs={"random": seed}) for seed in (3, 4)]
    first = [task.reset() for task in alone]
    actions = torch.linspace(-1, 1, 12).reshape(6, 2, 1)
    np.testing.assert_allclose(
        seen, [np.concatenate([v.ravel() for v in t.observation.values()]) for t in first], atol=1e-6
    )
    for action in actions:
        tasks.send(action)
        answer = tasks.receive()
        for index, task in enumerate(alone):
            one, two = (task.step(action[index].numpy()) for _ in range(2))
            assert float(answer.rewards[index]) == pytest.approx(one.reward + two.reward, abs=1e-12)
            flat = np.concatenate([part.ravel() for part in two.observation.values()])
            np.testing.assert_allclose(answer.observations[index], flat, atol=1e-6)


@needs
def test_an_episode_is_a_function_of_its_seed_and_its_time_limit_cuts():
    tasks = Control("cartpole", "swingup", 1, repeat=300)
    assert not torch.equal(tasks.reset([1]), tasks.reset([2]))
    answers = []
    for _ in range(2):
        tasks.reset([1])
        for _ in range(4):
            tasks.send(torch.full((1, 1), 0.3))
            answers.append(tasks.receive())
    assert all(torch.equal(a.observations, b.observations) for a, b in zip(answers[:4], answers[4:], strict=True))
    assert [bool(a.truncated) for a in answers] == [False, False, False, True] * 2
    assert not any(bool(a.terminal) for a in answers)
    tasks.send(torch.zeros(1, 1))
    assert float(tasks.receive().rewards) == 0  # it waits for its restart


@needs
def test_what_cannot_be_used_is_one_line():
    with pytest.raises(ValueError, match="dm_control has no task cartpol-swingup: did you mean cartpole-swingup"):
        Control("cartpol", "swingup")
    with pytest.raises(ValueError, match="repeat must be at least 1: 0"):
        Control("cartpole", "swingup", repeat=0)
    tasks = Control("cartpole", "swingup")
    tasks.reset([0])
    with pytest.raises(ValueError, match="illegal action nan: this task's lie in -1 to 1"):
        tasks.send(torch.full((1, 1), float("nan")))


@needs
@pytest.mark.parametrize("part", ["observation", "reward"])
def test_what_is_not_finite_is_told(part, monkeypatch):
    tasks = Control("cartpole", "swingup")
    tasks.reset([0])
    good = tasks._tasks[0].step(np.zeros(1))
    bad = good._replace(**{part: {"position": np.array([np.nan])} if part == "observation" else np.inf})
    monkeypatch.setattr(tasks._tasks[0], "step", lambda action: bad)
    tasks.send(torch.zeros(1, 1))
    with pytest.raises(FloatingPointError, match="cartpole-swingup answered .*, which is not finite"):
        tasks.receive()


def test_without_dm_control_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("dm_control"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(NotImplementedError, match="dm_control is not installed: pip install 'dmbench.control.'"):
        Control("cartpole", "swingup")
