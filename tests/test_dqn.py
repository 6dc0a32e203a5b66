"""Deep Q-learning: its equations as loops, its training against a run that was killed, its contract."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from safetensors.torch import load
from torch import nn

from dmbench.agents.dqn import (
    Learner,
    NatureNetwork,
    PlayingAtariNetwork,
    Rule,
    VectorNetwork,
    channels_last,
    clip_rewards,
    epsilon_at,
    epsilon_greedy,
    q_loss,
    q_target,
    scaled,
)
from dmbench.agents.parts.replay import Batch
from dmbench.agents.parts.rmsprop import RMSProp
from dmbench.datasets.atari import Atari, playing_atari
from dmbench.datasets.atari_spares import SparedAtari
from dmbench.datasets.environments import Step, Tasks
from dmbench.experiments import dqn as experiments
from dmbench.experiments._dqn import greedy, keep, random_player, train
from dmbench.experiments._dqn_agents import network_of
from dmbench.experiments._dqn_training import Recipe, Training
from dmbench.experiments._sb3 import read_policy
from dmbench.experiments._scoring import mean_and_error, play
from dmbench.experiments.dqn import ADAM, CARTPOLE, PAPER_2013, PAPER_NATURE, check_agent, scored, scored_network
from dmbench.harness.checkpoint import Checkpoint
from dmbench.harness.discovery import papers
from dmbench.harness.errors import ContractError
from dmbench.harness.measure import Settings
from dmbench.harness.runner import run

CPU = torch.device("cpu")


def batch(size=5, inputs=3, actions=4, seed=0, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(2, size, inputs, generator=random, dtype=dtype)
    a_tm1 = torch.randint(actions, (size,), generator=random)
    end_t = torch.rand(size, generator=random) < 0.4
    return Batch(states[0], a_tm1, torch.randn(size, generator=random, dtype=dtype), end_t, states[1])


@pytest.mark.parametrize("double", [False, True])
def test_targets_are_the_equations_as_printed(double):
    random = torch.Generator().manual_seed(1)
    q_t, chooser = torch.randn(2, 6, 4, generator=random, dtype=torch.float64)
    r_t, end_t = torch.randn(6, generator=random, dtype=torch.float64), torch.tensor([0, 1, 0, 0, 1, 0]).bool()
    expected = []
    for row in range(6):
        if end_t[row]:
            expected.append(float(r_t[row]))
            continue
        values = (chooser if double else q_t)[row].tolist()
        best = max(range(4), key=values.__getitem__)
        expected.append(float(r_t[row] + 0.9 * q_t[row, best]))
    target = q_target(r_t, end_t, q_t, 0.9, chooser if double else None)
    assert target.tolist() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("clip", [False, True])
def test_the_gradient_is_the_error_or_the_clipped_error(clip, reduction):
    q = torch.tensor([[0.5, 9.0], [3.0, 2.0], [-1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.2, 5.0, -0.5], dtype=torch.float64, requires_grad=True)
    loss = q_loss(q, torch.tensor([0, 1, 1]), target, clip, reduction)
    loss.backward()
    errors = [0.3, -3.0, 0.5]
    slope = [max(-1, min(1, e)) if clip else e for e in errors]
    losses = [e * e / 2 if not clip or abs(e) <= 1 else abs(e) - 0.5 for e in errors]
    share = 1 if reduction == "sum" else 1 / 3
    assert loss.item() == pytest.approx(sum(losses) * share, abs=1e-14)
    assert q.grad.tolist() == [
        pytest.approx([slope[0] * share, 0], abs=1e-14),
        pytest.approx([0, slope[1] * share], abs=1e-14),
        pytest.approx([0, slope[2] * share], abs=1e-14),
    ]
    assert target.grad is None


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_the_equations_as_printed(momentum):
    w = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimiser = RMSProp([w], lr=0.1, decay=0.95, momentum=momentum, eps=0.01)
    by_hand = [[1.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0]]
    for update in range(20):
        gradients = [math.sin(update), 0.01 * update]
        w.grad = torch.tensor(gradients, dtype=torch.float64)
        optimiser.step()
        for state, g in zip(by_hand, gradients, strict=True):
            state[1] = 0.95 * state[1] + 0.05 * g * g
            state[2] = 0.95 * state[2] + 0.05 * g
            state[3] = momentum * state[3] - 0.1 * g / math.sqrt(state[1] - state[2] ** 2 + 0.01)
            state[0] += state[3]
    assert w.tolist() == pytest.approx([state[0] for state in by_hand], abs=1e-12)


def test_epsilon_falls_from_one_to_a_tenth_over_a_million_steps():
    assert [epsilon_at(step) for step in (0, 50_000, 550_000, 1_050_000, 9_000_000)] == pytest.approx(
        [1, 1, 0.55, 0.1, 0.1], abs=1e-12
    )
    assert epsilon_at(500, begin=0, over=1000, end=0.0) == pytest.approx(0.5)


def test_epsilon_is_the_share_of_random_actions():
    q = torch.tensor([[0.0, 3.0, 1.0]]).repeat(20_000, 1)
    random = torch.Generator().manual_seed(0)
    assert epsilon_greedy(q, 0.0, random).unique().tolist() == [1]
    shares = epsilon_greedy(q, 0.3, random).bincount() / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.8, 0.1], abs=0.012)


@pytest.mark.parametrize(("network", "count"), [(PlayingAtariNetwork, 677_686), (NatureNetwork, 1_687_206)])
def test_networks_are_the_papers_and_divide_by_255_once(network, count):
    torch.manual_seed(0)
    net = network(6)
    assert sum(p.numel() for p in net.parameters()) == count
    frames = torch.randint(256, (2, 4, 84, 84), dtype=torch.uint8)
    hidden = frames.float() / 255
    for layer in net.layers:
        hidden = layer(hidden)
    torch.testing.assert_close(net(frames), hidden, rtol=0, atol=1e-7)
    assert float(scaled(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8))) == 1
    with pytest.raises(ValueError, match="pass frames as uint8, the network divides by 255 itself: torch.float32"):
        net(frames.float() / 255)


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_channels_last_moves_bytes_and_changes_none(channels):
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (3, channels + 1, 6, 5), generator=random, dtype=torch.uint8)[:, 1:]
    moved = channels_last(frames)
    assert torch.equal(moved, frames)
    assert moved.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rule", [Rule(target_every=3), Rule(target_every=None), Rule(target_every=2, double=True)])
def test_updates_are_those_of_the_loop(rule):
    """Three actions, a linear network, plain gradient descent: every update against loops over the batch."""
    net = nn.Linear(3, 4, bias=False).double()
    weights = net.weight.detach().clone()
    target = weights.clone()
    learner = Learner(net, torch.optim.SGD(net.parameters(), lr=0.05), rule)
    for update in range(1, 8):
        given = batch(seed=update)
        learner.update(given)
        if rule.target_every is None:
            target = weights.clone()
        gradient = torch.zeros_like(weights)
        for s_tm1, a, r, end, s_t in zip(*given, strict=True):
            q_t = target @ s_t
            best = int((weights @ s_t if rule.double else q_t).argmax())
            goal = r if end else r + 0.99 * q_t[best]
            gradient[a] += (weights[a] @ s_tm1 - goal).clamp(-1, 1) * s_tm1
        weights = weights - 0.05 * gradient
        torch.testing.assert_close(net.weight.detach(), weights, rtol=0, atol=1e-13)
        if rule.target_every and update % rule.target_every == 0:
            target = weights.clone()


def test_bfloat16_is_close_is_asked_for_and_keeps_weights_in_float32():
    torch.manual_seed(0)
    given = Batch(
        torch.randint(256, (16, 4, 84, 84), dtype=torch.uint8),
        torch.randint(4, (16,)),
        torch.randn(16),
        torch.rand(16) < 0.3,
        torch.randint(256, (16, 4, 84, 84), dtype=torch.uint8),
    )
    gradients = []
    for rule in (Rule(reduction="mean"), Rule(reduction="mean", bfloat16=True)):
        torch.manual_seed(1)
        net = PlayingAtariNetwork(4)
        Learner(net, torch.optim.SGD(net.parameters(), lr=0.0), rule).update(given)
        assert {p.dtype for p in net.parameters()} == {torch.float32}
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    plain, half = gradients
    assert 0 < float((half - plain).norm() / plain.norm()) < 0.1  # operands of 8 bits, and rectifiers that turn
    assert not any(recipe.rule.bfloat16 for recipe in (PAPER_2013, PAPER_NATURE, ADAM, CARTPOLE))


def test_rewards_are_clipped_in_training_alone():
    assert clip_rewards(torch.tensor([-25.0, -1, 0, 0.5, 400])).tolist() == [-1, -1, 0, 0.5, 1]
    environments = Scripted(rewards=[[5.0] * 4])
    assert play(environments, random_player(2, 0), 1, 0) == [20.0]
    training = Training(lambda count: Scripted(rewards=[[5.0] * 4]), VectorNetwork(1, 2), TINY, 0, CPU)
    for _ in range(3):
        training.step()
    assert training.memory.rewards[:3, 0].tolist() == [1.0] * 3


class Scripted:
    """Episodes with given rewards; an episode's observation is its time, the last step loses a life where told."""

    actions, shape, dtype = 2, (1,), torch.float32

    def __init__(self, rewards, count=1, lives=None):
        self.rewards, self.count, self.lives = rewards, count, lives
        self.at, self.time = [0] * count, [0] * count
        self.begun = []

    def reset(self, seeds):
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which, seeds):
        for index, seed in zip(which.nonzero()[:, 0].tolist(), seeds, strict=True):
            self.begun.append(seed)
            self.at[index], self.time[index] = seed % len(self.rewards), 0
        return self.seen()

    def seen(self):
        return torch.tensor([[float(time)] for time in self.time])

    def send(self, actions):
        assert actions.shape == (self.count,)

    def receive(self):
        rewards, over, lives = [], [], []
        for index in range(self.count):
            script = self.rewards[self.at[index]]
            now = min(self.time[index], len(script) - 1)
            rewards.append(script[now])
            self.time[index] += 1
            over.append(self.time[index] >= len(script))
            lives.append(self.lives[now] if self.lives else 0)
        no = torch.zeros(self.count, dtype=torch.bool)
        return Step(self.seen(), torch.tensor(rewards).double(), torch.tensor(over), no, torch.tensor(lives))


TINY = Recipe(
    environments=1,
    memory=500,
    batch=4,
    begin=20,
    explore=50,
    stack=1,
    steps=120,
    evaluate_every=40,
    evaluate_episodes=2,
    rule=Rule(target_every=5),
)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_episode_that_begins_is_counted_once(count):
    rewards = [[1.0], [10.0] * 7, [100.0, 100.0], [1000.0] * 3]
    environments = Scripted(rewards, count)
    scores = play(environments, random_player(2, 0), 4, 0)
    assert scores == [1.0, 70.0, 200.0, 3000.0]
    assert environments.begun == [0, 1, 2, 3, 0][: max(count, 4)]  # what is finished and has no more to do idles


def test_a_reward_that_is_not_finite_is_told():
    with pytest.raises(FloatingPointError, match="the environment's reward is nan"):
        play(Scripted([[float("nan")]]), random_player(2, 0), 1, 0)


def test_evaluation_is_greedy_but_for_a_twentieth():
    network = nn.Linear(1, 2)
    nn.init.zeros_(network.weight)
    network.bias.data = torch.tensor([0.0, 1.0])
    policy = greedy(network, PAPER_2013.evaluate_epsilon, 0, CPU)
    assert float((policy(torch.zeros(20_000, 1)) == 0).float().mean()) == pytest.approx(0.025, abs=0.004)
    assert {r.evaluate_epsilon for r in (PAPER_2013, PAPER_NATURE, ADAM)} == {0.05}


def test_scores_are_taken_at_an_epsilon_of_a_twentieth(tmp_path):
    taken = []

    class Long(Scripted):
        shape, dtype = (84, 84), torch.uint8

        def seen(self):
            return torch.zeros(self.count, 84, 84, dtype=torch.uint8)

        def send(self, actions):
            taken.extend(actions.tolist())

    class Second(nn.Module):
        def forward(self, frames):
            return torch.tensor([[0.0, 1.0]]).expand(len(frames), 2)

    scored(Ctx(tmp_path), Long([[1.0] * 300], 20), Second(), 20)
    assert taken.count(0) / len(taken) == pytest.approx(0.025, abs=0.007)


def test_recipes_are_the_papers():
    assert (PAPER_2013.rule.target_every, PAPER_2013.lives, PAPER_2013.optimiser) == (None, False, "rmsprop")
    assert PAPER_NATURE.rule == Rule(0.99, 10_000, False, True, "sum", None)
    assert (PAPER_NATURE.lives, PAPER_NATURE.best, PAPER_NATURE.steps) == (True, True, 50_000_000)
    for paper in (PAPER_2013, PAPER_NATURE):
        assert (paper.batch, paper.memory, paper.update_every, paper.stack) == (32, 1_000_000, 4, 4)
        assert (paper.epsilon, paper.explore, paper.begin) == (0.1, 1_000_000, 50_000)
        assert (paper.learning_rate, paper.eps) == (0.00025, 0.01)


def test_one_update_is_made_to_four_steps_and_none_before_the_beginning():
    training = Training(lambda count: Tasks("CartPole-v1", count), VectorNetwork(4, 2), TINY, 0, CPU)
    made = []
    for _ in range(61):
        training.step()
        made.append(training.learner.updates)
    assert made == [max(0, (step - TINY.begin) // 4) for step in range(61)]


@pytest.mark.parametrize("lives", [True, False])
def test_the_loss_of_a_life_ends_an_episode_where_the_recipe_says_so(lives):
    recipe = Recipe(**{**vars(TINY), "lives": lives, "stack": 2})
    make = lambda count: Scripted([[0.0] * 6], count, lives=[3, 3, 2, 2, 1, 1])  # noqa: E731
    training = Training(make, nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), recipe, 0, CPU)
    for _ in range(7):
        training.step()
    lost = [False, False, lives, False, lives, True, False]
    assert training.memory.ends[:7, 0].tolist() == lost
    assert training.memory.ages[:7, 0].tolist() == ([0, 1, 1, 0, 1, 0, 0] if lives else [0, 1, 1, 1, 1, 1, 0])
    assert training.episodes == 1


def test_an_episode_that_is_cut_is_stored_as_cut_and_not_as_an_end():
    class Cut(Scripted):
        def receive(self):
            step = super().receive()
            return step._replace(terminal=step.truncated, truncated=step.terminal)

    training = Training(lambda count: Cut([[0.0] * 3]), VectorNetwork(1, 2), TINY, 0, CPU)
    for _ in range(7):
        training.step()
    memory = training.memory
    assert not memory.ends[:7].any()
    assert memory.cuts[:7, 0].tolist() == [False, False, True] * 2 + [False]
    assert memory.observations[:7, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert training.episodes == 2


class Ctx:
    """A context whose checkpoint lies in a folder."""

    device = CPU

    def __init__(self, folder, seed=0):
        self.checkpoint, self.seed = Checkpoint(folder / "run.pt"), seed
        self.curve, self.notes, self.kept = [], {}, {}

    def note(self, **settings):
        self.notes.update(settings)

    def point(self, **values):
        self.curve.append(values)

    def progress(self, done, total):
        self.done = done / total

    def load(self):
        saved = self.checkpoint.load()
        if saved is not None:
            self.curve = list(saved["curve"])
        return saved and saved["state"]

    def save(self, state):
        self.checkpoint.save({"curve": self.curve, "state": state()})
        return True

    def folder(self):
        self.checkpoint.folder.mkdir(parents=True, exist_ok=True)
        return self.checkpoint.folder

    def keep(self, name, content):
        self.kept[name] = content
        return self.checkpoint.path.with_name(name)


ATARI = Recipe(
    environments=2,
    memory=400,
    batch=8,
    begin=100,
    explore=300,
    steps=900,
    evaluate_every=400,
    evaluate_episodes=1,
    rule=Rule(target_every=20),
    checkpoint_every=0.0,
)


def small(actions=4):
    """A small network of frames."""
    torch.manual_seed(3)
    layers = nn.Sequential(nn.AvgPool2d(12), nn.Flatten(), nn.Linear(4 * 49, actions))
    layers.forward = lambda frames, inner=layers.forward: inner(frames.float() / 255)
    return layers


def trained(folder, steps=None):
    ctx = Ctx(folder)
    recipe = ATARI if steps is None else Recipe(**{**vars(ATARI), "steps": steps})
    network = train(ctx, lambda count: playing_atari("breakout", count), small(), recipe)
    curve = [{k: v for k, v in point.items() if k != "seconds"} for point in ctx.curve]
    return curve, network.state_dict()


KILLED = """
import pathlib, sys, time, torch, tests.test_dqn as t
torch.set_num_threads(1)
save = t.Ctx.save
t.Ctx.save = lambda *a: (save(*a), time.sleep(0.01))  # so that it is killed before it ends, on any machine
t.trained(pathlib.Path(sys.argv[1]))
"""


def test_training_killed_and_resumed_ends_with_the_same_losses_and_weights(tmp_path, one_thread):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    curve, weights = trained(alone)
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed)], start_new_session=True)
        before = os.stat(killed / "run.pt").st_mtime_ns if (killed / "run.pt").exists() else None
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if (killed / "run.pt").exists() and os.stat(killed / "run.pt").st_mtime_ns != before:
                break
            time.sleep(0.02)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = torch.load(killed / "run.pt", weights_only=True)["state"]["training"]["steps"]
    assert 0 < done < ATARI.steps
    again, resumed = trained(killed)
    assert again == curve
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


def test_a_checkpoint_of_another_network_or_game_is_one_line(tmp_path):
    trained(tmp_path, steps=200)
    with pytest.raises(ValueError, match="the checkpoint is of another network: .*size mismatch"):
        train(Ctx(tmp_path), lambda count: playing_atari("pong", count), small(6), ATARI)
    with pytest.raises(ValueError, match="an episode played again looks otherwise"):
        train(Ctx(tmp_path), lambda count: playing_atari("qbert", count), small(4), ATARI)


def test_the_curve_has_score_value_and_loss_and_the_best_network_is_kept(tmp_path):
    recipe = Recipe(**{**vars(TINY), "best": True, "clip_rewards": False, "evaluate_epsilon": 0.0})
    ctx = Ctx(tmp_path)
    network = train(ctx, lambda count: Tasks("CartPole-v1", count), VectorNetwork(4, 2), recipe)
    assert [point["agent_steps"] for point in ctx.curve] == [40, 80, 120]
    assert all(point["loss"] > 0 and point["value"] != 0 for point in ctx.curve)
    best = max(point["score"] for point in ctx.curve)
    scores = play(Tasks("CartPole-v1", 2), greedy(network, 0.0, 0, CPU), 2, 0)
    assert mean_and_error(scores)[0] == best


def test_kept_weights_come_back_in_half_precision(tmp_path):
    ctx, net = Ctx(tmp_path), PlayingAtariNetwork(9)
    keep(ctx, "weights", net)
    content = ctx.kept["weights.safetensors"]
    assert len(content) < 3e6
    assert {value.dtype for value in load(content).values()} == {torch.float16}
    path = tmp_path / "enduro.safetensors"
    path.write_bytes(content)
    other = network_of(path, 9)
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value.half().float())
    with pytest.raises(ValueError, match="enduro.safetensors has not the weights .* for 6 actions"):
        network_of(path, 6)
    path.write_bytes(content[:1000])
    with pytest.raises(ValueError, match="enduro.safetensors is no file of weights"):
        network_of(path, 9)


@pytest.mark.parametrize(("device", "environments"), [("cpu", 8), ("cuda", 32)])
def test_on_a_gpu_more_environments_step_together(device, environments, tmp_path, monkeypatch):
    given = []
    ctx = Ctx(tmp_path)
    ctx.device, ctx.subject = torch.device(device), lambda name: PlayingAtariNetwork
    monkeypatch.setattr(
        experiments, "train", lambda ctx, make, network, recipe: given.append((make, recipe)) or network
    )
    scored_network(ctx, "pong", playing_atari("pong"), lambda count: playing_atari("pong", count), PAPER_2013)
    ((make, recipe),) = given
    assert recipe == dataclasses.replace(PAPER_2013, environments=environments)
    made = make(2)
    assert (type(made), made.count, made.actions) == ((SparedAtari, Atari)[device == "cpu"], 2, 6)


class Illegal:
    """A policy that turns illegal once it is past the check."""

    calls = 0

    @staticmethod
    def policy(game, actions):
        def play(frames):
            Illegal.calls += 1
            return torch.full((len(frames),), 0 if Illegal.calls < 3 else actions)

        return play


def test_a_policy_that_takes_an_illegal_action_is_one_line(tmp_path):
    number = papers()["dqn"].numbers["breakout_2013"]
    done = run([number], Settings(tmp_path), implementations={"dqn": Illegal})
    assert [o.failed for o in done.outcomes] == [True]
    reason = done.outcomes[0].reason
    assert reason == "the policy cannot be scored: illegal action 4: this game has the actions 0 to 3"


class Fails:
    """A policy that fails once it is past the check, in two lines."""

    calls = 0

    @staticmethod
    def policy(game, actions):
        def play(frames):
            Fails.calls += 1
            if Fails.calls > 3:
                raise RuntimeError("no joystick\nat all")
            return torch.zeros(len(frames), dtype=torch.int64)

        return play


def failures(done):
    """Return the reasons of a run's failures, without the file of the traceback, which must be there."""
    assert all(o.failed and not o.records for o in done.outcomes)
    found = [o.reason.removesuffix(")").rpartition(" (") for o in done.outcomes]
    assert all(Path(trace).read_text().startswith("Traceback") for _, _, trace in found)
    return [reason for reason, _, _ in found]


def test_a_policy_that_raises_fails_its_number_in_one_line(tmp_path):
    done = run([papers()["dqn"].numbers["breakout_2013"]], Settings(tmp_path), implementations={"dqn": Fails})
    assert failures(done) == ["RuntimeError: no joystick"]


@pytest.mark.data
def test_an_environment_that_answers_nan_fails_its_number_in_one_line(tmp_path, artifact, monkeypatch):
    artifact("sb3_dqn_cartpole")
    answer = (np.full(4, np.nan, np.float32), 1.0, False, False, {})
    monkeypatch.setattr(CartPoleEnv, "step", lambda self, action: answer)
    done = run([papers()["dqn"].numbers["sb3_cartpole"]], Settings(tmp_path), seeds=1)
    reason = "FloatingPointError: CartPole-v1 answered [nan, nan, nan, nan], which is not finite"
    assert failures(done) == [reason]


def test_a_missing_rom_fails_its_number_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    done = run([papers()["dqn"].numbers["random_pong_2013"]], Settings(tmp_path), seeds=1)
    reason = "FileNotFoundError: the ROM of pong is missing: unset ALE_ROMS_DIR"
    assert failures(done) == [reason]


def test_a_users_policy_is_scored_as_it_is(tmp_path):
    class Fire:
        @staticmethod
        def policy(game, actions):
            return lambda frames: torch.ones(len(frames), dtype=torch.int64)

    ctx = Ctx(tmp_path)
    check_agent(Fire)
    score = scored(ctx, playing_atari("breakout", 3), Fire.policy("breakout", 4), 3)
    assert ctx.notes["scores"] == [score] * 3  # without no-ops and chance one episode is like another


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda actions: nn.Sequential(nn.Flatten(), nn.AvgPool1d(28_224)), "expected|Float|not implemented|shape"),
        (lambda actions: lambda frames: torch.full((2, 4), float("nan")), "values that are not finite: .nan, nan"),
        (lambda actions: lambda frames: torch.zeros(2, 3), "values of shape .2, 3. for two states and four actions"),
        (type("A", (), {"policy": staticmethod(lambda g, a: lambda f: torch.full((2,), 4))}), "illegal action 4"),
        (type("B", (), {"policy": staticmethod(lambda g, a: lambda f: f.float().mean((1, 2, 3)))}), "whole numbers"),
    ],
)
def test_agents_that_break_the_contract_are_refused(build, words):
    with pytest.raises((ContractError, RuntimeError), match=words):
        check_agent(build)


def test_an_archive_that_is_no_agent_is_one_line(tmp_path):
    (tmp_path / "model.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="model.zip is no agent of Stable-Baselines3"):
        read_policy(tmp_path / "model.zip")


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="reduction must be sum or mean: max"):
        Rule(reduction="max")
    with pytest.raises(ValueError, match="target_every must be at least 1: 0"):
        Rule(target_every=0)
    with pytest.raises(ValueError, match="need lr, eps > 0"):
        RMSProp([nn.Parameter(torch.zeros(1))], eps=0)
    with pytest.raises(ValueError, match="optimiser must be rmsprop or adam: sgd"):
        Training(
            lambda count: Tasks("CartPole-v1", count),
            VectorNetwork(4, 2),
            Recipe(**{**vars(TINY), "optimiser": "sgd"}),
            0,
            CPU,
        )


def test_cartpole_settings_are_those_of_rl_zoo():
    rule, recipe = CARTPOLE.rule, CARTPOLE
    assert (recipe.steps, recipe.memory, recipe.batch, recipe.begin) == (50_000, 100_000, 64, 1_000)
    assert (recipe.learning_rate, recipe.update_every, recipe.updates, recipe.epsilon) == (2.3e-3, 256, 128, 0.04)
    assert (rule.discount, rule.target_every) == (0.99, 128)
