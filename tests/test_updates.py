"""Updates by graph: the same numbers as one by one, from the same draws; capturing leaves no trace."""

import copy
import dataclasses
from types import SimpleNamespace

import pytest
import torch

from dmbench.agents.dqn import Learner, NatureNetwork, Rule
from dmbench.agents.parts import updates as parts
from dmbench.agents.parts.replay import ReplayMemory
from dmbench.agents.parts.rmsprop import RMSProp
from dmbench.agents.parts.updates import GraphedUpdates, Updates, updates
from dmbench.datasets.atari import playing_atari
from dmbench.experiments._dqn_training import Training
from tests.test_dqn import ATARI, small

CPU = torch.device("cpu")
RULES = [
    Rule(target_every=3),
    Rule(target_every=None, clip_error=False),
    Rule(target_every=2, double=True, clip_norm=0.1),
]


def filled(seed=0):
    """A memory of noise: short episodes, some cut off, overwritten once."""
    random = torch.Generator().manual_seed(seed)
    memory = ReplayMemory(120, (84, 84), environments=2)
    first = torch.ones(2, dtype=torch.bool)
    for _ in range(100):
        frames = torch.randint(256, (2, 84, 84), generator=random, dtype=torch.uint8)
        end, cut = (torch.rand(2, generator=random) < share for share in (0.2, 0.05))
        actions, rewards = torch.randint(4, (2,), generator=random), torch.randn(2, generator=random)
        memory.add(frames, first, actions, rewards, end, cut & ~end)
        first = end | cut
    return memory


def learner(rule, adam=False):
    torch.manual_seed(1)
    network = NatureNetwork(4)
    made = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True) if adam else RMSProp(network.parameters())
    return Learner(network, made, rule)


def numbers(learner):
    """All tensors that the next update depends on."""
    state = learner.state_dict()
    tensors = [*state["network"].values(), *state["target"].values()]
    for of in state["optimiser"]["state"].values():
        tensors += [value for _, value in sorted(of.items())]
    return tensors


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_updates_from_buffers_are_those_one_by_one(rule, adam, one_thread):
    made = {}
    for kind in (Updates, GraphedUpdates):
        total, random = torch.zeros(()), torch.Generator().manual_seed(2)
        one = learner(rule, adam)
        many = kind(one, filled(), 8, total, *([3] if kind is GraphedUpdates else []))
        for count in (1, 3, 0, 5):  # fewer than are copied together, as many, none, more
            many.make(count, random)
        made[kind] = [total, random.get_state(), *numbers(one)]
        assert one.updates == 9
    assert all(torch.equal(a, b) for a, b in zip(*made.values(), strict=True))


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("before", [0, 2])
def test_the_warm_up_leaves_no_trace(before, adam, one_thread):
    total, random = torch.full((), 7.0), torch.Generator().manual_seed(2)
    one = learner(RULES[0], adam)
    Updates(one, filled(), 8, total).make(before, random)
    held = copy.deepcopy([total, *numbers(one)])
    options = [dict(group, params=None) for group in one.optimiser.param_groups]
    GraphedUpdates(one, filled(), 8, total)
    assert [dict(group, params=None) for group in one.optimiser.param_groups] == options
    now = [total, *numbers(one)]
    if before:
        assert all(torch.equal(a, b) for a, b in zip(held, now, strict=True))
    else:  # the optimiser's state is there now, and is what it begins with
        assert all(torch.equal(a, b) for a, b in zip(held, now[: len(held)], strict=True))
        assert not any(bool(value.any()) for value in now[len(held) :])


def test_a_training_by_graphs_is_the_training(monkeypatch, tmp_path, one_thread):
    """Also after a restore, which puts other tensors in the optimiser."""
    recipe = dataclasses.replace(ATARI, optimiser="adam", memory=200)

    def ended(halfway):
        make = lambda count: playing_atari("breakout", count)  # noqa: E731
        training = Training(make, small(), recipe, 0, CPU)
        while training.steps < 300:
            if training.steps == 180 and halfway:
                state = training.state(tmp_path)
                training = Training(make, small(), recipe, 0, CPU)
                training.restore(state, tmp_path)
            training.step()
        assert training.learner.updates > 40
        return [training.loss, *numbers(training.learner)]

    alone = ended(False)
    monkeypatch.setattr(
        "dmbench.experiments._dqn_training.updates", lambda *given: GraphedUpdates(*given[:4], most=given[4])
    )
    for halfway in (False, True):
        assert all(torch.equal(a, b) for a, b in zip(alone, ended(halfway), strict=True))


def test_a_network_that_cannot_be_captured_is_updated_one_by_one_and_told(monkeypatch):
    def refuse(*given):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(parts, "GraphedUpdates", refuse)
    on_a_gpu = SimpleNamespace(device=torch.device("cuda"))
    with pytest.warns(RuntimeWarning, match="updates run one by one, .* not permitted when stream is capturing$"):
        assert type(updates(learner(RULES[0]), filled(), 8, on_a_gpu, 2)) is Updates
    assert type(updates(learner(RULES[0]), filled(), 8, torch.zeros(()), 2)) is Updates
