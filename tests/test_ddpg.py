"""DDPG: its equations as loops, its noise, its training against a run that was killed, its contract."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from dmbench.agents.ddpg import (
    Actor,
    Critic,
    Learner,
    OrnsteinUhlenbeck,
    PixelActor,
    PixelCritic,
    Rule,
    act,
    q_target,
    rescale,
    soft_update,
    stationary_deviation,
)
from dmbench.agents.parts.replay import Batch
from dmbench.datasets.environments import Step, Tasks
from dmbench.experiments._ddpg import scored, train, without_noise
from dmbench.experiments._ddpg_training import Recipe, Training
from dmbench.experiments._scoring import play
from dmbench.experiments.ddpg import PENDULUM_PAPER, check_agent
from dmbench.harness import showing
from dmbench.harness.checkpoint import Checkpoint
from dmbench.harness.discovery import papers
from dmbench.harness.errors import ContractError, UsageError
from dmbench.harness.measure import Settings
from dmbench.harness.records import Record, append
from dmbench.harness.runner import run

CPU = torch.device("cpu")


def batch(size=5, inputs=3, actions=2, seed=0, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    states = torch.randn(2, size, inputs, generator=random, dtype=dtype)
    a_tm1 = 2 * torch.rand(size, actions, generator=random, dtype=dtype) - 1
    end_t = torch.arange(size) % 2 == 0
    return Batch(states[0], a_tm1, torch.randn(size, generator=random, dtype=dtype), end_t, states[1])


class LinearActor(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2, bias=False).double()

    def forward(self, states):
        return self.linear(states)


class LinearCritic(nn.Module):
    """w . s + a' M a + v . a: its gradient in the action is at hand."""

    def __init__(self):
        super().__init__()
        self.w, self.v = nn.Parameter(torch.randn(3).double()), nn.Parameter(torch.randn(2).double())
        self.m = nn.Parameter(torch.randn(2, 2).double())

    def forward(self, states, actions):
        return states @ self.w + actions @ self.v + ((actions @ self.m) * actions).sum(1)


def test_targets_are_the_equation_as_printed():
    r_t, q_t = torch.tensor([1.0, 2.0, -3.0]), torch.tensor([10.0, 20.0, 30.0])
    end_t = torch.tensor([False, True, False])
    assert q_target(r_t, end_t, q_t, 0.9).tolist() == pytest.approx([10.0, 2.0, 24.0], abs=1e-6)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_updates_are_those_of_the_loop(penalty):
    """Linear actor, quadratic critic, Adam by hand: eight updates, critic first, then actor, then targets."""
    torch.manual_seed(0)
    rule = Rule(tau=0.1, discount=0.9, actor_rate=0.01, critic_rate=0.02, weight_decay=0.05, penalty=penalty)
    actor, critic = LinearActor(), LinearCritic()
    mine = {"k": actor.linear.weight, "w": critic.w, "v": critic.v, "m": critic.m}
    mine = {name: value.detach().clone() for name, value in mine.items()}
    theirs = {name: value.clone() for name, value in mine.items()}
    moments = {name: [torch.zeros_like(value), torch.zeros_like(value)] for name, value in mine.items()}
    learner = Learner(actor, critic, rule)
    for update in range(1, 9):
        given_batch = batch(seed=update)
        loss = learner.update(given_batch)
        gradients = {name: torch.zeros_like(mine[name]) for name in "wvm"}
        total = 0.0
        for s_tm1, a, r, end, s_t in zip(*given_batch, strict=True):
            target = r
            if not end:
                target = r + 0.9 * value(theirs, s_t, theirs["k"] @ s_t)
            error = value(mine, s_tm1, a) - target
            total += float(error**2) / 5
            gradients["w"] += 2 / 5 * error * s_tm1
            gradients["v"] += 2 / 5 * error * a
            gradients["m"] += 2 / 5 * error * torch.outer(a, a)
        for name, gradient in gradients.items():
            adam(mine, moments, name, gradient + 0.05 * mine[name], 0.02, update)
        ascent = torch.zeros_like(mine["k"])
        for s_tm1 in given_batch.s_tm1:
            a = mine["k"] @ s_tm1
            gradient = mine["v"] + (mine["m"] + mine["m"].T) @ a - penalty * a  # of Q, and of the mean over two parts
            ascent += torch.outer(gradient, s_tm1) / 5  # grad_a Q grad_theta mu
        adam(mine, moments, "k", -ascent, 0.01, update)
        for name in mine:
            theirs[name] = 0.1 * mine[name] + 0.9 * theirs[name]
        assert float(loss) == pytest.approx(total, abs=1e-11)
        for name, value_now in parameters(learner.actor, learner.critic).items():
            torch.testing.assert_close(value_now, mine[name], rtol=0, atol=1e-11)
        for name, value_now in parameters(learner.target_actor, learner.target_critic).items():
            torch.testing.assert_close(value_now, theirs[name], rtol=0, atol=1e-11)


def parameters(actor, critic):
    named = {"k": actor.linear.weight, "w": critic.w, "v": critic.v, "m": critic.m}
    return {name: value.detach() for name, value in named.items()}


def value(p, s, a):
    return p["w"] @ s + p["v"] @ a + a @ p["m"] @ a


def adam(values, moments, name, gradient, rate, time):
    first, second = moments[name]
    first.mul_(0.9).add_(0.1 * gradient)
    second.mul_(0.999).add_(0.001 * gradient**2)
    corrected, spread = first / (1 - 0.9**time), second / (1 - 0.999**time)
    values[name] = values[name] - rate * corrected / (spread.sqrt() + 1e-8)


@settings(max_examples=20, deadline=None)
@given(tau=st.floats(0.001, 1), updates=st.integers(1, 60))
def test_soft_targets_close_the_distance_by_the_closed_form(tau, updates):
    network, target = nn.Linear(3, 2).double(), nn.Linear(3, 2).double()
    before = target.weight - network.weight
    for _ in range(updates):
        soft_update(target, network, tau)
    left = (target.weight - network.weight).detach()
    torch.testing.assert_close(left, (before * (1 - tau) ** updates).detach(), rtol=0, atol=1e-13)


@settings(max_examples=10, deadline=None)
@given(theta=st.floats(0.1, 1.5), sigma=st.floats(0.1, 2))
def test_noise_has_the_deviation_and_the_memory_of_the_closed_form(theta, sigma):
    random = torch.Generator().manual_seed(0)
    noise = OrnsteinUhlenbeck(4_000, 2, theta, sigma)
    first = torch.zeros(4_000, dtype=torch.bool)
    for _ in range(80):
        before = noise.x
        after = noise.step(first, random)
    expected = sigma / math.sqrt(2 * theta - theta**2)
    assert stationary_deviation(theta, sigma) == pytest.approx(expected, rel=1e-12)
    assert float(after.std()) == pytest.approx(expected, rel=0.035)
    correlation = float((before * after).mean() / before.square().mean())
    assert correlation == pytest.approx(1 - theta, abs=0.05)


def test_noise_is_forgotten_where_an_episode_begins_and_nowhere_else():
    noise, same = OrnsteinUhlenbeck(2, 1), torch.Generator().manual_seed(5)
    noise.x = torch.tensor([[10.0], [10.0]])
    x = noise.step(torch.tensor([True, False]), torch.Generator().manual_seed(5))
    draw = torch.randn(2, 1, generator=same)
    torch.testing.assert_close(x, torch.tensor([[0.0], [8.5]]) + 0.2 * draw, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (Actor(5, 1), 5 * 400 + 400 + 400 * 300 + 300 + 300 + 1),
        (Critic(5, 1), 5 * 400 + 400 + 401 * 300 + 300 + 300 + 1),
        (PixelActor(2), 9 * 9 * 32 + 32 + 2 * (32 * 9 * 32 + 32) + 1568 * 200 + 200 + 200 * 200 + 200 + 2 * 200 + 2),
        (PixelCritic(2), 9 * 9 * 32 + 32 + 2 * (32 * 9 * 32 + 32) + 1568 * 200 + 200 + 202 * 200 + 200 + 200 + 1),
    ],
)
def test_networks_have_the_papers_layers(network, count):
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_action_joins_at_the_second_layer(batch_norm):
    torch.manual_seed(0)
    critic = Critic(3, 2, units=(7, 6), batch_norm=batch_norm).double().eval()
    states, actions = torch.randn(4, 3).double(), torch.rand(4, 2).double()
    hidden = states.clone()
    for layer in critic.before:
        hidden = layer(hidden).detach()
    assert hidden.shape == (4, 7)
    second, last = (layer.state_dict() for layer in (critic.after[0], critic.after[2]))
    expected = []
    for row in range(4):
        value_of_row = float(last["bias"][0])
        for j in range(6):
            unit = float(second["bias"][j])
            unit += sum(float(second["weight"][j, i]) * float(hidden[row, i]) for i in range(7))
            unit += sum(float(second["weight"][j, 7 + i]) * float(actions[row, i]) for i in range(2))
            value_of_row += float(last["weight"][0, j]) * max(0.0, unit)
        expected.append(value_of_row)
    assert critic(states, actions).tolist() == pytest.approx(expected, abs=1e-13)
    counts = sum(isinstance(layer, nn.BatchNorm1d) for layer in critic.modules())
    assert counts == (2 if batch_norm else 0)  # the input, and the layer before the action


def test_batch_norm_of_the_actor_normalises_input_and_both_layers():
    torch.manual_seed(0)
    actor = Actor(3, 1, units=(5, 4), batch_norm=True).double()
    states = 100 + 50 * torch.randn(64, 3).double()
    hidden = states
    for layer in list(actor.layers)[:-2]:
        if isinstance(layer, nn.BatchNorm1d):
            hidden = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + layer.eps).sqrt()
        else:
            hidden = layer(hidden)
    expected = torch.tanh(actor.layers[-2](hidden))
    torch.testing.assert_close(actor(states), expected, rtol=0, atol=1e-13)
    assert [type(layer).__name__ for layer in actor.layers].count("BatchNorm1d") == 3


@pytest.mark.parametrize(
    ("network", "final", "bound"),
    [
        (Actor(5, 1), lambda n: n.layers[-2], 3e-3),
        (Critic(5, 1), lambda n: n.after[-1], 3e-3),
        (PixelActor(1), lambda n: n.layers[-2], 3e-4),
        (PixelCritic(1), lambda n: n.after[-1], 3e-4),
    ],
)
def test_the_last_layer_begins_small_and_the_others_by_fan_in(network, final, bound):
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            fan_in = layer.weight[0].numel()
            limit = bound if layer is final(network) else 1 / math.sqrt(fan_in)
            largest = float(layer.weight.detach().abs().max())
            assert 0.93 * limit < largest <= limit
            assert 0 < float(layer.bias.detach().abs().max()) <= limit


def test_frames_are_divided_by_255_once_and_bounded_actions_come_out():
    torch.manual_seed(0)
    actor = PixelActor(2)
    frames = torch.randint(256, (3, 9, 64, 64), dtype=torch.uint8)
    hidden = frames.float() / 255
    for layer in actor.layers:
        hidden = layer(hidden)
    torch.testing.assert_close(actor(frames), hidden, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="pass frames as uint8, the network divides by 255 itself: torch.float32"):
        actor(frames.float())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_agents_of_frames_learn_a_reward_for_a_positive_action(batch_norm):
    torch.manual_seed(0)
    small = {"channels": 3, "side": 16, "batch_norm": batch_norm}
    learner = Learner(PixelActor(1, **small), PixelCritic(1, **small), Rule(actor_rate=1e-2, tau=0.05))
    frames = torch.randint(256, (2, 32, 3, 16, 16), dtype=torch.uint8)
    ended = torch.ones(32, dtype=torch.bool)
    for _ in range(60):
        a_tm1 = 2 * torch.rand(32, 1) - 1
        learner.update(Batch(frames[0], a_tm1, a_tm1[:, 0], ended, frames[1]))
    assert float(act(learner.actor, frames[0]).min()) > 0.5


def test_acting_normalises_by_running_statistics_and_changes_none():
    actor = Actor(3, 1, batch_norm=True)
    Learner(actor, Critic(3, 1, batch_norm=True), Rule()).update(batch(8, actions=1, dtype=torch.float32))
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    states = torch.randn(4, 3)
    together = act(actor, states)
    alone = torch.cat([act(actor, state[None]) for state in states])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    assert actor.training
    assert all(torch.equal(before[name], value) for name, value in actor.state_dict().items())


def test_actions_are_turned_into_the_tasks_bounds():
    low, high = torch.tensor([-2.0, 0.0]), torch.tensor([2.0, 1.0])
    actions = torch.tensor([[-1.0, -1.0], [0.0, 0.5], [1.0, 1.0]])
    assert rescale(actions, low, high).tolist() == [[-2.0, 0.0], [0.0, 0.75], [2.0, 1.0]]


class Echo:
    """Episodes of three steps that remember what was sent; the second ends, all others are cut."""

    name, actions, shape, dtype = "Echo", 0, (1,), torch.float32
    low, high = [-2.0], [4.0]

    def __init__(self, count=1):
        self.count, self.time, self.sent, self.begun = count, [0] * count, [], []

    def reset(self, seeds):
        return self.restart(torch.ones(self.count, dtype=torch.bool), seeds)

    def restart(self, which, seeds):
        for index, seed in zip(which.nonzero()[:, 0].tolist(), seeds, strict=True):
            self.begun.append(seed)
            self.time[index] = 0
        return torch.tensor(self.time)[:, None].float()

    def send(self, actions):
        self.sent.append(actions.clone())

    def receive(self):
        self.time = [time + 1 for time in self.time]
        over = torch.tensor([time == 3 for time in self.time])
        ends = over & (len(self.begun) == 2)
        rewards = torch.full((self.count,), 25.0).double()
        seen = torch.tensor(self.time)[:, None].float()
        return Step(seen, rewards, ends, over & ~ends, torch.zeros(self.count, dtype=torch.int64))


TINY = Recipe(steps=300, memory=500, batch=8, begin=40, evaluate_every=100, evaluate_episodes=2, checkpoint_every=0.0)


def test_the_memory_holds_bounded_actions_raw_rewards_ends_and_cuts():
    environments = Echo()
    training = Training(lambda count: environments, Actor(1, 1), Critic(1, 1), TINY, 0, CPU)
    for _ in range(9):
        training.step()
    memory = training.memory
    assert memory.rewards[:9, 0].tolist() == [25.0] * 9
    assert memory.ends[:9, 0].tolist() == [False] * 5 + [True] + [False] * 3
    assert memory.cuts[:9, 0].tolist() == [False, False, True] + [False] * 5 + [True]
    assert memory.observations[:9, 0, 0].tolist() == [0, 1, 2] * 3
    stored, sent = memory.actions[:9, 0], torch.cat(environments.sent)
    assert float(stored.abs().max()) <= 1
    torch.testing.assert_close(sent, 1 + 3 * stored, rtol=0, atol=1e-6)
    assert float(sent.max() - sent.min()) > 2
    assert training.episodes == 3


def test_noise_is_added_to_the_actors_action_and_forgotten_between_episodes():
    actor = Actor(1, 1)
    training = Training(lambda count: Echo(), actor, Critic(1, 1), TINY, 0, CPU)
    drift = []
    for _ in range(12):
        training.noise.x = training.noise.x + 0.6  # as if it had drifted
        mean, begins = float(act(actor, training.observations)), bool(training.first)
        training.step()
        drift.append((begins, float(training.memory.actions[training.memory.added - 1, 0, 0]) - mean))
    firsts = [noise for begins, noise in drift if begins]
    others = [noise for begins, noise in drift if not begins]
    assert (len(firsts), len(others)) == (4, 8)
    assert max(abs(noise) for noise in firsts) < 0.5
    assert sum(others) / 8 > 0.5


def test_no_update_is_made_before_the_beginning_and_then_one_a_step():
    training = Training(lambda count: Tasks("Pendulum-v1", count), Actor(3, 1), Critic(3, 1), TINY, 0, CPU)
    made = []
    for _ in range(50):
        training.step()
        made.append(training.learner.updates)
    assert made == [max(0, step - TINY.begin) for step in range(1, 51)]


def test_scores_are_taken_without_noise_of_raw_rewards():
    environments, actor = Echo(2), Actor(1, 1)
    scores = play(environments, without_noise(actor, environments, CPU), 2, 0)
    assert scores == [75.0, 75.0]
    expected = 1 + 3 * act(actor, torch.tensor([[0.0], [0.0]]))
    torch.testing.assert_close(environments.sent[0], expected, rtol=0, atol=1e-6)


def test_the_papers_constants_are_the_defaults():
    assert Rule() == Rule(0.99, 0.001, 1e-4, 1e-3, 1e-2, 0.0)
    recipe = PENDULUM_PAPER
    assert (recipe.batch, recipe.theta, recipe.sigma, recipe.rule) == (64, 0.15, 0.2, Rule())
    learner = Learner(Actor(3, 1), Critic(3, 1), Rule())
    groups = [o.param_groups[0] for o in (learner.actor_optimiser, learner.critic_optimiser)]
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(1e-4, 0), (1e-3, 1e-2)]


class Ctx:
    """A context whose checkpoint lies in a folder."""

    device = CPU

    def __init__(self, folder, seed=0):
        self.checkpoint, self.seed = Checkpoint(folder / "run.pt"), seed
        self.curve, self.notes = [], {}

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


def trained(folder, steps=TINY.steps, inputs=3, task="Pendulum-v1"):
    torch.manual_seed(3)
    ctx, units = Ctx(folder), (20, 10)
    actor, critic = (net(inputs, 1, units=units, batch_norm=True) for net in (Actor, Critic))
    train(ctx, lambda count: Tasks(task, count), actor, critic, replace(TINY, steps=steps, environments=2))
    curve = [{k: v for k, v in point.items() if k != "seconds"} for point in ctx.curve]
    return curve, {**actor.state_dict(), **critic.state_dict()}


KILLED = """
import pathlib, sys, time, torch, tests.test_ddpg as t
torch.set_num_threads(1)
save = t.Ctx.save
t.Ctx.save = lambda *a: (save(*a), time.sleep(0.01))  # so that it is killed before it ends, on any machine
t.trained(pathlib.Path(sys.argv[1]))
"""


def test_training_killed_and_resumed_ends_with_the_same_losses_and_weights(tmp_path, one_thread):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    killed.mkdir()
    curve, weights = trained(alone)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed)], start_new_session=True)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (killed / "run.pt").exists():
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = torch.load(killed / "run.pt", weights_only=True)["state"]["training"]["steps"]
    assert 0 < done < TINY.steps
    again, resumed = trained(killed)
    assert again == curve
    assert [point["agent_steps"] for point in curve] == [100, 200, 300]
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


@pytest.mark.parametrize("best", [True, False])
def test_the_actor_that_is_scored_is_the_best_of_the_curve_or_the_last(best, tmp_path, monkeypatch):
    torch.manual_seed(3)
    ctx, actor, seen = Ctx(tmp_path), Actor(3, 1, units=(9, 8)), []

    def play(arena, policy, episodes, seed):
        seen.append({name: value.clone() for name, value in actor.state_dict().items()})
        return [[-3.0, -1.0, -2.0][len(seen) - 1]] * 2

    monkeypatch.setattr("dmbench.experiments._ddpg.play", play)
    make, critic = lambda count: Tasks("Pendulum-v1", count), Critic(3, 1, units=(9, 8))
    trained = train(ctx, make, actor, critic, replace(TINY, best=best, checkpoint_every=1e9))
    assert trained is actor
    assert not torch.equal(seen[1]["layers.0.weight"], seen[2]["layers.0.weight"])
    assert all(torch.equal(value, seen[1 if best else 2][name]) for name, value in actor.state_dict().items())


def test_a_checkpoint_of_another_network_or_task_is_one_line(tmp_path):
    trained(tmp_path, steps=100)
    with pytest.raises(ValueError, match="the checkpoint is of another network: .*size mismatch"):
        trained(tmp_path, inputs=2, task="MountainCarContinuous-v0")


def test_a_task_with_choices_is_refused():
    with pytest.raises(ValueError, match="CartPole-v1 has 2 actions to choose from, not continuous ones"):
        Training(lambda count: Tasks("CartPole-v1", count), Actor(4, 1), Critic(4, 1), TINY, 0, CPU)


def constant(action):
    return type(
        "Always", (), {"policy": staticmethod(lambda task: lambda states: torch.full((len(states), 1), action))}
    )


def test_a_users_policy_is_scored_as_it_is_and_an_illegal_action_is_one_line(tmp_path):
    number = papers()["ddpg"].numbers["pendulum"]
    done = run([number], Settings(tmp_path), implementations={"ddpg": constant(0.0)}, seeds=1)
    assert done.outcomes[0].records[0].value < -500  # it hangs

    class Late:
        calls = 0

        @staticmethod
        def policy(task):
            def play_on(states):
                Late.calls += 1
                return torch.full((len(states), 1), 0.0 if Late.calls < 3 else 2.5)

            return play_on

    with pytest.raises(
        ContractError, match="the policy cannot be scored: illegal action 2.5: this task's lie in -2 to"
    ):
        scored(Ctx(tmp_path), Tasks("Pendulum-v1", 2), Late.policy("Pendulum-v1"), 2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (constant(2.5), "illegal action 2.5"),
        (lambda inputs, actions: Actor(inputs, actions), "no pair of actor and critic"),
        (
            lambda i, a: (nn.Sequential(nn.Linear(i, a), nn.Hardtanh(5, 6)), Critic(i, a)),
            "not in .-1, 1.: illegal action 5",
        ),
        (lambda i, a: (Actor(i, a + 1), Critic(i, a)), "need actions as a floating-point tensor of shape"),
        (lambda i, a: (Actor(i, a), lambda s, x: torch.zeros(4, 1)), "values of shape .4, 1. for four states"),
    ],
)
def test_agents_that_break_the_contract_are_refused(build, words):
    with pytest.raises(ContractError, match=words):
        check_agent(build)


def recorded(folder, subject, scores):
    """Records of a training, one a seed, two points each."""
    common = {"stem": "ddpg", "number": "pendulum", "experiment": "pendulum", "tier": "slow", "subject": subject}
    common |= {"settings": {}, "artifacts": {}, "protocol": str(subject), "code": "", "seconds": 1.0, "dirty": False}
    common |= {"peak_bytes": None, "peak_bytes_of": "", "commit": "", "environment": {}}
    curve = [{"agent_steps": 10.0, "score": 0.0}, {"agent_steps": 20.0, "score": 5.0}]
    append(folder, [Record(**common, seed=seed, value=score, curve=curve) for seed, score in enumerate(scores)])


def test_two_implementations_are_compared_by_their_records(tmp_path):
    recorded(tmp_path, {}, [4.0, 5.0, 6.0])
    recorded(tmp_path, {"ddpg": "my:nets"}, [1.0, 4.0])
    paths = showing.show("ddpg", ["--number", "pendulum", "--results", str(tmp_path)], tmp_path / "new")
    said = paths[1].read_text().splitlines()
    assert said[0].startswith("dmbench: interquartile mean 5.00 [4.00, 6.00] over 3 seeds")
    assert said[1].startswith("ddpg=my:nets: interquartile mean 2.50 ")
    assert said[2].startswith("dmbench scores above ddpg=my:nets with probability 0.92 ")  # 5.5 of 6 pairs
    with Image.open(paths[0]) as picture:
        picture.load()
    with pytest.raises(UsageError, match="no two seeds of cartpole_swingup are recorded: dmbench run ddpg --number"):
        showing.show("ddpg", ["--number=cartpole_swingup", "--results", str(tmp_path)], tmp_path / "new")


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="tau must be in .0, 1.: 0"):
        Rule(tau=0)
    with pytest.raises(ValueError, match="discount must be in .0, 1.: 1.5"):
        Rule(discount=1.5)
    with pytest.raises(ValueError, match="need 0 < theta < 2 and sigma >= 0: 2, 0.2"):
        OrnsteinUhlenbeck(1, 1, theta=2)
