"""The parts of GAN that a user may replace, and what each must do."""

from collections.abc import Callable
from math import log, pi

import torch
from torch import Tensor, nn

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Subject
from dmbench.metrics.parzen import log_likelihood
from dmbench.models.gan import Generator, MaxoutDiscriminator, discriminator_loss, generator_loss


def check_discriminator_loss(loss: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it is log 4 where the discriminator knows nothing."""
    found = loss(torch.zeros(3), torch.zeros(3))
    if not isinstance(found, Tensor) or found.ndim or abs(float(found) - log(4)) > 1e-5:
        raise ContractError(f"gave {found} for scores of 0, not log 4 = 1.3863: minus the value function, a scalar")


def check_generator_loss(loss: Callable[..., Tensor]) -> None:
    """Raise ContractError unless both kinds are right where the discriminator knows nothing."""
    for kind, wanted in (("non_saturating", log(2)), ("minimax", -log(2))):
        found = loss(torch.zeros(3), kind)
        if not isinstance(found, Tensor) or found.ndim or abs(float(found) - wanted) > 1e-5:
            raise ContractError(f"gave {found} for scores of 0 and {kind}, not {wanted:.4f}, a scalar")


def check_generator(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps noise to samples."""
    found = build(noise=3, hidden=5, layers=2, outputs=4, squash=True)(torch.zeros(2, 3))
    if found.shape != (2, 4) or not bool(((found >= 0) & (found <= 1)).all()):
        raise ContractError(f"gave samples of shape {tuple(found.shape)}, not (2, 4), or outside [0, 1]")


def check_discriminator(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps samples to scores."""
    found = build(inputs=4, units=3, pieces=2, layers=2)(torch.zeros(2, 4))
    if found.shape != (2,):
        raise ContractError(f"gave scores of shape {tuple(found.shape)}, not (2,)")


def check_parzen(likelihood: Callable[..., Tensor]) -> None:
    """Raise ContractError unless a point on the only sample has the density of the Gaussian's peak."""
    found = likelihood(torch.zeros(1, 2), torch.zeros(1, 2), 0.5)
    if found.shape != (1,) or abs(float(found) + log(2 * pi * 0.25)) > 1e-4:
        raise ContractError(f"gave {found} at the only sample, not {-log(2 * pi * 0.25):.4f}")


DISCRIMINATOR_LOSS = Subject(
    name="discriminator_loss",
    default=discriminator_loss,
    contract="f(real, fake) returns minus the value function, a scalar, from scores (log-odds of being data)",
    check=check_discriminator_loss,
)
GENERATOR_LOSS = Subject(
    name="generator_loss",
    default=generator_loss,
    contract='f(fake, kind) returns the loss, a scalar, from scores; kind is "non_saturating" or "minimax"',
    check=check_generator_loss,
)
GENERATOR = Subject(
    name="generator",
    default=Generator,
    contract="f(noise, hidden, layers, outputs, squash, reach=, mean=) builds a module from (N, noise) to "
    "(N, outputs), in [0, 1] with squash; without arguments MNIST's",
    check=check_generator,
)
DISCRIMINATOR = Subject(
    name="discriminator",
    default=MaxoutDiscriminator,
    contract="f(inputs, units, pieces, layers, p_input=, p_hidden=, reach=) builds a module from (N, inputs) to scores "
    "(N); without arguments MNIST's",
    check=check_discriminator,
)
PARZEN = Subject(
    name="parzen",
    default=log_likelihood,
    contract="f(points, samples, sigma) returns log p (N) of points (N, D) under samples (M, D)",
    check=check_parzen,
)
LOSSES = (DISCRIMINATOR_LOSS, GENERATOR_LOSS)
NETS = (GENERATOR, DISCRIMINATOR)
