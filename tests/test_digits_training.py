"""The training that stems on digits share: an update by hand, killed runs, points of the curve."""

import copy
import itertools

import pytest
import torch
from torch import nn

from dmbench.experiments._digits_training import Digits, Training, error


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as training needs; the run is killed after so many checkpoints."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, state=None, points=(), saves=None):
        self.state, self.points, self.saves = state, list(points), saves
        self.kept = None

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.kept = (copy.deepcopy(state), list(self.points))
        if self.saves is not None:
            self.saves -= 1
            if self.saves == 0:
                raise Killed
        return True

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        assert done <= total


def digits():
    generator = torch.Generator().manual_seed(0)
    return Digits(torch.rand(50, 1, 4, 4, generator=generator), torch.randint(10, (50,), generator=generator))


def train(ctx):
    """Two phases with dropout and momentum; returns the weights after both."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 10))
    training = Training(ctx, digits(), total=40, save_every=5)
    for name, rate in (("one", 0.1), ("two", 0.01)):
        optimiser = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9)
        training.phase(
            name,
            net,
            optimiser,
            20,
            batch=20,
            rate=lambda update, rate=rate: rate / (1 + update),
            evaluate=lambda: {"error": error(net, digits())},
            evaluate_every=4,
        )
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("saves", range(1, 9))
def test_a_killed_run_goes_on_with_the_same_weights_and_curve(saves):
    whole = Context()
    weights = train(whole)
    killed = Context(saves=saves)
    with pytest.raises(Killed):
        train(killed)
    resumed = Context(*killed.kept)
    assert torch.equal(train(resumed), weights)
    assert resumed.points == whole.points
    assert [point["update"] for point in whole.points] == list(range(4, 41, 4))


def test_an_update_is_the_gradients_of_a_batch_at_the_given_rate_then_what_comes_after():
    ctx, told = Context(), []
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
    before = copy.deepcopy(net)
    training = Training(ctx, digits(), total=1)
    optimiser = torch.optim.SGD(net.parameters(), lr=1.0)
    training.phase("one", net, optimiser, 1, batch=50, rate=lambda update: 0.5, after=told.append)
    nn.functional.cross_entropy(before(digits().images), digits().labels).backward()
    torch.testing.assert_close(net[1].weight, before[1].weight - 0.5 * before[1].weight.grad, rtol=0, atol=1e-7)
    assert told == [1]


def test_an_epoch_shows_each_picture_once():
    numbered = Digits(torch.arange(50.0).view(50, 1, 1, 1), torch.zeros(50).long())
    net, seen = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)), []

    def loss(net, images, labels):
        seen.append(images.flatten().tolist())
        return net(images).sum()

    training = Training(Context(), numbered, total=6)
    training.phase("one", net, torch.optim.SGD(net.parameters(), lr=0.0), 6, batch=20, loss=loss)
    assert [len(part) for part in seen] == [20, 20, 10] * 2
    first, second = (list(itertools.chain(*part)) for part in (seen[:3], seen[3:]))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_the_error_is_counted_in_evaluation_mode_and_the_mode_is_left():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.999), nn.Linear(16, 10))
    with torch.no_grad():
        net[2].weight.zero_()
        net[2].bias.copy_(torch.arange(10.0))
    assert error(net, digits(), batch=7) == pytest.approx(100 * float((digits().labels != 9).float().mean()), abs=1e-5)
    assert net.training
