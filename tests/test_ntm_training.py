"""Training of neural Turing machines: killed and gone on, diverged, each recipe at a tiny size, unlike lengths."""

import io
import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from dmbench.datasets.algorithmic import copy, dynamic_ngrams
from dmbench.experiments import _ntm_recipes, _ntm_training
from dmbench.experiments._ntm_recipes import DRAWS, RECIPES, Recipe
from dmbench.experiments._ntm_training import cost, errors, train, update
from dmbench.experiments._training import DivergedError
from dmbench.models.ntm import NTM, Memory
from dmbench.models.parts.deep_lstm import DeepLSTM
from dmbench.optim.rmsprop import RMSprop


class Ctx:
    """What a training needs of a context; keeps what it was told."""

    device, seed = torch.device("cpu"), 0

    def __init__(self):
        self.saved, self.points, self.notes = None, [], {}

    def load(self):
        return None if self.saved is None else torch.load(io.BytesIO(self.saved), weights_only=True)

    def save(self, state):
        content = io.BytesIO()
        torch.save(state, content)
        self.saved = content.getvalue()
        return True

    def point(self, **values):
        self.points.append(values)

    def note(self, **settings):
        self.notes |= settings

    def progress(self, done, total):
        pass


def tiny(task, controller="feedforward", updates=4, **options):
    return Recipe(task, controller, 6, memory=Memory(8, 4), updates=updates, batch=2, **options)


@pytest.fixture
def short(monkeypatch):
    """Held-out sequences are few, and n-grams short."""
    monkeypatch.setattr(_ntm_training, "HELD_OUT", 16)
    monkeypatch.setattr(_ntm_recipes, "dynamic_ngrams", partial(dynamic_ngrams, length=20))


@pytest.mark.parametrize(("task", "controller"), [("copy", "feedforward"), ("recall", "lstm")])
def test_a_killed_training_goes_on_with_the_same_numbers(task, controller, monkeypatch, short):
    recipe = tiny(task, controller, updates=3)

    def run(ctx, last=99):
        def draw(batch, generator):
            nonlocal last
            last -= generator is None
            if last < 0:
                raise KeyboardInterrupt
            return DRAWS[task](batch, generator)

        monkeypatch.setattr(_ntm_training, "DRAWS", {task: draw})
        torch.manual_seed(3)
        net = recipe.build(NTM)
        train(ctx, recipe, {"": net})
        return net, ctx

    whole, told = run(Ctx())
    killed = Ctx()
    with pytest.raises(KeyboardInterrupt):
        run(killed, last=2)
    again, _ = run(killed)
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert [point["update"] for point in told.points] == [1, 2, 3]
    assert set(told.points[0]) == {"update", "train_bits", "bits"}
    assert told.notes["task"] == task


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_no_number_stops_the_training_and_is_named(where, short):
    class Broken(NTM):
        def forward(self, x, state=None, *, watch=None):
            y, state = super().forward(x, state)
            return (y * math.nan if where == "loss" else y + (self.first_reads * 0).sqrt().sum()), state

    recipe = tiny("copy")
    with pytest.raises(DivergedError, match="train_bits became nan by update 1 of 4, seed 0: there is no checkpoint"):
        train(Ctx(), recipe, {"": recipe.build(Broken)})


def test_two_networks_see_the_same_sequences(short):
    recipe = tiny("copy", updates=3)
    torch.manual_seed(0)
    net = recipe.build(NTM)
    other = recipe.build(NTM)
    other.load_state_dict(net.state_dict())
    ctx = Ctx()
    train(ctx, recipe, {"": net, "lstm_": other}, watch=lambda: {"more": 1.0})
    for point in ctx.points:
        assert point["train_bits"] == point["lstm_train_bits"]
        assert point["bits"] == point["lstm_bits"]
        assert point["more"] == 1


@pytest.mark.parametrize(("task", "controller"), RECIPES)
def test_each_full_recipe_trains_at_a_tiny_size(task, controller, short):
    whole = RECIPES[task, controller]
    recipe = replace(whole, hidden=4, updates=1, batch=2, memory=replace(whole.memory, locations=8, width=3))
    net = recipe.build(NTM)
    before = [parameter.clone() for parameter in net.parameters()]
    test = [DRAWS[task](2, torch.Generator().manual_seed(0))]
    ctx = Ctx()
    lstm = DeepLSTM(*recipe.sizes, 4)
    train(ctx, recipe, {"": net, "lstm_": lstm}, watch=lambda: {"more": cost(net, test)})
    assert sum(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)) >= len(before) - 1
    assert math.isfinite(ctx.points[-1]["bits"])
    assert ctx.points[-1]["more"] > 0


def test_the_rate_settles_to_zero():
    recipe = tiny("copy", updates=100, rate=1.0, settle=0.25)
    assert [recipe.rate_at(done) for done in (0, 75, 90, 99)] == pytest.approx([1, 1, 0.4, 0.04])
    assert tiny("copy", updates=100, rate=1.0, settle=0.0).rate_at(99) == 1


def test_a_batch_of_different_lengths_costs_what_its_sequences_cost_alone():
    net = NTM(9, 8, 6, memory=Memory(8, 4))
    batches = [copy(length, 1, generator=torch.Generator().manual_seed(length)) for length in (1, 5, 3, 7, 2)]
    alone = [cost(net, [batch]) for batch in batches]
    assert cost(net, batches) == pytest.approx(sum(alone) / 5, rel=1e-5)
    assert errors(net, batches) == pytest.approx(sum(errors(net, [batch]) for batch in batches) / 5)


def test_updates_learn_to_copy_one_bit():
    torch.manual_seed(0)
    net = NTM(2, 1, 8, memory=Memory(4, 3))
    optimiser = RMSprop(net.parameters(), 3e-3, 0.95, 1e-4, momentum=0.9, centered=True)
    batch = copy(2, 32, bits=1, generator=torch.Generator().manual_seed(0))
    first = cost(net, [batch])
    for _ in range(60):
        update(net, optimiser, batch, 10.0)
    assert first > 1.5
    assert cost(net, [batch]) < 0.5
