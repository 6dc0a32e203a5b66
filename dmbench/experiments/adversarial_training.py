"""Adversarial training: what is exact for linear models, and MNIST's linear and maxout classifiers under attack."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from dmbench.experiments._digits_training import Digits, Training, error, read_digits
from dmbench.experiments._maxout_training import EPS, Recipe, attack, train_maxout
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.maxout_mlp import MaxoutMLP
from dmbench.regularizers.adversarial_training import (
    Attack,
    adversarial_logistic_loss,
    adversarial_loss,
    fast_gradient_sign,
)

RECIPE = Recipe(epochs=6, rate=1e-3)


def check_attack(step: Attack) -> None:
    """Raise ContractError unless it moves values by eps, in the direction that the loss grows."""
    x, slope = torch.zeros(2, 3), torch.tensor([1.0, -2.0, 3.0])
    moved = step(lambda given: (given * slope).sum(), x, 0.25)
    if not isinstance(moved, Tensor) or moved.shape != x.shape:
        raise ContractError(f"returned {tuple(getattr(moved, 'shape', ()))}, not shape {tuple(x.shape)}")
    if not torch.allclose(moved.abs(), torch.full_like(x, 0.25)):
        raise ContractError(f"moved values by {moved.abs().min():g} to {moved.abs().max():g}, not 0.25")


ATTACK = Subject(
    name="attack",
    default=fast_gradient_sign,
    contract="f(loss, x, eps) returns x moved by eps in each value; loss maps such an x to a scalar",
    check=check_attack,
)


class Logistic(nn.Module):
    """Logistic regression of flattened images: one score, positive for the first class; weights start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(784)), nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        score: Tensor = images.flatten(1) @ self.weight + self.bias
        return torch.stack([score, torch.zeros_like(score)], 1)  # as two classes, of which one has no weights


@experiment("activation_growth", tier="quick", subjects=(ATTACK,))
def activation_growth(ctx: Context) -> dict[str, float]:
    """Attack a linear score of 784 inputs; how much it grows, over eps m n, m the weights' mean magnitude."""
    weight, x = (torch.randn(784, dtype=torch.float64).to(ctx.device) for _ in range(2))
    moved = ctx.subject("attack")(lambda given: given @ weight, x, EPS)
    return {"activation_growth": float((moved - x) @ weight / (EPS * weight.abs().mean() * 784))}


@experiment("worst_corner", tier="quick", subjects=(ATTACK,))
def worst_corner(ctx: Context) -> dict[str, float]:
    """Compare the attacked loss of logistic regression with the largest at all 256 corners of the box around x."""
    weight, x = torch.randn(8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    worst = 0.0
    for y in (-1, 1):

        def loss(given: Tensor, y: int = y) -> Tensor:
            return softplus(-y * (given @ weight + 0.3)).sum()

        corners = max(loss(x + EPS * torch.tensor(signs)) for signs in product((-1.0, 1.0), repeat=8))
        worst = max(worst, float((loss(ctx.subject("attack")(loss, x, EPS)) - corners).abs()))
    return {"worst_corner": worst}


@experiment("logistic_closed_form", tier="quick", subjects=(ATTACK,))
def logistic_closed_form(ctx: Context) -> dict[str, float]:
    """Compare the attacked loss of logistic regression, and its gradient of the weights, with the closed form's."""
    x, y = torch.randn(50, 20, dtype=torch.float64), torch.randint(2, (50,)) * 2.0 - 1
    weight = torch.randn(20, dtype=torch.float64, requires_grad=True)
    bias = torch.randn((), dtype=torch.float64, requires_grad=True)

    def loss(given: Tensor) -> Tensor:
        return softplus(-y * (given @ weight + bias)).mean()

    found = loss(ctx.subject("attack")(loss, x, EPS))
    closed = adversarial_logistic_loss(weight, bias, x, y, EPS)
    # The sign is taken anew for each weight in the closed form and held in the other: its derivative is zero.
    pairs = zip(*(torch.autograd.grad(value, (weight, bias)) for value in (found, closed)), strict=True)
    return {
        "logistic_closed_form": max(
            *(float((a - b).abs().max()) for a, b in pairs), float((found - closed).detach().abs())
        )
    }


@experiment(
    "logistic_error", "logistic_adversarial_error", tier="slow", artifacts=("mnist",), subjects=(ATTACK,), seeds=5
)
def logistic(ctx: Context) -> dict[str, float]:
    """Train logistic regression on threes against sevens; test digits wrong, %, as they are and under attack."""
    train, test = (threes_and_sevens(read_digits(ctx, part)) for part in ("train", "test"))
    net = Logistic().to(ctx.device)
    clean, wrong, _ = linear(ctx, net, train, test, updates=5000)
    return {"logistic_error": clean, "logistic_adversarial_error": wrong}


@experiment(
    "softmax_adversarial_error", "softmax_confidence", tier="slow", artifacts=("mnist",), subjects=(ATTACK,), seeds=5
)
def softmax(ctx: Context) -> dict[str, float]:
    """Train softmax regression; test digits wrong under attack, %, and its mean probability for what it says, %."""
    layer = nn.Linear(784, 10)
    nn.init.zeros_(layer.weight)
    net = nn.Sequential(nn.Flatten(), layer).to(ctx.device)
    _, wrong, sure = linear(ctx, net, read_digits(ctx, "train"), read_digits(ctx, "test"), updates=2000)
    return {"softmax_adversarial_error": wrong, "softmax_confidence": sure}


@experiment(
    "maxout_error",
    "maxout_adversarial_error",
    "maxout_confidence",
    tier="slow",
    artifacts=("mnist",),
    subjects=(ATTACK,),
    seeds=5,
)
def maxout(ctx: Context) -> dict[str, float]:
    """Train the maxout network adversarially; test digits wrong, %, as they are and under attack with the confidence.

    Differs from the paper: 1. 6 epochs of 60,000 digits instead of hundreds with early stopping. 2. Adam, and a rate
    that falls linearly to zero. 3. Weights begin within 0.05: within 0.005 the first epoch learns hardly anything.
    4. Pixels are dropped, hidden units are not: with half of them dropped so few epochs do not get below 69 % wrong.
    """
    net = MaxoutMLP(p_hidden=0, reach=RECIPE.reach)
    ctx.note(alpha=0.5)
    step = ctx.subject("attack")

    def loss(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return adversarial_loss(lambda x: cross_entropy(net(x), labels), images, EPS, attack=step)

    test = train_maxout(ctx, RECIPE, net, loss, step)
    found = attack(net, test, step)
    return {
        "maxout_error": error(net, test),
        "maxout_adversarial_error": found.error,
        "maxout_confidence": found.confidence,
    }


def linear(ctx: Context, net: nn.Module, train: Digits, test: Digits, updates: int) -> tuple[float, float, float]:
    """Train a linear classifier; return its error, %, that under attack, and the confidence there, %."""
    ctx.note(updates=updates, batch=100, optimiser="SGD", rate=0.1, eps=EPS)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    step = ctx.subject("attack")
    Training(ctx, train, updates).phase(
        "linear",
        net,
        optimiser,
        updates,
        rate=lambda update: 0.1 * (1 - update / updates),
        evaluate=lambda: {"error": error(net, test), "adversarial_error": attack(net, test, step).error},
        evaluate_every=500,
    )
    return error(net, test), *attack(net, test, step)


def threes_and_sevens(digits: Digits) -> Digits:
    """Return the threes, labelled 0, and the sevens, labelled 1."""
    chosen = (digits.labels == 3) | (digits.labels == 7)
    return Digits(digits.images[chosen], (digits.labels[chosen] == 7).long())
