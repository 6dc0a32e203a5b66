"""The variational autoencoder: sums and integrals by hand, the bound where log p(x) is known, training, bad input."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load

from dmbench import check
from dmbench.experiments import _autoencoder_pictures, _vae_pictures, _vae_training
from dmbench.experiments._digits_training import Digits
from dmbench.experiments._linear_gaussian import LinearGaussian, points, quadrature
from dmbench.experiments._training import DivergedError
from dmbench.experiments._vae_training import BURDA, Recipe, active_values, mean_log_likelihood, trained
from dmbench.experiments.vae import check_bound, check_net
from dmbench.harness.errors import ContractError
from dmbench.models.parts.bernoulli import bernoulli_log_likelihood
from dmbench.models.vae import VAE, elbo, gaussian_log_likelihood, importance_bound, kl_to_prior, reparametrise

few = settings(deadline=None, max_examples=20, derandomize=True)
sizes = st.integers(1, 4)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small(deviation=0.5, **options):
    torch.manual_seed(0)
    return VAE(**({"inputs": 6, "hidden": (5,), "latent": 2} | options), deviation=deviation).double()


def digits(count, seed=0):
    return torch.rand(count, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).round()


@few
@given(sizes, sizes)
def test_the_kl_divergence_is_its_integral(rows, latent):
    mu, log_variance = noise(rows, latent), noise(rows, latent, seed=1)
    z = torch.linspace(-30, 30, 20_001, dtype=torch.float64)
    for n in range(rows):
        total = 0.0
        for m, s in zip(mu[n].tolist(), log_variance[n].tolist(), strict=True):
            log_q = -((z - m) ** 2) / (2 * math.exp(s)) - s / 2
            total += float((log_q.exp() * (log_q + z**2 / 2)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))
        assert kl_to_prior(mu, log_variance)[n].item() == pytest.approx(total, abs=1e-10)


@few
@given(sizes, sizes)
def test_the_bound_is_equation_10_as_loops(rows, latent):
    net, x, eps = small(latent=latent), digits(rows), noise(rows, latent)
    mu, log_variance = net.encode(x)
    bound = elbo(net, x, eps)
    for n in range(rows):
        m, s = mu[n].tolist(), log_variance[n].tolist()
        prior = sum(1 + s[j] - m[j] ** 2 - math.exp(s[j]) for j in range(latent)) / 2
        z = torch.tensor([m[j] + math.exp(s[j] / 2) * eps[n, j].item() for j in range(latent)], dtype=torch.float64)
        p = torch.sigmoid(net.decode(z)).tolist()
        pixels = sum(math.log(q) if ink else math.log(1 - q) for q, ink in zip(p, x[n].tolist(), strict=True))
        assert bound[n].item() == pytest.approx(prior + pixels, abs=1e-12)


def test_the_network_is_two_tanh_layers_value_by_value():
    net, x = small(), digits(2)
    h = torch.tanh(x @ net.encoder[0].weight.T + net.encoder[0].bias)
    torch.testing.assert_close(net.encode(x)[0], h @ net.mean.weight.T + net.mean.bias, rtol=0, atol=1e-14)
    expected = h @ net.log_variance.weight.T + net.log_variance.bias
    torch.testing.assert_close(net.encode(x)[1], expected, rtol=0, atol=1e-14)
    hidden, last = net.decoder[0][0], net.decoder[1]
    z = noise(3, 2, 2)
    expected = torch.tanh(z @ hidden.weight.T + hidden.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(net.decode(z), expected, rtol=0, atol=1e-14)


def test_weights_begin_as_in_the_paper():
    torch.manual_seed(0)
    weights = torch.cat([p.detach().flatten() for p in VAE().parameters() if p.ndim > 1])
    assert float(weights.std()) == pytest.approx(0.1, abs=1e-3)
    assert not any(p.any() for p in VAE().parameters() if p.ndim == 1)


@few
@given(st.integers(1, 5))
def test_the_importance_bound_is_the_mean_weight_as_loops(draws):
    net, x, eps = small(), digits(3), noise(draws, 3, 2)
    mu, log_variance = net.encode(x)
    bound = importance_bound(net, x, eps)
    for n in range(3):
        weights = []
        for k in range(draws):
            z = reparametrise(mu[n], log_variance[n], eps[k, n])
            q = torch.distributions.Normal(mu[n], (log_variance[n] / 2).exp()).log_prob(z).sum()
            prior = torch.distributions.Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum()
            pixels = torch.distributions.Bernoulli(logits=net.decode(z)).log_prob(x[n]).sum()
            weights.append(math.exp((pixels + prior - q).item()))
        assert bound[n].item() == pytest.approx(math.log(sum(weights) / draws), abs=1e-12)


def test_the_bounds_of_more_draws_are_higher_and_end_at_the_log_likelihood():
    model, x = LinearGaussian(shift=0.4, widen=0.4), points()  # a wider q has weights of finite variance
    evidence = model.log_evidence(x)
    found = []
    for draws in (1, 4, 64):
        many = 2**14 // draws
        eps = noise(draws, many * 3, 2)
        found.append(importance_bound(model, x.repeat(many, 1), eps).view(many, 3).mean(0))
    assert (found[0] < found[1]).all()
    assert (found[1] < found[2]).all()
    assert (evidence - found[2] < 0.03).all()
    nodes, weights = quadrature(2)
    mean = weights @ torch.stack([elbo(model, x, one.expand(3, 2)) for one in nodes])
    assert (mean < evidence - 0.1).all()


def test_the_gaussian_log_likelihood_is_torchs():
    x, mean, log_variance = noise(4, 3), noise(4, 3, seed=1), noise(4, 3, seed=2)
    expected = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(x).sum(1)
    torch.testing.assert_close(gaussian_log_likelihood(mean, log_variance, x), expected, rtol=0, atol=1e-13)


def test_gradients():
    net, x, eps = small(), digits(2), noise(2, 2)
    mu, log_variance = noise(2, 3).requires_grad_(), noise(2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kl_to_prior, (mu, log_variance))
    assert torch.autograd.gradcheck(reparametrise, (mu, log_variance, noise(2, 3, seed=2).requires_grad_()))
    assert torch.autograd.gradcheck(bernoulli_log_likelihood, (noise(2, 6).requires_grad_(), digits(2)))
    names, values = zip(*net.named_parameters(), strict=True)

    def bound(*given):
        return torch.func.functional_call(
            Bound(net), dict(zip([f"net.{n}" for n in names], given, strict=True)), (x, eps)
        )

    assert torch.autograd.gradcheck(bound, values)


class Bound(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x, eps):
        return elbo(self.net, x, eps)


def test_a_forward_pass_draws_z():
    net, x = small(), digits(3)
    logits, mu, log_variance = net(x)
    torch.manual_seed(1)
    again = net(x)
    assert not torch.equal(again[0], logits)
    torch.testing.assert_close(again[1:], (mu, log_variance), rtol=0, atol=0)


def test_pictures_may_have_sides():
    net, x = small(), digits(3)
    torch.testing.assert_close(elbo(net, x.view(3, 1, 2, 3), noise(3, 2)), elbo(net, x, noise(3, 2)), rtol=0, atol=0)


def test_kl_keeps_its_digits_near_the_prior_and_is_infinite_for_a_sigma_of_zero_or_without_bound():
    s = torch.tensor([[1e-9]], dtype=torch.float64)
    assert kl_to_prior(torch.zeros_like(s), s).item() == pytest.approx(2.5e-19, rel=1e-6)  # s^2 / 4
    for log_variance in (-math.inf, 1000.0):
        assert kl_to_prior(torch.zeros(1, 1), torch.tensor([[log_variance]])).item() == math.inf


def test_logits_of_any_size_have_finite_likelihoods_and_gradients():
    logits = torch.tensor([[1e4, -1e4, 1e4]], requires_grad=True)
    y = bernoulli_log_likelihood(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    assert y.item() == -1e4
    assert torch.autograd.grad(y.sum(), logits)[0].tolist() == [[0, 0, -1]]


@pytest.mark.parametrize("bad", [1.5, -0.25, 255.0, math.nan, math.inf])
def test_values_that_are_no_pixels_are_refused_with_the_value(bad):
    x = digits(2)
    x[1, 3] = bad
    with pytest.raises(ValueError, match=rf"need pixels in \[0, 1\], divide by 255 or clamp: {bad:g}"):
        elbo(small(), x, noise(2, 2))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"hidden": ()}, "at least one hidden"), ({"latent": 0}, "at least one"), ({"inputs": 0}, "at least one")],
)
def test_sizes_below_one_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        VAE(**sizes)


def test_torch_compile_gives_the_same():
    net, x, eps = small(), digits(3), noise(3, 2)
    compiled = torch.compile(elbo, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(net, x, eps), elbo(net, x, eps), rtol=0, atol=0)


def test_burdas_recipe_has_3280_passes():
    assert BURDA.passes == 3280
    assert BURDA.rate(0) == 1e-3
    assert BURDA.rate(3279) == pytest.approx(1e-4)
    assert [BURDA.rate(done) for done in (1, 3, 4)] == [BURDA.rate(1), BURDA.rate(1), BURDA.rate(12)]
    with pytest.raises(ValueError, match="need a pass of the recipe"):
        BURDA.rate(3280)


class Context:
    """As much of a context as training needs; the run is killed at its checkpoint of this number."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, killed_at=None):
        self.state, self.points, self.saves, self.killed_at, self.files = None, [], 0, killed_at, {}

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.state, self.saves = copy.deepcopy(state), self.saves + 1
        if self.saves == self.killed_at:
            raise KeyboardInterrupt
        return True

    def keep(self, name, content):
        self.files[name] = content

    def point(self, **values):
        self.points.append(values)

    def progress(self, done, total):
        pass

    def note(self, **settings):
        pass


TINY = Recipe(((2, 1e-2), (2, 1e-3)), batch=20, draws=7, hidden=(8,), latent=2)


@pytest.fixture
def tiny_digits(monkeypatch):
    """Two kinds of pictures of 9 pixels."""
    images = (torch.tensor([[1.0] * 4 + [0.0] * 5, [0.0] * 5 + [1.0] * 4]).repeat(40, 1) * 0.9 + 0.05).view(80, 1, 3, 3)
    parts = {"train": Digits(images, torch.zeros(80)), "test": Digits(images[:20], torch.zeros(20))}
    monkeypatch.setattr(_vae_training, "read_digits", lambda ctx, part: parts[part])


def tiny_run(ctx, recipe=TINY):
    torch.manual_seed(1)
    net = VAE(9, recipe.hidden, recipe.latent, deviation=0.1)
    return trained(ctx, recipe, net), net


def test_training_raises_the_bound_and_keeps_the_weights(tiny_digits):
    ctx = Context()
    found, net = tiny_run(ctx, Recipe(((40, 1e-2),), batch=20, draws=7, hidden=(8,), latent=2))
    assert ctx.points[-1]["test_loss"] < ctx.points[0]["test_loss"] - 1
    assert found["nll"] < -found["elbo"]
    assert 0 <= found["active"] <= 2
    (content,) = ctx.files.values()
    assert set(load(content)) == set(net.state_dict())


def test_a_killed_run_ends_like_one_that_was_not(tiny_digits):
    whole, _ = tiny_run(Context())
    killed = Context(killed_at=2)
    with pytest.raises(KeyboardInterrupt):
        tiny_run(killed)
    killed.killed_at = None
    assert tiny_run(killed)[0] == whole


def test_a_variance_that_overflows_stops_the_training_and_says_where(tiny_digits):
    with pytest.raises(DivergedError, match=r"train_loss became (nan|inf) by update .* of 16, seed 3: "):
        tiny_run(Context(), Recipe(((4, 1e6),), batch=20, draws=1, hidden=(8,), latent=2))


def test_log_likelihoods_in_parts_are_those_of_the_whole(monkeypatch):
    net, x = small(), digits(10)
    eps = torch.zeros(3, 10, 2, dtype=torch.float64)
    monkeypatch.setattr(torch, "randn", lambda *shape, device: torch.zeros(shape, dtype=torch.float64))
    monkeypatch.setattr(_vae_training, "DRAWS_AT_ONCE", 12)  # 4 digits of 3 draws, the last part has 2
    expected = importance_bound(net, x, eps).mean().item()
    assert mean_log_likelihood(net, x, 2, 3) == pytest.approx(expected, abs=1e-12)


def test_a_latent_value_is_active_if_its_mean_varies():
    net = small(latent=3)
    with torch.no_grad():
        net.mean.weight[1] = 0
    assert active_values(net, digits(50)) == 2


def test_other_implementations_must_meet_the_contracts():
    assert check("vae", numbers="kl_*", kl=kl_to_prior)
    with pytest.raises(ContractError, match=r"returned \(3, 2\), not shape \(3,\)"):
        check("vae", numbers="kl_*", kl=lambda mu, log_variance: mu)
    with pytest.raises(ContractError, match="not shape"):
        check_bound(lambda model, x, noise: elbo(model, x, noise).sum())
    with pytest.raises(ContractError, match=r"encode returned \(5, 3\)"):
        check_net(lambda inputs, hidden, latent: VAE(inputs, hidden, 3))


@pytest.fixture
def drawn(monkeypatch):
    """A context whose digits are noise, 20 of each class, and whose networks begin as they are."""
    images = torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    digits = Digits(images, torch.arange(200) % 10)
    for module in (_vae_pictures, _autoencoder_pictures):
        monkeypatch.setattr(module, "read_digits", lambda ctx, part: digits)
    nets = {name: VAE(784, (4, 3), latent).eval() for name, latent in (("vae_mnist", 50), ("vae_mnist_plane", 2))}
    monkeypatch.setattr(_vae_pictures, "_net", lambda ctx, artifact, recipe: nets[artifact])
    return nets


def digits_of(figure):
    return np.array([axes.images[0].get_array() for axes in figure.axes])


def test_made_up_digits_stand_above_the_nearest_training_digits(drawn):
    made, nearest = np.split(digits_of(_vae_pictures.made_up(None)), 2)
    train = _vae_pictures.read_digits(None, "train").images[:, 0].numpy()
    for one, other in zip(made, nearest, strict=True):
        distances = ((train - one) ** 2).sum((1, 2))
        assert np.array_equal(other, train[distances.argmin()])


def test_ways_begin_and_end_at_the_reconstructions(drawn):
    rows = np.array([axes.images[0].get_array() for axes in _vae_pictures.reconstructed(None).axes]).reshape(
        2, 10, 28, 28
    )
    ways = np.array([axes.images[0].get_array() for axes in _vae_pictures.between(None).axes]).reshape(-1, 9, 28, 28)
    for way, (start, end) in zip(ways, _vae_pictures.PAIRS, strict=True):
        np.testing.assert_allclose(way[0], rows[1, start], rtol=0, atol=1e-6)
        np.testing.assert_allclose(way[-1], rows[1, end], rtol=0, atol=1e-6)


def test_the_plane_has_the_first_value_to_the_right_and_the_second_upwards(drawn):
    drawn["vae_mnist_plane"].decode = lambda z: z.new_zeros(len(z), 784) + z[:, :1] * 1e-2 + z[:, 1:]
    image = _vae_pictures.plane(None).axes[0].images[0].get_array()
    assert image[0, 0] > image[-1, 0]
    assert image[0, -1] > image[0, 0]


def test_more_components_leave_more_of_a_digit(drawn):
    rows = digits_of(_autoencoder_pictures.reconstructions(None)).reshape(-1, 10, 28, 28)
    errors = [((row - rows[0]) ** 2).sum() for row in rows[1:]]
    assert errors == sorted(errors, reverse=True)
