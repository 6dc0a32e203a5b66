"""Training a variational autoencoder on MNIST, digits binarised anew whenever they are seen, and its log-likelihood.

Shapes: N digits; images (N, 784), in [0, 1]; z (N, J).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil

import torch
from safetensors.torch import save
from torch import Tensor

from dmbench.experiments._digits_training import read_digits, seeded
from dmbench.experiments._scaled_mnist_training import order
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.models.vae import VAE, elbo, importance_bound

ACTIVE = 0.01  # Burda et al. (2016), section 5.2: a latent value is active if its mean varies by more over the data
POINTS = 10  # of the learning curve
DRAWS_AT_ONCE = 20_000  # of z, while log-likelihoods are measured: 63 MB of pixels


@dataclass(frozen=True)
class Recipe:
    """How a network trains: Adam on the mean bound, a rate that falls by stages.

    stages: passes over the digits and the rate of each. draws: K of the test's log-likelihood.
    """

    stages: tuple[tuple[int, float], ...]
    batch: int
    draws: int
    hidden: tuple[int, ...] = (200, 200)
    latent: int = 50
    eps: float = 1e-4

    @property
    def passes(self) -> int:
        """Over all stages."""
        return sum(passes for passes, _ in self.stages)

    def rate(self, done: int) -> float:
        """Return the learning rate of a pass, from 0."""
        for passes, rate in self.stages:
            if done < passes:
                return rate
            done -= passes
        raise ValueError(f"need a pass of the recipe: {done} too many")


# Burda et al. (2016), section 5: 3^i passes at 0.001 x 10^(-i/7), i = 0 to 7, 20 digits an update.
BURDA = Recipe(tuple((3**i, 0.001 * 10 ** (-i / 7)) for i in range(8)), batch=20, draws=5000)
SHORT = Recipe(((7, 3e-3), (3, 1e-3)), batch=100, draws=100, eps=1e-8)


def trained(ctx: Context, recipe: Recipe, net: VAE) -> dict[str, float]:
    """Train in place; return the test's negative log-likelihood and bound, nats, and the count of active values.

    The weights are kept as vae_seed<seed>.safetensors, in half precision.
    """
    ctx.note(**asdict(recipe), optimiser="Adam")
    net.to(ctx.device)
    train, test = read_digits(ctx, "train").images.flatten(1), test_digits(ctx)
    steps = ceil(len(train) / recipe.batch)
    updates = steps * recipe.passes
    optimiser = torch.optim.Adam(net.parameters(), recipe.rate(0), eps=recipe.eps, fused=True)

    def step(update: int) -> Mapping[str, Tensor]:
        done, place = divmod(update, steps)
        chosen = order(len(train), ctx.seed or 0, f"vae {done}")[place * recipe.batch :][: recipe.batch]
        x = torch.bernoulli(train[chosen.to(ctx.device)])
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(done)
        optimiser.zero_grad()
        loss = -elbo(net, x, torch.randn(len(x), recipe.latent, device=x.device)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"train_loss": loss}

    Loop(ctx, updates, {"net": net, "optimiser": optimiser}, save_every=steps).run(
        step,
        evaluate=lambda: {"test_loss": -mean_bound(net, test, recipe.latent)},
        evaluate_every=max(1, updates // POINTS),
    )
    weights = {name: value.cpu().half().contiguous() for name, value in net.state_dict().items()}
    ctx.keep(f"vae_seed{ctx.seed}.safetensors", save(weights))
    return {
        "nll": -mean_log_likelihood(net, test, recipe.latent, recipe.draws),
        "elbo": mean_bound(net, test, recipe.latent),
        "active": active_values(net, test),
    }


def test_digits(ctx: Context) -> Tensor:
    """Return the test digits, binarised once: a pixel is ink with the probability of its grey value."""
    images = read_digits(ctx, "test").images.flatten(1)
    return torch.bernoulli(images.cpu(), generator=seeded(ctx, "binarised")).to(ctx.device)


@torch.no_grad()
def mean_bound(net: VAE, x: Tensor, latent: int) -> float:
    """Return the mean bound, one draw of z for each digit, nats."""
    return float(elbo(net, x, torch.randn(len(x), latent, device=x.device)).double().mean())


@torch.no_grad()
def mean_log_likelihood(net: VAE, x: Tensor, latent: int, draws: int) -> float:
    """Return the mean importance-sampled log-likelihood, nats, in parts that bound the memory."""
    total, some = 0.0, max(1, DRAWS_AT_ONCE // draws)
    for part in torch.split(x, some):
        noise = torch.randn(draws, len(part), latent, device=x.device)
        total += float(importance_bound(net, part, noise).double().sum())
    return total / len(x)


@torch.no_grad()
def active_values(net: VAE, x: Tensor) -> int:
    """Count the latent values whose mean under q varies over the digits by more than 0.01."""
    return int((net.encode(x)[0].var(0) > ACTIVE).sum())
