"""DCGAN: layers against torch.nn, Figure 1's shapes, weights at the start, the latent space, errors."""

import pytest
import torch
from torch import nn

from dmbench import check
from dmbench.experiments import dcgan as experiment
from dmbench.experiments._digit_classifier import probabilities, train_classifier
from dmbench.experiments._digits_training import Digits
from dmbench.harness.errors import ContractError
from dmbench.models.dcgan import DCDiscriminator, DCGenerator, analogy, around, interpolate
from dmbench.peers.dcgan import torch_discriminator, torch_generator

SIZES = {"width": 3, "channels": 2, "side": 16, "depth": 3}


def copied(source, target):
    for a, b in zip(*(sorted(net.parameters(), key=lambda p: p.ndim) for net in (source, target)), strict=True):
        with torch.no_grad():
            b.copy_(a)
    return target.double()


@pytest.mark.parametrize("which", ["generator", "discriminator"])
@pytest.mark.parametrize("training", [True, False])
def test_the_networks_are_these_layers_of_torch(which, training):
    torch.manual_seed(0)
    if which == "generator":
        mine, theirs, x = DCGenerator(5, **SIZES), torch_generator(5, **SIZES), torch.rand(4, 5)
    else:
        mine, theirs, x = DCDiscriminator(**SIZES), torch_discriminator(**SIZES), torch.rand(4, 2, 16, 16)
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    mine, theirs = mine.double().train(training), copied(mine, theirs).train(training)
    torch.testing.assert_close(mine(x.double()), theirs(x.double()), rtol=0, atol=1e-12)


def test_figure_1_has_its_maps_and_no_biases_but_of_normalisation():
    with torch.device("meta"):
        generator, discriminator = DCGenerator(), DCDiscriminator()
        assert generator.eval()(torch.zeros(2, 100)).shape == (2, 3, 64, 64)
        assert discriminator.eval()(torch.zeros(2, 3, 64, 64)).shape == (2,)
    assert generator.maps == [1024, 512, 256, 128]
    assert generator.start == 4
    for net in (generator, discriminator):
        assert all("norm" in name for name, _ in net.named_parameters() if name.endswith("bias"))
        assert not [m for m in net.modules() if isinstance(m, nn.MaxPool2d | nn.AvgPool2d)]


def test_weights_begin_normal_with_deviation_0_02_and_gains_around_1():
    torch.manual_seed(0)
    net = DCGenerator(width=32)
    weights = torch.cat([p.detach().flatten() for p in net.parameters() if p.ndim > 1])
    gains = torch.cat([p.detach() for name, p in net.named_parameters() if p.ndim == 1 and name.endswith("weight")])
    assert float(weights.std()) == pytest.approx(0.02, abs=2e-4)
    assert (float(gains.mean()), float(gains.std())) == pytest.approx((1, 0.02), abs=2e-3)


def test_pictures_are_within_minus_1_and_1():
    torch.manual_seed(0)
    assert float(DCGenerator(5, **SIZES)(1e3 * torch.randn(4, 5)).detach().abs().max()) <= 1


def test_gradients():
    torch.manual_seed(0)
    z = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    x = torch.rand(3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    sizes = {"width": 2, "channels": 1, "side": 4, "depth": 1}
    assert torch.autograd.gradcheck(DCGenerator(2, **sizes).double(), z, atol=1e-4)
    assert torch.autograd.gradcheck(DCDiscriminator(**sizes).double(), x)


def test_a_line_has_both_ends_and_even_steps():
    a, b = torch.tensor([0.0, 4.0]), torch.tensor([2.0, 0.0])
    assert interpolate(a, b, 5).tolist() == [[0, 4], [0.5, 3], [1, 2], [1.5, 1], [2, 0]]


def test_an_analogy_is_of_means():
    like, without, other = (
        torch.tensor([[2.0, 0.0], [4.0, 0.0]]),
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([[0.0, 5.0]]),
    )
    assert analogy(like, without, other).tolist() == [2, 4]


def test_noise_around_a_point_begins_with_it_and_stays_within_reach():
    z = torch.tensor([1.0, -1.0])
    found = around(z, 200, 0.25, torch.Generator().manual_seed(0))
    assert found[0].tolist() == [1, -1]
    assert 0.24 < float((found - z).abs().max()) <= 0.25


def test_a_classifier_learns_digits_and_gives_probabilities():
    images = torch.zeros(20, 1, 28, 28)
    labels = torch.arange(20) % 10
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label + 3 : 2 * label + 7] = 1
    torch.manual_seed(0)
    found = probabilities(train_classifier(Digits(images, labels), 8), images)
    torch.testing.assert_close(found.sum(1), torch.ones(20), rtol=0, atol=1e-5)
    assert float((found.argmax(1) == labels).float().mean()) > 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DCGenerator(side=30), "a multiple of 2.depth = 16: 30"),
        (lambda: DCDiscriminator(side=28, depth=3), "a multiple of 2.depth = 8: 28"),
        (lambda: DCGenerator(width=0), "sizes of at least 1: 64, 4, 100, 0, 3"),
        (lambda: interpolate(torch.zeros(2), torch.zeros(3), 4), r"\(2,\), \(3,\), 4"),
        (lambda: interpolate(torch.zeros(2), torch.zeros(2), 1), "at least 2 steps"),
        (lambda: analogy(torch.zeros(1, 2), torch.zeros(0, 2), torch.zeros(1, 2)), r"\(1, 2\), \(0, 2\), \(1, 2\)"),
        (lambda: around(torch.zeros(2), 0), "a count of at least 1"),
    ],
)
def test_what_cannot_be_built_or_drawn_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_other_networks_must_keep_the_contracts():
    assert check("dcgan", numbers="difference_torch", generator=torch_generator)
    with pytest.raises(ContractError, match=r"not \(4, 1, 8, 8\)"):
        experiment.check_generator(lambda **sizes: nn.Linear(3, 4))
    with pytest.raises(ContractError, match=r"shape \(4, 1\), not \(4,\)"):
        experiment.check_discriminator(lambda **sizes: nn.Sequential(nn.Flatten(), nn.Linear(64, 1)))
