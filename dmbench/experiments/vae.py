"""The variational autoencoder: its KL, its bound where log p(x) is known, its gradients, its counts; and MNIST."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from dmbench.experiments._linear_gaussian import LinearGaussian, points, quadrature
from dmbench.experiments._vae_training import BURDA, SHORT, Recipe, trained
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.parts.bernoulli import bernoulli_log_likelihood
from dmbench.models.vae import VAE, elbo, importance_bound, kl_to_prior, reparametrise

WORKED = ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (2.0, 1.0))  # mu and log sigma^2
RANGE = (-20.0, 20.0)  # of log sigma^2 in comparisons
Shape = tuple[int, ...]


def same_shape(contract: str, name: str, default: Any, shapes: Sequence[Shape], out: Shape) -> Subject:
    """Return a part that is a function of tensors: `out` is the shape that it gives for tensors of these shapes."""

    def check(function: Callable[..., Tensor]) -> None:
        """Raise ContractError unless it returns a tensor of the shape."""
        y = function(*(torch.rand(*shape) for shape in shapes))
        if not isinstance(y, Tensor) or y.shape != out:
            raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))}, not shape {out}")

    return Subject(name, default, contract, check)


KL = same_shape(
    "f(mu, log_variance), (N, J) each, returns KL(N(mu, sigma^2) || N(0, I)), (N), nats; differentiable",
    "kl", kl_to_prior, ((3, 2), (3, 2)), (3,),
)  # fmt: skip
SAMPLE = same_shape(
    "f(mu, log_variance, noise), (N, J) each, returns mu + sigma noise; differentiable",
    "sample", reparametrise, ((3, 2), (3, 2), (3, 2)), (3, 2),
)  # fmt: skip
LIKELIHOOD = same_shape(
    "f(logits, x), (N, D) each, returns the pixels' summed log-likelihood, (N), nats; differentiable",
    "likelihood", bernoulli_log_likelihood, ((3, 5), (3, 5)), (3,),
)  # fmt: skip


def check_bound(bound: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it returns one bound a point."""
    x = points()
    y = bound(LinearGaussian(), x, torch.zeros(len(x), 2, dtype=torch.float64))
    if not isinstance(y, Tensor) or y.shape != (len(x),):
        raise ContractError(f"returned {tuple(getattr(y, 'shape', ()))}, not shape ({len(x)},)")


BOUND = Subject(
    name="bound",
    default=elbo,
    contract="f(model, x, noise) returns the bound of log p(x) of one draw, (N), nats; model.encode(x) gives mu and "
    "log sigma^2, model.log_likelihood(x, z) log p(x|z); x (N, D), noise (N, J)",
    check=check_bound,
)


def check_net(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it maps digits to mu and log sigma^2, and log p(x|z) is one value a digit."""
    net, x = build(inputs=784, hidden=(4, 3), latent=2), torch.rand(5, 784).round()
    mu, log_variance = net.encode(x)
    if mu.shape != (5, 2) or log_variance.shape != (5, 2):
        raise ContractError(f"encode returned {tuple(mu.shape)} and {tuple(log_variance.shape)}, not (5, 2) twice")
    log_p = net.log_likelihood(x, mu)
    if log_p.shape != (5,):
        raise ContractError(f"log_likelihood returned {tuple(log_p.shape)}, not (5,)")


NET = Subject(
    name="net",
    default=VAE,
    contract="f(inputs, hidden, latent) builds a module: encode(x) gives mu and log sigma^2, log_likelihood(x, z) "
    "log p(x|z), x (N, 784), z (..., N, J); its matrices are drawn anew before training",
    check=check_net,
)


@experiment("kl_worked", "kl_prior", tier="quick", subjects=(KL,))
def kl_values(ctx: Context) -> dict[str, float | list[float]]:
    """Take the KL divergence to the prior of four normal distributions, and of the prior itself."""
    mu, log_variance = torch.tensor(WORKED, dtype=torch.float64, device=ctx.device)[:, :, None].unbind(1)
    zero = torch.zeros(1, 7, dtype=torch.float64, device=ctx.device)
    kl = ctx.subject("kl")
    return {"kl_worked": kl(mu, log_variance).tolist(), "kl_prior": float(kl(zero, zero))}


@experiment("difference_kl", tier="quick", subjects=(KL,))
def kl_torch(ctx: Context) -> dict[str, float]:
    """Compare the KL divergence with torch.distributions', value and gradients, in float64."""
    mu = torch.randn(50, 8, dtype=torch.float64).to(ctx.device).requires_grad_()
    log_variance = torch.empty(50, 8, dtype=torch.float64).uniform_(*RANGE).to(ctx.device).requires_grad_()
    one = torch.ones((), dtype=torch.float64, device=ctx.device)
    normal = Normal(mu, (log_variance / 2).exp())
    theirs = kl_divergence(normal, Normal(0 * one, one)).sum(1)
    return {"difference_kl": _difference((mu, log_variance), ctx.subject("kl")(mu, log_variance), theirs)}


@experiment("difference_likelihood", tier="quick", subjects=(LIKELIHOOD,))
def likelihood_torch(ctx: Context) -> dict[str, float]:
    """Compare log p(x|z) with torch's binary cross-entropy, value and gradients, in float64."""
    logits = (5 * torch.randn(20, 30, dtype=torch.float64)).to(ctx.device).requires_grad_()
    x = torch.rand(20, 30, dtype=torch.float64).to(ctx.device).requires_grad_()
    theirs = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return {"difference_likelihood": _difference((logits, x), ctx.subject("likelihood")(logits, x), theirs)}


@experiment("coin_flips", tier="quick", subjects=(LIKELIHOOD,))
def undecided(ctx: Context) -> dict[str, float]:
    """Give a picture of 784 pixels to a generator whose logits are all zero."""
    x = torch.rand(1, 784, dtype=torch.float64, device=ctx.device).round()
    return {"coin_flips": float(ctx.subject("likelihood")(torch.zeros_like(x), x))}


@experiment("sample_moments", "sample_gradients", tier="quick", subjects=(SAMPLE,))
def sampled(ctx: Context) -> dict[str, list[float]]:
    """Take mean and variance of z, and the gradients of E z^3 by mu and log sigma^2, over all noise by quadrature."""
    noise, weights = quadrature(1)
    mu, log_variance = (torch.full_like(noise, value, requires_grad=True) for value in (0.5, -1.0))
    z = ctx.subject("sample")(mu, log_variance, noise)
    mean = weights @ z[:, 0]
    gradients = torch.autograd.grad(weights @ z[:, 0] ** 3, (mu, log_variance))
    return {
        "sample_moments": [float(mean.detach()), float((weights @ (z[:, 0] - mean) ** 2).detach())],
        "sample_gradients": [float(one.sum()) for one in gradients],
    }


@experiment("bound_at_posterior", "bound_gap", "importance_at_posterior", tier="quick", subjects=(BOUND,))
def linear(ctx: Context) -> dict[str, float]:
    """Compare the bound of a linear Gaussian model with log p(x), and what it lacks with KL(q || p(z|x))."""
    bound, x = ctx.subject("bound"), points()
    exact, off = LinearGaussian(), LinearGaussian(shift=0.4, widen=-0.6)
    evidence = exact.log_evidence(x)
    tightest, lower = (_over_noise(bound, model, x) for model in (exact, off))
    sampled = importance_bound(exact, x, torch.randn(4, len(x), 2, dtype=torch.float64))
    return {
        "bound_at_posterior": float((tightest - evidence).abs().max()),
        "bound_gap": float((evidence - lower - off.missed(x)).abs().max()),
        "importance_at_posterior": float((sampled - evidence).abs().max()),
    }


@experiment("parameters", "parameters_burda", tier="quick", subjects=(NET,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of the paper's network, and of Burda's."""
    build = ctx.subject("net")
    nets = build(inputs=784, hidden=(500,), latent=20), build(inputs=784, hidden=SHORT.hidden, latent=SHORT.latent)
    paper, burda = (sum(p.numel() for p in net.parameters()) for net in nets)
    return {"parameters": paper, "parameters_burda": burda}


@experiment("nll_short", "elbo_short", tier="slow", artifacts=("mnist",), subjects=(NET,), seeds=5)
def short(ctx: Context) -> dict[str, float]:
    """Train Burda's network on MNIST for 10 passes; negative log-likelihood and bound of the test digits, nats.

    Differs from the paper (Burda et al. 2016): 1. 10 passes instead of 3,280, at higher rates. 2. 100 digits an update
    instead of 20. 3. Adam's eps is 1e-8. 4. 100 draws of z for the log-likelihood instead of 5,000, which lowers it.
    """
    found = _trained(ctx, SHORT)
    return {"nll_short": found["nll"], "elbo_short": found["elbo"]}


@experiment("nll", "active_values", tier="full", artifacts=("mnist",), subjects=(NET,), seeds=3)
def burda(ctx: Context) -> dict[str, float]:
    """Train Burda's network on MNIST by his recipe, 3,280 passes; the same log-likelihood, and its active values."""
    found = _trained(ctx, BURDA)
    return {"nll": found["nll"], "active_values": found["active"]}


def _trained(ctx: Context, recipe: Recipe) -> dict[str, float]:
    net = ctx.subject("net")(inputs=784, hidden=recipe.hidden, latent=recipe.latent)
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)  # Burda et al., section 5
        else:
            nn.init.zeros_(parameter)
    return trained(ctx, recipe, net)


def _over_noise(bound: Callable[..., Tensor], model: LinearGaussian, x: Tensor) -> Tensor:
    """Return the bound's mean over all noise, (N)."""
    noise, weights = quadrature(2)
    found = [bound(model, x, one.expand(len(x), 2)) for one in noise]
    return weights @ torch.stack(found)


def _difference(leaves: tuple[Tensor, ...], mine: Tensor, theirs: Tensor) -> float:
    """Return the largest difference in value and gradients, over the largest value of each."""
    found = [(one, *torch.autograd.grad(one.sum(), leaves)) for one in (mine, theirs)]
    pairs = ((a.detach(), b.detach()) for a, b in zip(*found, strict=True))
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
