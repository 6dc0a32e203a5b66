"""Adversarial training of a generator and a discriminator, of any kind; shared by GAN and DCGAN.

Shapes: N samples of a batch, Z noise values.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.experiments._scaled_mnist_training import generator as seeded
from dmbench.experiments._scaled_mnist_training import order
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.models.gan import discriminator_loss, generator_loss


@dataclass(frozen=True)
class Recipe:
    """How both networks train, in turns: one update of the discriminator, then one of the generator.

    updates: of each. rate, rate_generator: of both, or of the generator where it has another. beta1: of Adam; with
    `sgd` it is SGD, whose rate is divided by `decay` at each update down to 1e-6, and whose momentum rises from `beta1`
    to 0.7 over 250 epochs, as in goodfeli/adversarial, mnist.yaml. repeats: updates of the generator in each turn.
    kind: of the generator's loss. deviation: of normal noise; None for noise uniform within 1.
    """

    updates: int
    batch: int
    noise: int
    rate: float
    beta1: float = 0.5
    rate_generator: float | None = None
    sgd: bool = False
    decay: float = 1.0
    repeats: int = 1
    kind: str = "non_saturating"
    deviation: float | None = 1.0

    def optimiser(self, net: nn.Module, rate: float) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters."""
        if self.sgd:
            return torch.optim.SGD(net.parameters(), rate, momentum=self.beta1)
        return torch.optim.Adam(net.parameters(), rate, betas=(self.beta1, 0.999), fused=True)

    def draw(self, count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
        """Return noise (count, Z); `generator` is of the CPU."""
        where = device if generator is None else torch.device("cpu")
        if self.deviation is None:
            return (2 * torch.rand(count, self.noise, generator=generator, device=where) - 1).to(device)
        return self.deviation * torch.randn(count, self.noise, generator=generator, device=where).to(device)


def train(
    ctx: Context,
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module,
    real: Callable[[int], Tensor],
    evaluate: Callable[[], Mapping[str, float]],
    *,
    evaluate_every: int,
    save_every: int = 1000,
    of_discriminator: Callable[..., Tensor] = discriminator_loss,
    of_generator: Callable[..., Tensor] = generator_loss,
) -> None:
    """Train both in place, or go on from a checkpoint; they are left in evaluation mode.

    Args:
        real: returns the data of an update, from 0. evaluate: measured in evaluation mode, a point of the curve.
        of_discriminator, of_generator: the losses, called with scores.

    Raises: DivergedError: a loss is infinite or NaN; the last checkpoint stays.
    """
    ctx.note(**asdict(recipe))
    nets = {"generator": generator, "discriminator": discriminator}
    for net in nets.values():
        net.to(ctx.device).train()
    rates = {"generator": recipe.rate_generator or recipe.rate, "discriminator": recipe.rate}
    optimisers = {name: recipe.optimiser(net, rates[name]) for name, net in nets.items()}
    parts: dict[str, Any] = {**nets, **{f"{name}_optimiser": o for name, o in optimisers.items()}}

    def step(update: int) -> dict[str, Tensor]:
        data = real(update)
        if recipe.sgd:
            for name, optimiser in optimisers.items():
                _schedule(optimiser, recipe, rates[name], update)
        fake = generator(recipe.draw(len(data), ctx.device))
        loss = of_discriminator(discriminator(data), discriminator(fake.detach()))
        _descend(optimisers["discriminator"], loss)
        for repeat in range(recipe.repeats):
            if repeat:
                fake = generator(recipe.draw(len(data), ctx.device))
            with frozen(discriminator):
                against = of_generator(discriminator(fake), recipe.kind)
                _descend(optimisers["generator"], against)
        return {"discriminator_loss": loss, "generator_loss": against}

    def measured() -> Mapping[str, float]:
        with evaluating(generator):
            return evaluate()

    Loop(ctx, recipe.updates, parts, save_every=save_every).run(step, evaluate=measured, evaluate_every=evaluate_every)
    for net in nets.values():
        net.eval()


def batches(data: Tensor, size: int, seed: int) -> Callable[[int], Tensor]:
    """Return a function from an update's number to its batch, by epochs with an order of their own from the seed."""
    steps = ceil(len(data) / size)

    def batch(update: int) -> Tensor:
        epoch, step = divmod(update, steps)
        return data[order(len(data), seed, f"gan {epoch}")[step * size :][:size].to(data.device)]

    return batch


@torch.no_grad()
def sample(
    generator: nn.Module, recipe: Recipe, count: int, seed: int, device: torch.device, purpose: str = "samples"
) -> Tensor:
    """Return samples (count, ...) of a generator in evaluation mode, from noise that the seed and purpose fix."""
    noise = recipe.draw(count, device, seeded(seed, purpose))
    with evaluating(generator):
        return torch.cat([generator(part) for part in torch.split(noise, 1000)])


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Hold a network in evaluation mode."""
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Compute no gradients of a network's parameters, only those that pass through it."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, rate: float, update: int) -> None:
    epoch = update / 500  # of 50,000 digits by 100
    for group in optimiser.param_groups:
        group["lr"] = max(rate / recipe.decay**update, 1e-6)
        group["momentum"] = recipe.beta1 + (0.7 - recipe.beta1) * min(epoch / 250, 1)
