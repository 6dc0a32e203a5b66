"""The loop that trainings share: a killed run ends like one that was not; a loss that is NaN stops it."""

import copy

import pytest
import torch
from torch import nn

from dmbench.experiments._training import DivergedError, Loop


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as training needs; the run is killed at its checkpoint of this number."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, state=None, points=(), killed_at=None):
        self.state, self.points, self.killed_at = state, list(points), killed_at
        self.kept, self.saves, self.told = None, 0, []

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.kept, self.saves = (copy.deepcopy(state), list(self.points)), self.saves + 1
        if self.saves == self.killed_at:
            raise Killed
        return True

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        self.told.append((done, total))


def train(ctx, updates=35, rate=0.1, evaluate_every=10):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 1))
    optimiser = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)

    def step(_):
        loss = (net(torch.randn(8, 4)) - 1).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss}

    loop = Loop(ctx, updates, {"net": net, "optimiser": optimiser}, save_every=8)
    loop.run(step, evaluate=lambda: {"bias": float(net[1].bias)}, evaluate_every=evaluate_every)
    return [value.detach().clone() for value in net.parameters()]


@pytest.mark.parametrize("killed_at", [1, 2, 4])
def test_a_killed_training_ends_as_one_that_was_not(killed_at):
    whole, first = Context(), Context(killed_at=killed_at)
    wanted = train(whole)
    with pytest.raises(Killed):
        train(first)
    second = Context(*first.kept)
    found = train(second)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert second.points == whole.points


def test_points_come_at_their_updates_and_after_the_last_with_the_mean_loss_between():
    each, some = Context(), Context()
    train(each, updates=25, evaluate_every=1)
    train(some, updates=25)
    assert [point["update"] for point in some.points] == [10, 20, 25]
    losses = [point["loss"] for point in each.points]
    means = [sum(losses[:10]) / 10, sum(losses[10:20]) / 10, sum(losses[20:]) / 5]
    assert [point["loss"] for point in some.points] == pytest.approx(means, rel=1e-5)
    assert some.points[-1]["bias"] == each.points[-1]["bias"]


def test_progress_ends_at_the_last_update():
    ctx = Context()
    train(ctx)
    assert ctx.told == [(20, 35), (35, 35)]


def test_a_loss_without_end_stops_training_and_says_where():
    ctx = Context()
    with pytest.raises(DivergedError, match=r"^loss became (nan|inf) by update \d+ of 2000, seed 3: the checkpoint of"):
        train(ctx, updates=2000, rate=3.0, evaluate_every=0)
    (state, _) = ctx.kept
    assert all(value.isfinite().all() for value in state["parts"]["net"].values())


def test_a_loss_that_is_nan_before_a_checkpoint_says_that_there_is_none():
    ctx = Context()
    with pytest.raises(DivergedError, match="there is no checkpoint yet"):
        train(ctx, rate=float("inf"))
    assert ctx.kept is None
