"""GAN: networks value by value, losses and their gradients, the theory on discrete distributions, errors."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmbench import check
from dmbench.experiments import _gan_subjects as subjects
from dmbench.experiments._gan_theory import best_table
from dmbench.harness.errors import ContractError
from dmbench.models import gan
from dmbench.models.gan import (
    OPTIMUM,
    Generator,
    MaxoutDiscriminator,
    discriminator_loss,
    generator_loss,
    jensen_shannon,
    optimal_discriminator,
    scores_of,
    value,
)

DOUBLE = torch.float64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=DOUBLE)


def distributions(k, seed=0):
    draws = torch.rand(2, k, generator=seeded(seed), dtype=DOUBLE) + 0.01
    return draws / draws.sum(1, keepdim=True)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_losses_are_the_papers_logarithms_value_by_value(n, m, seed):
    real, fake = drawn(n, seed=seed), drawn(m, seed=seed + 1)
    d_real, d_fake = ([1 / (1 + math.exp(-s)) for s in scores.tolist()] for scores in (real, fake))
    expected = sum(math.log(d) for d in d_real) / n + sum(math.log(1 - d) for d in d_fake) / m
    assert float(value(real, fake)) == pytest.approx(expected, abs=1e-13)
    assert float(discriminator_loss(real, fake)) == pytest.approx(-expected, abs=1e-13)
    assert float(generator_loss(fake)) == pytest.approx(-sum(math.log(d) for d in d_fake) / m, abs=1e-13)
    of_minimax = sum(math.log(1 - d) for d in d_fake) / m
    assert float(generator_loss(fake, "minimax")) == pytest.approx(of_minimax, abs=1e-13)


def test_the_generator_is_two_rectified_layers_and_a_sigmoid_value_by_value():
    torch.manual_seed(0)
    net, z = Generator(3, 4, 2, 2, reach=1).double(), drawn(2, 3)
    layers = [*net.hidden, net.output]
    for n in range(2):
        h = z[n].tolist()
        for k, layer in enumerate(layers):
            rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            h = [sum(w * v for w, v in zip(row, h, strict=True)) + b for row, b in rows]
            h = [max(v, 0.0) for v in h] if k < 2 else [1 / (1 + math.exp(-v)) for v in h]
        assert net(z)[n].tolist() == pytest.approx(h, abs=1e-13)


def test_the_discriminator_is_two_maxima_and_a_linear_map_value_by_value():
    torch.manual_seed(0)
    net, x = MaxoutDiscriminator(6, 4, 3, reach=1).double().eval(), drawn(2, 1, 2, 3)
    for n in range(2):
        h = x[n].flatten().tolist()
        for layer in net.hidden:
            rows = zip(layer.linear.weight.tolist(), layer.linear.bias.tolist(), strict=True)
            z = [sum(w * v for w, v in zip(row, h, strict=True)) + b for row, b in rows]
            h = [max(z[3 * i : 3 * i + 3]) for i in range(4)]
        score = sum(w * v for w, v in zip(net.score.weight[0].tolist(), h, strict=True)) + float(
            net.score.bias[0].detach()
        )
        assert float(net(x)[n].detach()) == pytest.approx(score, abs=1e-13)


def test_pixels_and_units_are_dropped_and_the_rest_scaled_up_in_training_only():
    net = MaxoutDiscriminator(2000, 2000, 1, 1, p_input=0.2, p_hidden=0.5).double()
    with torch.no_grad():
        net.hidden[0].linear.weight.copy_(torch.eye(2000))
        net.score.weight.fill_(1)
    x = torch.ones(1, 2000, dtype=DOUBLE)
    torch.manual_seed(0)
    found = float(net(x).detach()) / 2.5  # how many are kept: each of 1 / 0.8 / 0.5
    assert found == pytest.approx(round(found), abs=1e-9)
    assert abs(found - 800) < 5 * math.sqrt(2000 * 0.4 * 0.6)
    assert float(net.eval()(x).detach()) == 2000


def test_weights_begin_as_in_the_authors_file_and_outputs_at_the_mean_of_the_data():
    mean = torch.linspace(0, 1, 784)
    torch.manual_seed(0)
    nets = Generator(mean=mean), MaxoutDiscriminator()
    for net, reach in zip(nets, (0.05, 0.005), strict=True):
        weights = torch.cat([p.detach().flatten() for name, p in net.named_parameters() if name.endswith("weight")])
        assert 0.999 * reach < float(weights.abs().max()) <= reach
    torch.testing.assert_close(nets[0].output.bias.detach().sigmoid()[1:-1], mean[1:-1], rtol=0, atol=1e-6)
    assert nets[0].output.bias.isfinite().all()
    plain = Generator(3, 4, 1, 2, squash=False, mean=torch.tensor([-5.0, 7.0]))
    assert plain.output.bias.tolist() == [-5, 7]


@pytest.mark.parametrize("kind", gan.KINDS)
def test_gradients(kind):
    scores = [drawn(3, seed=s).requires_grad_() for s in (1, 2)]
    assert torch.autograd.gradcheck(discriminator_loss, scores)
    assert torch.autograd.gradcheck(lambda fake: generator_loss(fake, kind), scores[1])
    torch.manual_seed(0)
    net = MaxoutDiscriminator(4, 3, 2, reach=1).double().eval()
    assert torch.autograd.gradcheck(net, drawn(2, 4).requires_grad_())
    assert torch.autograd.gradcheck(Generator(3, 5, 2, 4, reach=1).double(), drawn(2, 3).requires_grad_())


@given(st.floats(-30, 30))
def test_by_the_score_the_gradients_are_minus_d_and_minus_one_minus_d(score):
    s = torch.tensor(score, dtype=DOUBLE, requires_grad=True)
    d = 1 / (1 + math.exp(-score))
    slopes = [float(torch.autograd.grad(generator_loss(s, kind), s)[0]) for kind in gan.KINDS]
    assert slopes == pytest.approx([-1 / (1 + math.exp(score)), -d], abs=1e-14)


@pytest.mark.parametrize("kind", gan.KINDS)
def test_a_step_down_either_loss_raises_the_score_of_a_sample(kind):
    torch.manual_seed(0)
    generator, discriminator = Generator(3, 8, 1, 4, reach=1), MaxoutDiscriminator(4, 5, 2, reach=1).eval()
    z = drawn(16, 3).float()
    before = discriminator(generator(z)).mean()
    loss = generator_loss(discriminator(generator(z)), kind)
    slopes = torch.autograd.grad(loss, list(generator.parameters()))
    with torch.no_grad():
        for parameter, slope in zip(generator.parameters(), slopes, strict=True):
            parameter -= 0.01 * slope
        assert float(discriminator(generator(z)).mean()) > float(before)


@given(st.integers(1, 12), st.integers(0, 10**6))
def test_the_divergence_and_the_best_discriminator_are_as_defined_and_agree(k, seed):
    p, g = distributions(k, seed)
    kl = [
        sum(a * math.log(2 * a / (a + b)) for a, b in zip(x.tolist(), y.tolist(), strict=True))
        for x, y in ((p, g), (g, p))
    ]
    assert float(jensen_shannon(p, g)) == pytest.approx(sum(kl) / 2, abs=1e-12)
    d = optimal_discriminator(p, g)
    best = float((p * d.log() + g * (1 - d).log()).sum())
    assert best == pytest.approx(OPTIMUM + 2 * float(jensen_shannon(p, g)), abs=1e-12)
    for other in (d * 0.9, d + (1 - d) * 0.1):
        assert float((p * other.log() + g * (1 - other).log()).sum()) < best


def test_distributions_apart_give_the_largest_divergence_and_equal_ones_none():
    p, g = torch.tensor([0.5, 0.5, 0, 0]), torch.tensor([0, 0, 1.0, 0])
    assert float(jensen_shannon(p, g)) == pytest.approx(math.log(2), abs=1e-7)
    assert optimal_discriminator(p, g).tolist() == [1, 1, 0, 0.5]
    assert float(jensen_shannon(p, p)) == pytest.approx(0, abs=1e-7)


def test_descent_of_a_table_finds_the_best_discriminator():
    p, g = torch.tensor([1, 3]), torch.tensor([3, 1])
    found, d = best_table(discriminator_loss, p, g)
    assert d.tolist() == pytest.approx([0.25, 0.75], abs=1e-6)
    assert found == pytest.approx(0.5 * math.log(0.25) + 1.5 * math.log(0.75), abs=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_discriminator_that_is_exactly_0_or_1_gives_finite_losses(dtype):
    scores = torch.tensor([-1e4, -800.0, 800.0, 1e4], dtype=dtype, requires_grad=True)
    assert set(scores.sigmoid().tolist()) == {0, 1}
    for loss in (discriminator_loss(scores, scores), *(generator_loss(scores, kind) for kind in gan.KINDS)):
        (slope,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert slope.isfinite().all()
    (slope,) = torch.autograd.grad(generator_loss(scores), scores)
    assert slope.tolist() == [-0.25, -0.25, 0, 0]
    exact = torch.tensor([0.0, 1.0], dtype=dtype, requires_grad=True)
    loss = discriminator_loss(scores_of(exact), scores_of(exact)) + generator_loss(scores_of(exact))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, exact)[0].isfinite().all()


def test_scores_of_probabilities_are_their_log_odds():
    p = torch.tensor([1e-6, 0.25, 0.5, 0.9], dtype=DOUBLE)
    torch.testing.assert_close(scores_of(p).sigmoid(), p, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: generator_loss(torch.zeros(2), "hinge"), "kind must be one of non_saturating, minimax: hinge"),
        (lambda: generator_loss(torch.zeros(0)), r"at least one score of each: \(0,\)"),
        (lambda: discriminator_loss(torch.zeros(2), torch.zeros(0)), r"at least one score of each: \(2,\), \(0,\)"),
        (lambda: scores_of(torch.tensor([0.5, 1.5])), r"need probabilities in \[0, 1\].*: 1.5"),
        (lambda: scores_of(torch.tensor([math.nan])), "need probabilities.*: nan"),
        (lambda: jensen_shannon(torch.ones(2) / 2, torch.ones(3) / 3), "the same outcomes"),
        (lambda: optimal_discriminator(torch.ones(2), torch.ones(2)), "they sum to 2"),
        (lambda: Generator(layers=0), "need at least one hidden layer: 0"),
        (lambda: MaxoutDiscriminator(layers=0), "need at least one hidden layer: 0"),
        (lambda: MaxoutDiscriminator(4)(torch.zeros(2, 5)), "need x"),
        (lambda: MaxoutDiscriminator(4, p_input=1.0)(torch.zeros(2, 4)), "0 <= p < 1"),
    ],
)
def test_what_cannot_be_computed_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def turned(fake, kind="non_saturating"):
    return -generator_loss(fake, kind)


def test_other_implementations_must_keep_the_contracts():
    assert check("gan", numbers="difference_torch", discriminator_loss=discriminator_loss)
    with pytest.raises(ContractError, match="not 0.6931"):
        subjects.check_generator_loss(turned)
    with pytest.raises(ContractError, match="not log 4"):
        subjects.check_discriminator_loss(lambda real, fake: discriminator_loss(real, fake) / 2)
    with pytest.raises(ContractError, match=r"shape \(2, 1\), not \(2,\)"):
        subjects.check_discriminator(lambda **sizes: torch.nn.Linear(4, 1))
    with pytest.raises(ContractError, match=r"shape \(2, 2\), not \(2, 4\)"):
        subjects.check_generator(lambda **sizes: torch.nn.Linear(3, 2))
    with pytest.raises(ContractError, match="at the only sample"):
        subjects.check_parzen(lambda points, samples, sigma: torch.zeros(len(points)))
