"""GAN: its theory in closed form, the Parzen estimator, and trainings on Gaussian mixtures and MNIST."""

from typing import Any

import torch
from safetensors.torch import save
from torch.nn.functional import binary_cross_entropy_with_logits

from dmbench.experiments._gan_centroids import centroids
from dmbench.experiments._gan_runs import for_mixtures, train_on, train_on_mnist
from dmbench.experiments._gan_scores import GRID, RING, SAMPLES, estimate, flat_digits
from dmbench.experiments._gan_subjects import DISCRIMINATOR, DISCRIMINATOR_LOSS, GENERATOR, GENERATOR_LOSS, PARZEN
from dmbench.experiments._gan_theory import best_table, quantiles
from dmbench.experiments._gan_training import Recipe
from dmbench.harness.experiment import Context, experiment
from dmbench.metrics.inception_score import inception_score
from dmbench.metrics.parzen import parzen
from dmbench.models.gan import OPTIMUM, jensen_shannon, optimal_discriminator

# goodfeli/adversarial, mnist.yaml; it has no end but by hand.
FULL = Recipe(updates=250_000, batch=100, noise=100, rate=0.05, rate_generator=0.1, sgd=True, decay=1.000004)
SHORT = Recipe(updates=5000, batch=50, noise=100, rate=6e-4, rate_generator=1e-3)
SHORT_SIZES: dict[str, Any] = {"noise": 100, "hidden": 256, "layers": 2, "outputs": 784, "squash": True, "reach": 0.1}
SMALL = Recipe(updates=2000, batch=256, noise=2, rate=1e-3)
# fjxmlzn/PacGAN, synthetic_data_experiments: 400 epochs of 100,000 samples.
PACGAN = Recipe(updates=400_000, batch=100, noise=2, rate=1e-4, beta1=0.8)
TRAINED = (DISCRIMINATOR_LOSS, GENERATOR_LOSS, GENERATOR, DISCRIMINATOR)


@experiment("generator_parameters", tier="quick", subjects=(GENERATOR,))
def generator_size(ctx: Context) -> dict[str, float]:
    """Count the parameters of MNIST's generator."""
    return {"generator_parameters": sum(p.numel() for p in ctx.subject("generator")().parameters())}


@experiment("discriminator_parameters", tier="quick", subjects=(DISCRIMINATOR,))
def discriminator_size(ctx: Context) -> dict[str, float]:
    """Count the parameters of MNIST's discriminator."""
    return {"discriminator_parameters": sum(p.numel() for p in ctx.subject("discriminator")().parameters())}


@experiment("optimum", "optimal_discriminator", "jensen_shannon", tier="quick", subjects=(DISCRIMINATOR_LOSS,))
def theory(ctx: Context) -> dict[str, float]:
    """Let a table of scores, one an outcome, descend the loss on discrete distributions, and read V where it ends.

    The loss takes means over draws: each of the 10 outcomes is repeated as often as its probability, in 1,000 draws.
    """
    loss = ctx.subject("discriminator_loss")
    p = torch.tensor([300, 200, 150, 100, 100, 50, 40, 30, 20, 10])
    g = p.flip(0)
    same, _ = best_table(loss, p, p)
    other, d = best_table(loss, p, g)
    p, g = p.double() / p.sum(), g.double() / g.sum()
    return {
        "optimum": same,
        "optimal_discriminator": float((d - optimal_discriminator(p, g)).abs().max()),
        "jensen_shannon": other - OPTIMUM - 2 * float(jensen_shannon(p, g)),
    }


@experiment("minimax_gradient", "non_saturating_gradient", tier="quick", subjects=(GENERATOR_LOSS,))
def saturation(ctx: Context) -> dict[str, float]:
    """Derive both losses by the score of a sample that the discriminator is sure is none: D = 1e-13."""
    found = {}
    for kind in ("minimax", "non_saturating"):
        score = torch.tensor([-30.0], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(ctx.subject("generator_loss")(score, kind), score)
        found[f"{kind}_gradient"] = float(slope)
    return found


@experiment("difference_torch", tier="quick", subjects=(DISCRIMINATOR_LOSS, GENERATOR_LOSS))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare losses and gradients with torch's binary cross-entropy, also where D rounds to 0 and 1."""
    real, fake = (torch.linspace(-60, 60, 241, requires_grad=True) for _ in range(2))
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    theirs = binary_cross_entropy_with_logits
    of_generator = ctx.subject("generator_loss")
    pairs = [
        (ctx.subject("discriminator_loss")(real, fake), theirs(real, one) + theirs(fake, zero)),
        (of_generator(fake, "non_saturating") + 0 * real.sum(), theirs(fake, one) + 0 * real.sum()),
        (of_generator(fake, "minimax") + 0 * real.sum(), -theirs(fake, zero) + 0 * real.sum()),
    ]
    worst = 0.0
    for mine, other in pairs:
        slopes = zip(*(torch.autograd.grad(loss, (real, fake)) for loss in (mine, other)), strict=True)
        worst = max(worst, float((mine - other).detach().abs()), *(float((a - b).abs().max()) for a, b in slopes))
    return {"difference_torch": worst}


@experiment("parzen_closed_form", tier="quick", subjects=(PARZEN,))
def parzen_closed_form(ctx: Context) -> dict[str, float]:
    """Estimate standard normal points, 1,001 quantiles, by 20,001 quantiles as samples, with sigma = 0.5."""
    points, samples = (quantiles(count) for count in (1001, 20_001))
    return {"parzen_closed_form": float(ctx.subject("parzen")(points, samples, 0.5).mean())}


@experiment("inception_lowest", "inception_highest", tier="quick")
def inception_limits(ctx: Context) -> dict[str, float]:
    """Score classifiers that say the same of all samples, and that are sure and find all ten classes as often."""
    same = torch.softmax(torch.randn(10), 0).expand(1000, 10)
    return {
        "inception_lowest": inception_score(same).mean,
        "inception_highest": inception_score(torch.eye(10).repeat(100, 1)).mean,
    }


@experiment("parzen_real", tier="quick", artifacts=("mnist",), subjects=(PARZEN,))
def parzen_real(ctx: Context) -> dict[str, float]:
    """Take 10,000 training digits for a generator's samples; sigma is what 1,000 validation digits choose."""
    digits = flat_digits(ctx)
    samples = digits.train[:SAMPLES]
    chosen = parzen(digits.validation[:1], digits.validation, samples).sigma
    return {"parzen_real": float(ctx.subject("parzen")(digits.test, samples, chosen).double().mean())}


@experiment("parzen_centroids", tier="slow", artifacts=("mnist",))
def parzen_centroids(ctx: Context) -> dict[str, float]:
    """Take 2,000 centroids of k-means on the training digits for a generator's samples."""
    digits = flat_digits(ctx)
    return {"parzen_centroids": estimate(digits, centroids(digits.train, 2000, rounds=5)).mean}


@experiment("parzen_pixels", tier="slow", artifacts=("mnist",), seeds=3)
def parzen_pixels(ctx: Context) -> dict[str, float]:
    """Draw each pixel by itself from a Gaussian of its own mean and deviation, held in [0, 1]."""
    digits = flat_digits(ctx)
    noise = torch.randn(SAMPLES, 784).to(ctx.device)
    samples = (digits.train.mean(0) + digits.train.std(0) * noise).clamp(0, 1)
    return {"parzen_pixels": estimate(digits, samples).mean}


@experiment("non_saturating_modes", tier="slow", subjects=TRAINED, seeds=5)
def ring(ctx: Context) -> dict[str, float]:
    """Train small networks on eight Gaussians on a ring; count the modes found.

    The share of good samples, in the curve, goes up and down between its points, and differs between seeds by more than
    a regression would.
    """
    generator, discriminator = for_mixtures(ctx, hidden=128, depth=2, units=64, pieces=3, layers=2)
    found = train_on(ctx, RING, SMALL, generator, discriminator, points=20)
    ctx.keep(f"gan_ring_seed{ctx.seed}.safetensors", save(generator.state_dict()))
    return {"non_saturating_modes": found.modes}


@experiment("short_parzen", tier="slow", artifacts=("mnist",), subjects=TRAINED, seeds=3)
def short(ctx: Context) -> dict[str, float]:
    """Train smaller networks on MNIST for minutes; the mean log-likelihood of the test digits by 10,000 samples."""
    digits = flat_digits(ctx)
    generator = ctx.subject("generator")(**SHORT_SIZES, mean=digits.train.mean(0).cpu())
    discriminator = ctx.subject("discriminator")(inputs=784, units=64, pieces=3, layers=2, reach=0.05)
    return {"short_parzen": train_on_mnist(ctx, SHORT, digits, generator, discriminator, points=10)}


@experiment("mnist_parzen", tier="full", artifacts=("mnist",), subjects=TRAINED, seeds=3, gpu=True)
def mnist(ctx: Context) -> dict[str, float]:
    """Train the paper's networks on MNIST; the mean log-likelihood of the test digits by 10,000 samples.

    Differs from the authors' file: 1. It ends, after 500 epochs. 2. The two networks take turns instead of one update
    of both. 3. The discriminator's loss is not halved, and its rate is: the updates are the same.
    """
    digits = flat_digits(ctx)
    generator = ctx.subject("generator")(mean=digits.train.mean(0).cpu())
    return {"mnist_parzen": train_on_mnist(ctx, FULL, digits, generator, ctx.subject("discriminator")(), points=25)}


@experiment(
    "pacgan_{data}_modes",
    "pacgan_{data}_quality",
    "pacgan_{data}_divergence",
    tier="full",
    subjects=TRAINED,
    seeds=10,
    gpu=True,
    over={"data": ("ring", "grid")},
)
def mixtures(ctx: Context, data: str) -> dict[str, float]:
    """Train GAN on a ring or a grid as PacGAN's authors do; modes found, good samples, %, and KL from even, nats.

    Differs from their code: no batch normalisation in the generator's four layers of 400 units, and weights begin as
    torch.nn.Linear's.
    """
    generator, discriminator = for_mixtures(ctx, hidden=400, depth=4, units=200, pieces=5, layers=3)
    mixture = RING if data == "ring" else GRID
    found = train_on(ctx, mixture, PACGAN, generator, discriminator, points=100)
    results = {"modes": found.modes, "quality": 100 * found.high_quality, "divergence": found.divergence}
    return {f"pacgan_{data}_{key}": value for key, value in results.items()}
