"""Training the maxout network on MNIST, with or without adversarial examples, and attacking what came out.

Shapes: N digits; images (N, 1, 28, 28), in [0, 1].
"""

from dataclasses import asdict, dataclass
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits, Loss, Training, error, plain_loss, read_digits
from dmbench.harness.experiment import Context
from dmbench.models.maxout_mlp import MaxoutMLP
from dmbench.regularizers.adversarial_training import Attack, fast_gradient_sign

EPS = 0.25
WATCHED = 1000  # test digits that are attacked for a point of the curve


@dataclass(frozen=True)
class Recipe:
    """How the network trains: the rate falls linearly to zero; weights begin uniform within `reach`.

    momentum: of SGD; None for Adam.
    """

    epochs: int
    rate: float
    momentum: float | None = None
    batch: int = 100
    reach: float = 0.05

    def optimise(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters."""
        if self.momentum is None:
            return torch.optim.Adam(net.parameters(), self.rate, fused=True)
        return torch.optim.SGD(net.parameters(), self.rate, momentum=self.momentum, fused=True)


class Attacked(NamedTuple):
    """What a network makes of adversarial examples: % of them wrong, and its mean probability there, %."""

    error: float
    confidence: float


def train_maxout(
    ctx: Context, recipe: Recipe, net: MaxoutMLP, loss: Loss = plain_loss, step: Attack = fast_gradient_sign
) -> Digits:
    """Train in place; return the test digits. An interrupted run goes on from its checkpoint; `step` only watches."""
    ctx.note(**asdict(recipe), optimiser="Adam" if recipe.momentum is None else "SGD", eps=EPS)
    train, test = read_digits(ctx, "train"), read_digits(ctx, "test")
    net.to(ctx.device)
    epoch = ceil(len(train.labels) / recipe.batch)
    updates = recipe.epochs * epoch
    few = test.first(WATCHED)
    Training(ctx, train, updates).phase(
        "maxout",
        net,
        recipe.optimise(net),
        updates,
        batch=recipe.batch,
        rate=lambda update: recipe.rate * (1 - update / updates),
        loss=loss,
        after=lambda _: net.hold(),
        evaluate=lambda: {"error": error(net, test), "adversarial_error": attack(net, few, step).error},
        evaluate_every=epoch,
    )
    return test


def attack(net: nn.Module, digits: Digits, step: Attack = fast_gradient_sign, batch: int = 1000) -> Attacked:
    """Attack each digit with eps = 0.25; confidence is that of the wrong answers."""
    net.eval()
    wrong, sure = 0, 0.0
    for start in range(0, len(digits.labels), batch):
        images, labels = digits.images[start : start + batch], digits.labels[start : start + batch]
        with torch.no_grad():
            best = net(attacked(net, images, labels, step)).softmax(1).max(1)
        missed = best.indices != labels
        wrong += int(missed.sum())
        sure += float(best.values[missed].sum())
    return Attacked(100 * wrong / len(digits.labels), 100 * sure / max(wrong, 1))


def attacked(net: nn.Module, images: Tensor, labels: Tensor, step: Attack = fast_gradient_sign) -> Tensor:
    """Return adversarial examples of images with these labels against a network as it is."""
    return step(lambda x: cross_entropy(net(x), labels), images, EPS)
