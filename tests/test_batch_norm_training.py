"""batch_norm's experiment on MNIST: the networks value by value, what is measured of them, its picture."""

import math
from dataclasses import replace

import pytest
import torch

from dmbench.experiments import _batch_norm_pictures as pictures
from dmbench.experiments import _batch_norm_training as training
from dmbench.experiments._digits_training import Digits
from dmbench.harness.records import Record
from dmbench.layers.batch_norm import batch_norm


def pair(points=3):
    torch.manual_seed(0)
    return training.Pair(batch_norm, points)


def digits(count=6):
    images = (torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(1)) > 0.8).float()
    return Digits(images, torch.arange(count) % 10)


def by_hand(net, x, normalise):
    """sigmoid(BN(W u)) or sigmoid(W u + b), digit by digit and unit by unit; the inputs of each layer's sigmoids."""
    u, given = x.flatten(1).double(), []
    for layer in range(3):
        weight, bias = net.weights[layer].detach().double(), net.biases[layer].detach().double()
        z = torch.stack([torch.stack([(row * w).sum() for w in weight]) for row in u])
        if normalise:
            mean = sum(z) / len(z)
            var = sum((row - mean) ** 2 for row in z) / len(z)
            z = torch.stack([(row - mean) / (var + 1e-5).sqrt() for row in z])
            z = z * net.scales[layer].detach().double()
        z = z + bias
        given.append(z)
        u = 1 / (1 + (-z).exp())
    return given, u @ net.weights[3].detach().double().T + net.biases[3].detach().double()


@pytest.mark.parametrize("which", [0, 1])
def test_the_networks_are_the_papers_value_by_value(which):
    net, x = pair().nets[which], digits().images
    with torch.no_grad():
        for i in range(3):
            net.biases[i].copy_(torch.linspace(-1, 1, 100))
            if which:
                net.scales[i].copy_(torch.linspace(0.5, 2, 100))
    given, scores = by_hand(net, x, which == 1)
    torch.testing.assert_close(net.train()(x).double(), scores, rtol=0, atol=1e-5)
    shares = torch.tensor(training.PERCENTILES, dtype=torch.float64)
    torch.testing.assert_close(net.percentiles(x).double(), given[-1].quantile(shares, 0), rtol=0, atol=1e-4)


def test_both_begin_with_the_same_weights_and_learn_as_if_they_were_alone():
    both, (images, labels) = pair(), digits()
    for ours, other in zip(both.nets[0].weights, both.nets[1].weights, strict=True):
        torch.testing.assert_close(ours, other, rtol=0, atol=0)
    both.loss(both, images, labels).backward()
    for net in both.nets:
        alone = torch.nn.functional.cross_entropy(net(images), labels)
        for found, exact in zip(net.weights, torch.autograd.grad(alone, list(net.weights)), strict=True):
            torch.testing.assert_close(found.grad, exact, rtol=0, atol=1e-7)


def test_percentiles_leave_the_running_statistics_alone_and_evaluation_uses_them():
    net, x = pair().nets[1].eval(), digits().images
    before = {name: value.clone() for name, value in net.named_buffers()}
    net.percentiles(x)
    torch.testing.assert_close(dict(net.named_buffers()), before, rtol=0, atol=0)
    torch.testing.assert_close(net(x)[:2], net(x[:2]), rtol=0, atol=1e-6)


def test_a_point_of_the_curve_is_kept_in_the_networks_own_buffers():
    both, test = pair(), digits()
    both.eval()
    with torch.no_grad():
        point = both.measure(test)
    assert int(both.count) == 1
    assert both.accuracies[0].tolist() == pytest.approx([point["plain_accuracy"], point["normalised_accuracy"]])
    assert both.history[0, 1, :, 0].tolist() == pytest.approx(
        [point[f"normalised_{key}"] for key in pictures.PERCENTILES]
    )


def test_gain_speedup_and_drift_of_made_up_curves():
    both = pair(4)
    both.accuracies.copy_(torch.tensor([[50.0, 70.0], [60.0, 81.0], [80.0, 85.0], [79.0, 84.0]]))
    wave = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(4, 1, 1)
    both.history.copy_(torch.stack([2 * wave, 0.5 * wave], 1).expand_as(both.history))
    assert training.gain(both) == 5
    assert training.speedup(both) == 1.5  # 80 % after the third point, and after the second
    assert training.drift(both) == pytest.approx(0.25)
    both.accuracies[:, 1] = 10
    assert training.speedup(both) == pytest.approx(3 / 5)  # never: as if after a fifth point


def record(seed, time, protocol="new", whose=None):
    keys = [f"{name}_{key}" for name in pictures.NAMES for key in ("accuracy", *pictures.PERCENTILES)]
    curve = [{"update": float(u), **dict.fromkeys(keys, math.sin(u))} for u in (1, 2, 3)]
    return Record(
        "batch_norm", "mnist_gain", "mnist", 1.0, seed, "slow", whose or {}, {}, {}, protocol, "", 1.0, None, "", "",
        False, {}, curve, time=time,
    )  # fmt: skip


def test_its_picture_is_of_the_newest_protocols_newest_seeds():
    runs = [record(0, "1", "old"), record(0, "2"), record(1, "3"), record(0, "4"), record(0, "9", whose={"a": "b:c"})]
    found = pictures.latest([*runs, replace(runs[1], number="mnist_drift", time="8")])
    assert found == [runs[3], runs[2]]
    accuracy, *inputs = pictures.drawn(found).axes
    assert len(accuracy.lines) == 4
    assert inputs[0].get_ylim() == inputs[1].get_ylim()
    with pytest.raises(ValueError, match="no training is recorded: dmbench run batch_norm"):
        pictures.latest([])
