"""GAN's trainings: on Gaussian mixtures in the plane, and on MNIST."""

from safetensors.torch import save
from torch import nn

from dmbench.experiments._gan_scores import SAMPLES, SCORED, Flat, Mixture, estimate
from dmbench.experiments._gan_training import Recipe, batches, sample, train
from dmbench.harness.experiment import Context
from dmbench.metrics.mode_collapse import Collapse
from dmbench.metrics.parzen import parzen

WATCHED = 2000  # samples for a point of the curve


def for_mixtures(
    ctx: Context, *, hidden: int, depth: int, units: int, pieces: int, layers: int
) -> tuple[nn.Module, nn.Module]:
    """Build networks for the plane, without dropout, whose weights begin as torch.nn.Linear's do."""
    generator = ctx.subject("generator")(noise=2, hidden=hidden, layers=depth, outputs=2, squash=False)
    sizes = {"inputs": 2, "units": units, "pieces": pieces, "layers": layers}
    discriminator = ctx.subject("discriminator")(**sizes, p_input=0, p_hidden=0)
    for net in (generator, discriminator):
        for parameter in net.parameters():
            if parameter.ndim == 2:
                nn.init.kaiming_uniform_(parameter, a=5**0.5)
    return generator, discriminator


def train_on_mnist(
    ctx: Context, recipe: Recipe, digits: Flat, generator: nn.Module, discriminator: nn.Module, points: int
) -> float:
    """Train on digits, keep the generator's weights in half precision, and return the test digits' likelihood, nats."""

    def measured() -> dict[str, float]:
        few = sample(generator, recipe, WATCHED, ctx.seed or 0, ctx.device)
        return {"parzen": parzen(digits.validation, digits.train[:500], few).mean}

    train(
        ctx,
        recipe,
        generator,
        discriminator,
        batches(digits.train, recipe.batch, ctx.seed or 0),
        measured,
        evaluate_every=recipe.updates // points,
        of_discriminator=ctx.subject("discriminator_loss"),
        of_generator=ctx.subject("generator_loss"),
    )
    weights = {name: value.half().cpu() for name, value in generator.state_dict().items()}
    ctx.keep(f"gan_mnist_{recipe.updates}_seed{ctx.seed}.safetensors", save(weights))
    found = estimate(digits, sample(generator, recipe, SAMPLES, ctx.seed or 0, ctx.device))
    ctx.note(parzen_sigma=found.sigma)
    return found.mean


def train_on(
    ctx: Context,
    mixture: Mixture,
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module,
    points: int,
) -> Collapse:
    """Train on a mixture, and score what came out; the curve has so many points."""

    def score() -> Collapse:
        return mixture.score(sample(generator, recipe, SCORED, ctx.seed or 0, ctx.device))

    def measured() -> dict[str, float]:
        found = score()
        return {"modes": found.modes, "quality": 100 * found.high_quality}

    train(
        ctx,
        recipe,
        generator,
        discriminator,
        lambda update: mixture.draw(recipe.batch, ctx.device),
        measured,
        evaluate_every=recipe.updates // points,
        of_discriminator=ctx.subject("discriminator_loss"),
        of_generator=ctx.subject("generator_loss"),
    )
    return score()
