"""Adversarial training: turns as written, a killed run, NaN losses, schedules, and each recipe's path at tiny sizes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from dmbench.experiments import _gan_runs as runs
from dmbench.experiments import dcgan, gan
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._gan_scores import GRID, RING, Flat
from dmbench.experiments._gan_training import Recipe, batches, frozen, sample, train
from dmbench.experiments._training import DivergedError
from dmbench.harness.discovery import experiments
from dmbench.models.gan import Generator, MaxoutDiscriminator, discriminator_loss, generator_loss
from tests import test_training_loop as loops

TINY = Recipe(updates=30, batch=8, noise=2, rate=1e-2)


class Context(loops.Context):
    """With the parts of a stem's experiments, and what they keep."""

    def __init__(self, stem="gan", **options):
        super().__init__(**options)
        self.stem, self.notes, self.left = stem, {}, {}

    def note(self, **settings):
        self.notes |= settings

    def keep(self, name, content):
        self.left[name] = content

    def subject(self, name):
        return next(s.default for e in experiments(self.stem) for s in e.subjects if s.name == name)


def nets(seed=0):
    torch.manual_seed(seed)
    generator = Generator(2, 5, 1, 2, squash=False, reach=1)
    return generator, MaxoutDiscriminator(2, 4, 2, 1, p_input=0, p_hidden=0.3, reach=1)


def trained(ctx, recipe=TINY, **options):
    generator, discriminator = nets()
    data = batches(torch.randn(40, 2, generator=torch.Generator().manual_seed(5)), recipe.batch, 3)
    train(ctx, recipe, generator, discriminator, data, lambda: {"one": 1.0}, evaluate_every=10, save_every=8, **options)
    return [p.detach().clone() for net in (generator, discriminator) for p in net.parameters()]


@pytest.mark.parametrize("recipe", [TINY, replace(TINY, sgd=True, decay=1.1, repeats=2, deviation=None)])
def test_a_killed_training_ends_as_one_that_was_not(recipe):
    whole, first = Context(), Context(killed_at=2)
    expected = trained(whole, recipe)
    with pytest.raises(loops.Killed):
        trained(first, recipe)
    state, points = first.kept
    resumed = Context(state=state, points=points)
    torch.testing.assert_close(trained(resumed, recipe), expected, rtol=0, atol=0)
    assert resumed.points == whole.points


@pytest.mark.parametrize("kind", ["non_saturating", "minimax"])
def test_a_turn_is_a_step_of_the_discriminator_and_then_one_of_the_generator(kind):
    recipe = Recipe(updates=1, batch=4, noise=2, rate=0.1, rate_generator=0.2, beta1=0.0, sgd=True, kind=kind)
    generator, discriminator = nets()
    discriminator.p_hidden = 0.0
    real = torch.randn(4, 2)
    torch.manual_seed(7)
    z = torch.randn(4, 2)
    fake = generator(z).detach()
    d, g = list(discriminator.parameters()), list(generator.parameters())
    slopes = torch.autograd.grad(discriminator_loss(discriminator(real), discriminator(fake)), d)
    d_after = [p.detach() - 0.1 * slope for p, slope in zip(d, slopes, strict=True)]
    moved = dict(zip(dict(discriminator.named_parameters()), d_after, strict=True))
    against = torch.func.functional_call(discriminator, moved, (generator(z),))
    g_after = [
        p.detach() - 0.2 * slope
        for p, slope in zip(g, torch.autograd.grad(generator_loss(against, kind), g), strict=True)
    ]
    torch.manual_seed(7)
    train(Context(), recipe, generator, discriminator, lambda update: real, dict, evaluate_every=0)
    torch.testing.assert_close([p.detach() for p in (*d, *g)], [*d_after, *g_after], rtol=0, atol=1e-6)


def test_a_loss_that_is_nan_stops_the_training_and_the_last_checkpoint_stays():
    ctx, calls = Context(), []

    def spoilt(fake, kind):
        calls.append(1)
        return generator_loss(fake, kind) * (math.nan if len(calls) > 20 else 1)

    with pytest.raises(DivergedError, match="_loss became nan by update 24 of 30, seed 3: the checkpoint of update 16"):
        trained(ctx, of_generator=spoilt)
    assert ctx.kept[0]["update"] == 16


def test_the_authors_schedule():
    recipe = Recipe(updates=3, batch=4, noise=2, rate=0.1, sgd=True, decay=2.0)
    seen = []
    generator, discriminator = nets()
    step = torch.optim.SGD.step

    def spied(self, *args, **kwargs):
        seen.append((self.param_groups[0]["lr"], self.param_groups[0]["momentum"]))
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", spied)
        train(Context(), recipe, generator, discriminator, lambda _: torch.randn(4, 2), dict, evaluate_every=0)
    assert [lr for lr, _ in seen] == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]
    assert [m for _, m in seen[::2]] == pytest.approx([0.5 + 0.2 * u / 125_000 for u in range(3)])


def test_batches_are_epochs_without_repetition_in_an_order_of_the_seed():
    data = torch.arange(10)
    drawn = [torch.cat([batches(data, 4, seed)(update) for update in range(3)]) for seed in (0, 0, 1)]
    assert sorted(drawn[0].tolist()) == list(range(10))
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()
    assert drawn[0].tolist() != torch.cat([batches(data, 4, 0)(update) for update in range(3, 6)]).tolist()


def test_samples_depend_on_the_seed_alone_and_leave_the_mode_and_the_statistics():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).train()
    before = net[1].running_mean.clone()
    first = sample(net, TINY, 5, 1, torch.device("cpu"))
    torch.manual_seed(9)
    torch.testing.assert_close(sample(net, TINY, 5, 1, torch.device("cpu")), first, rtol=0, atol=0)
    assert net.training
    torch.testing.assert_close(net[1].running_mean, before, rtol=0, atol=0)
    assert not torch.equal(sample(net, TINY, 5, 2, torch.device("cpu")), first)


def test_uniform_noise_is_within_one():
    noise = replace(TINY, deviation=None).draw(1000, torch.device("cpu"))
    assert -1 <= float(noise.min()) < -0.98
    assert 0.98 < float(noise.max()) <= 1


def test_a_frozen_network_passes_gradients_and_gets_none():
    net, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen(net):
        net(x).sum().backward()
    assert net.weight.grad is None
    torch.testing.assert_close(x.grad, net.weight.detach(), rtol=0, atol=0)
    assert net.weight.requires_grad


@pytest.fixture
def few(monkeypatch):
    """Sixty digits for MNIST, of four strokes, and recipes of a few updates."""
    g = torch.Generator().manual_seed(0)
    images = (torch.rand(60, 1, 28, 28, generator=g) > 0.9).float()
    digits = Digits(images, torch.arange(60) % 10)
    flat = Flat(images[:40].flatten(1), images[40:50].flatten(1), images[50:].flatten(1))
    for module in (gan, dcgan):
        monkeypatch.setattr(module, "flat_digits", lambda ctx: flat)
        for name, value in vars(module).items():
            if isinstance(value, Recipe):
                monkeypatch.setattr(module, name, replace(value, updates=100, batch=4))
    monkeypatch.setattr(dcgan, "read_digits", lambda ctx, part: digits)
    for module in (gan, dcgan, runs):
        monkeypatch.setattr(module, "SAMPLES", 20, raising=False)
    for module in (runs, dcgan):
        monkeypatch.setattr(module, "SCORED", 20)
        monkeypatch.setattr(module, "WATCHED", 10)
    for name in ("FULL", "PACGAN", "STACKED"):
        module = dcgan if name == "STACKED" else gan
        monkeypatch.setattr(module, name, replace(getattr(module, name), updates=2 if name != "STACKED" else 50))
    monkeypatch.setattr(dcgan, "STACKED_SIZES", {"width": 2, "channels": 3, "side": 28, "depth": 2})
    monkeypatch.setattr(dcgan, "SMALL_SIZES", {"width": 2, "channels": 1, "side": 28, "depth": 2})


def measured(ctx, name):
    found = next(e for e in experiments(ctx.stem) if e.name == name)(ctx)
    assert all(math.isfinite(v) for v in found.values())
    return found


def test_the_papers_recipe_runs_and_keeps_its_generator(few, monkeypatch):
    monkeypatch.setattr(gan, "FULL", replace(gan.FULL, updates=25))
    ctx = Context()
    assert set(measured(ctx, "mnist")) == {"mnist_parzen"}
    assert ctx.notes["sgd"] is True
    assert 0.1 <= ctx.notes["parzen_sigma"] <= 1
    assert len(ctx.points) == 25
    (content,) = ctx.left.values()
    assert 2 * 2_503_984 < len(content) < 2 * 2_503_984 + 2000


def test_the_short_recipe_runs(few):
    assert set(measured(Context(), "short")) == {"short_parzen"}


@pytest.mark.parametrize(("data", "mixture"), [("ring", RING), ("grid", GRID)])
def test_pacgans_recipe_runs(few, monkeypatch, data, mixture):
    monkeypatch.setattr(gan, "PACGAN", replace(gan.PACGAN, updates=1))
    monkeypatch.setattr(gan, "train_on", lambda *args, points: runs.train_on(*args, points=1))
    monkeypatch.setattr(type(mixture), "score", lambda self, samples: (_ for _ in ()).throw(Stop(self, samples)))
    with pytest.raises(Stop) as stop:
        measured(Context(), f"mixtures_{data}")
    assert stop.value.args[0] is mixture
    assert stop.value.args[1].shape == (20, 2)


class Stop(Exception):
    """What is scored."""


def test_stacked_mnist_runs_and_counts_modes(few, monkeypatch):
    monkeypatch.setattr(
        dcgan, "train_classifier", lambda digits, updates: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    )
    ctx = Context("dcgan")
    found = measured(ctx, "stacked")
    assert 1 <= found["stacked_modes"] <= 20
    assert found["stacked_divergence"] >= math.log(1000 / 20) - 1e-9
    assert len(ctx.points) == 50


def test_dcgan_on_mnist_runs(few, monkeypatch):
    monkeypatch.setattr(
        dcgan, "train_classifier", lambda digits, updates: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    )
    ctx = Context("dcgan")
    found = measured(ctx, "mnist")
    assert 1 <= found["mnist_score"] <= 10
    assert list(ctx.left) == ["dcgan_mnist_seed3.safetensors"]
