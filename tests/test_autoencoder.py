"""The deep autoencoder: passes and machines by hand and by enumeration, principal components, training, bad input."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments import _autoencoder_training
from dmbench.experiments._autoencoder_training import Recipe, stack, trained
from dmbench.experiments._digits_training import Digits
from dmbench.experiments.autoencoder import check_components, check_net
from dmbench.harness.errors import ContractError
from dmbench.models.autoencoder import (
    Autoencoder,
    principal_components,
    project,
    reconstruction_loss,
    squared_error,
)
from dmbench.models.parts.rbm import RBM
from tests.test_vae import Context

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 4)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pixels(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def machine(visible, hidden, linear=False):
    torch.manual_seed(0)
    found = RBM(visible, hidden, linear).double()
    for parameter in found.parameters():
        parameter.normal_()
    return found


def layer(rows, biases, x):
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(rows, biases, strict=True)]


@few
@given(st.lists(sizes, min_size=2, max_size=4))
def test_a_picture_goes_through_logistic_layers_and_a_linear_code_value_by_value(units):
    torch.manual_seed(0)
    net, x = Autoencoder(units).double(), pixels(2, units[0])
    for n in range(2):
        h = x[n].tolist()
        for i, one in enumerate([*net.encoder, *net.decoder]):
            h = layer(one.weight.tolist(), one.bias.tolist(), h)
            if i + 1 != len(net.encoder):
                h = [sigmoid(value) for value in h]
            else:
                assert net.encode(x)[n].tolist() == pytest.approx(h, abs=1e-13)
        assert net(x)[n].tolist() == pytest.approx(h, abs=1e-13)


@few
@given(sizes, sizes)
def test_losses_are_sums_over_pixels_as_loops(rows, count):
    logits, x = noise(rows, count), pixels(rows, count)
    for n in range(rows):
        pairs = [(sigmoid(a), b) for a, b in zip(logits[n].tolist(), x[n].tolist(), strict=True)]
        entropy = -sum(b * math.log(p) + (1 - b) * math.log(1 - p) for p, b in pairs)
        assert reconstruction_loss(logits, x)[n].item() == pytest.approx(entropy, abs=1e-12)
        expected = sum((p - b) ** 2 for p, b in pairs)
        assert squared_error(torch.sigmoid(logits), x)[n].item() == pytest.approx(expected, abs=1e-13)


def test_a_machines_means_are_those_of_its_energy_by_enumeration():
    found = machine(3, 2)
    states = {size: list(itertools.product((0.0, 1.0), repeat=size)) for size in (2, 3)}

    def weight(v, h):  # e^-E, Eq. 1
        v, h = (torch.tensor(one, dtype=torch.float64) for one in (v, h))
        return math.exp(float(h @ found.weight @ v + found.visible_bias @ v + found.hidden_bias @ h))

    v, h = states[3][5], states[2][2]
    over_h, over_v = ({s: weight(v, s) for s in states[2]}, {s: weight(s, h) for s in states[3]})
    for means, table in (
        (found.up(torch.tensor([v]).double()), over_h),
        (found.down(torch.tensor([h]).double()), over_v),
    ):
        for i, mean in enumerate(means[0].tolist()):
            expected = sum(w for s, w in table.items() if s[i]) / sum(table.values())
            assert mean == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("linear", [False, True])
def test_an_update_is_contrastive_divergence_as_loops(linear):
    found, v = machine(4, 3, linear), pixels(5, 4)
    before = {name: value.clone() for name, value in found.state_dict().items()}
    momentum, rate, decay = 0.5, 0.25, 0.01
    for number in range(2):
        torch.manual_seed(number)
        h = found.up(v)
        again = found.down(found.draw(h))
        h_again = found.up(again)
        torch.manual_seed(number)
        error = found.update(v, rate, momentum, decay)
        assert error.item() == pytest.approx(sum((v - again).square().sum(1).tolist()) / 5, abs=1e-13)
        for i, j in itertools.product(range(3), range(4)):
            positive = sum((h[n, i] * v[n, j]).item() for n in range(5)) / 5
            negative = sum((h_again[n, i] * again[n, j]).item() for n in range(5)) / 5
            step = rate * (positive - negative - decay * before["weight"][i, j].item())
            before["velocity"][i, j] = momentum * before["velocity"][i, j] + step
            before["weight"][i, j] += before["velocity"][i, j]
        before["visible_velocity"] = momentum * before["visible_velocity"] + rate * (v - again).mean(0)
        before["hidden_velocity"] = momentum * before["hidden_velocity"] + rate * (h - h_again).mean(0)
        before["visible_bias"] += before["visible_velocity"]
        before["hidden_bias"] += before["hidden_velocity"]
        torch.testing.assert_close(found.state_dict(), before, rtol=0, atol=1e-13)


def test_hidden_states_are_binary_or_normal_about_their_means():
    torch.manual_seed(0)
    means = torch.full((20_000, 1), 0.25, dtype=torch.float64)
    binary, real = RBM(1, 1).draw(means), RBM(1, 1, linear=True).draw(means)
    assert set(binary.unique().tolist()) == {0, 1}
    assert binary.mean().item() == pytest.approx(0.25, abs=0.01)
    assert (real.mean().item(), real.var().item()) == pytest.approx((0.25, 1), abs=0.03)


def test_an_unrolled_network_has_the_machines_weights_and_its_own_copies():
    machines = [machine(5, 4), machine(4, 2, linear=True)]
    net = Autoencoder.unrolled(machines)
    assert [tuple(one.weight.shape) for one in net.encoder] == [(4, 5), (2, 4)]
    x = pixels(3, 5)
    code = machines[1].up(machines[0].up(x))
    torch.testing.assert_close(net.encode(x), code, rtol=0, atol=1e-13)
    torch.testing.assert_close(net(x), machines[0].down(machines[1].down(code)), rtol=0, atol=1e-13)
    before = net(x)
    machines[0].weight.zero_()
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)
    assert all(p.requires_grad for p in net.parameters())


@few
@given(st.integers(1, 4), st.integers(0, 3))
def test_components_are_torchs_up_to_their_signs_and_nothing_linear_is_better(count, seed):
    x = noise(30, 5, seed=seed) @ noise(5, 5, seed=9) + 1
    mean, components = principal_components(x, count)
    torch.testing.assert_close(mean, x.mean(0), rtol=0, atol=0)
    torch.testing.assert_close(components @ components.T, torch.eye(count).double(), rtol=0, atol=1e-12)
    theirs = torch.linalg.svd(x - mean).Vh[:count]
    torch.testing.assert_close((components * theirs).sum(1).abs(), torch.ones(count).double(), rtol=0, atol=1e-9)
    best = squared_error(project(x, mean, components), x).mean()
    other = torch.linalg.qr(noise(5, count, seed=seed + 20)).Q.T
    assert squared_error(project(x, mean, other), x).mean() >= best
    assert squared_error(project(x, mean + 0.01, components), x).mean() >= best


def test_all_components_lose_nothing():
    x = noise(9, 4)
    torch.testing.assert_close(project(x, *principal_components(x, 4)), x, rtol=0, atol=1e-13)


def test_gradients():
    torch.manual_seed(0)
    net = Autoencoder((4, 3, 2)).double()
    assert torch.autograd.gradcheck(net, (pixels(2, 4).requires_grad_(),))
    assert torch.autograd.gradcheck(lambda z: reconstruction_loss(z, pixels(2, 4)), (noise(2, 4).requires_grad_(),))


@pytest.mark.parametrize("bad", [1.5, -0.25, 255.0, math.nan])
def test_values_that_are_no_pixels_are_refused_with_the_value(bad):
    x = pixels(2, 4)
    x[1, 3] = bad
    with pytest.raises(ValueError, match=rf"need pixels in \[0, 1\], divide by 255 or clamp: {bad:g}"):
        reconstruction_loss(noise(2, 4), x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Autoencoder((784,)), r"need at least the pixels and the code: \(784,\)"),
        (lambda: Autoencoder((784, 0)), "need at least one input and output: 784, 0"),
        (lambda: Autoencoder((4, 2))(pixels(2, 5)), r"need x \(\.\.\., I\) and weight \(O, I\)"),
        (lambda: RBM(0, 3), "need at least one visible and hidden unit: 0, 3"),
        (lambda: principal_components(noise(3, 4), 5), r"1 to D components: \(3, 4\), 5"),
        (lambda: principal_components(noise(3, 4), 0), r"1 to D components: \(3, 4\), 0"),
        (lambda: Autoencoder((4, 2)).unroll_([]), "argument 3 is shorter"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def tiny_digits(monkeypatch):
    """Two kinds of pictures of 9 pixels."""
    images = (torch.tensor([[1.0] * 4 + [0.0] * 5, [0.0] * 5 + [1.0] * 4]).repeat(150, 1) * 0.9 + 0.05).view(
        300, 1, 3, 3
    )
    parts = {"train": Digits(images, torch.zeros(300)), "test": Digits(images[:20], torch.zeros(20))}
    monkeypatch.setattr(_autoencoder_training, "read_digits", lambda ctx, part: parts[part])


def tiny_run(ctx, recipe):
    torch.manual_seed(1)
    return trained(ctx, recipe, Autoencoder(recipe.sizes)).mean().item()


@pytest.mark.parametrize("sizes", [(9, 6, 2), (9, 1)])
def test_training_tells_two_kinds_of_pictures_apart(tiny_digits, sizes):
    recipe = Recipe(pretraining=20 if len(sizes) > 2 else 0, tuning=60, rate=0.05, sizes=sizes)
    ctx = Context()
    assert tiny_run(ctx, recipe) < 0.1  # without a code the mean of both would leave 1.8
    assert {tuple(point) for point in ctx.points} == {("update", "train_error", "test_error")}


@pytest.mark.parametrize("killed_at", [1, 3])
def test_a_run_killed_in_pretraining_or_in_tuning_ends_like_one_that_was_not(tiny_digits, killed_at):
    recipe = Recipe(pretraining=1, tuning=3, sizes=(9, 4, 2))
    whole, killed = tiny_run(Context(), recipe), Context(killed_at=killed_at)
    with pytest.raises(KeyboardInterrupt):
        tiny_run(killed, recipe)
    killed.killed_at = None
    assert tiny_run(killed, recipe) == whole


def test_only_the_codes_machine_has_real_units():
    assert [one.linear for one in stack((9, 6, 4, 2))] == [False, False, True]


def test_other_implementations_must_meet_the_contracts():
    assert check("autoencoder", numbers="unrolled", net=Autoencoder)
    with pytest.raises(ContractError, match=r"encode returned \(3, 3\)"):
        check_net(lambda sizes: Autoencoder((6, 3)))
    with pytest.raises(ContractError, match=r"not \(4,\) and \(2, 4\)"):
        check_components(lambda x, count: (x.mean(0), x[:, :count]))
