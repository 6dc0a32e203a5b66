"""gymnasium's tasks as tensors, in step with one another."""

import gymnasium
import numpy as np
import pytest
import torch

from dmbench.datasets.environments import Tasks


def test_two_tasks_answer_as_gymnasium_alone():
    tasks = Tasks("CartPole-v1", 2)
    alone = [gymnasium.make("CartPole-v1") for _ in range(2)]
    seen = tasks.reset([3, 4])
    for index, task in enumerate(alone):
        np.testing.assert_array_equal(seen[index], task.reset(seed=3 + index)[0])
    for time in range(8):
        tasks.send(torch.tensor([0, time % 2]))
        answer = tasks.receive()
        for index, task in enumerate(alone):
            observation, reward, terminal, truncated, _ = task.step([0, time % 2][index])
            np.testing.assert_array_equal(answer.observations[index], observation)
            assert (float(answer.rewards[index]), bool(answer.terminal[index])) == (reward, terminal)
            assert bool(answer.truncated[index]) is truncated


def test_a_task_that_is_over_waits_for_its_restart():
    tasks = Tasks("CartPole-v1", 1)
    tasks.reset([0])
    for _ in range(30):
        tasks.send(torch.tensor([1]))
        if bool((answer := tasks.receive()).terminal):
            break
    tasks.send(torch.tensor([1]))
    after = tasks.receive()
    assert torch.equal(after.observations, answer.observations)
    assert float(after.rewards) == 0
    assert not bool(after.terminal)
    assert float(tasks.restart(torch.tensor([True]), [1]).abs().max()) <= 0.05


def test_a_time_limit_cuts_and_does_not_end():
    tasks = Tasks("Pendulum-v1", 1)
    assert tasks.actions == 0
    tasks.reset([0])
    answers = []
    for _ in range(200):
        tasks.send(torch.zeros(1, 1))
        answers.append(tasks.receive())
    assert [bool(a.truncated) for a in answers] == [False] * 199 + [True]
    assert not any(bool(a.terminal) for a in answers)


@pytest.mark.parametrize("answer", ["observation", "reward"])
def test_what_is_not_finite_is_told(answer, monkeypatch):
    tasks = Tasks("CartPole-v1", 1)
    tasks.reset([0])
    bad = (np.full(4, np.nan), 1.0) if answer == "observation" else (np.zeros(4), float("inf"))
    monkeypatch.setattr(tasks._tasks[0], "step", lambda action: (*bad, False, False, {}))
    tasks.send(torch.tensor([0]))
    with pytest.raises(FloatingPointError, match="CartPole-v1 answered .*, which is not finite"):
        tasks.receive()


def test_an_unknown_task_is_told_with_the_nearest_names():
    with pytest.raises(ValueError, match="gymnasium has no task CartPol-v1: did you mean CartPole-v1"):
        Tasks("CartPol-v1")


def test_an_illegal_action_is_told():
    tasks = Tasks("CartPole-v1", 1)
    tasks.reset([0])
    with pytest.raises(ValueError, match="illegal action 2: this game has the actions 0 to 1"):
        tasks.send(torch.tensor([2]))


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (torch.tensor([[2.5]]), "illegal action 2.5: this task's lie in -2 to 2"),
        (torch.tensor([[float("nan")]]), "illegal action nan"),
        (torch.zeros(1), "need actions as a floating-point tensor of shape .1, 1.: torch.float32 of shape .1,."),
        (torch.zeros(1, 1, dtype=torch.int64), "need actions as a floating-point tensor"),
    ],
)
def test_an_action_out_of_bounds_is_told(actions, words):
    tasks = Tasks("Pendulum-v1", 1)
    tasks.reset([0])
    with pytest.raises(ValueError, match=words):
        tasks.send(actions)
