"""Batch normalisation's experiment on MNIST: two small networks of sigmoids, with and without, trained side by side.

Source: Ioffe and Szegedy (2015), arXiv:1502.03167, section 4.1 and Figure 1.

Shapes: N digits; images (N, 1, 28, 28), 0 or 1; U = 100 units of the last hidden layer.
"""

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from dmbench.experiments._digits_training import Digits, Training, read_digits
from dmbench.harness.experiment import Context

UPDATES, EVERY, BATCH = 50_000, 1000, 60
RATE, DEVIATION = 0.1, 0.1  # the paper prints neither
SIZES = (28 * 28, 100, 100, 100, 10)
PERCENTILES = (0.15, 0.5, 0.85)
SEEN = 1000  # test digits over which percentiles are taken
NAMES = ("plain", "normalised")
Normalise = Callable[..., Tensor]


class Sigmoids(nn.Module):
    """Three hidden layers, sigmoid(W u + b), and a linear one; (N, 1, 28, 28) to scores (N, 10).

    normalise: batch normalisation of W u, as torch's function is called, with b for its bias; or None.
    """

    def __init__(self, weights: list[Tensor], normalise: Normalise | None) -> None:
        super().__init__()
        self.normalise = normalise
        self.weights = nn.ParameterList(w.clone() for w in weights)
        self.biases = nn.ParameterList(torch.zeros(len(w)) for w in weights)
        if normalise is not None:
            hidden = SIZES[1:-1]
            self.scales = nn.ParameterList(torch.ones(units) for units in hidden)
            for i, units in enumerate(hidden):
                self.register_buffer(f"mean{i}", torch.zeros(units))
                self.register_buffer(f"var{i}", torch.ones(units))

    def forward(self, x: Tensor) -> Tensor:
        for i in range(len(self.weights) - 1):
            x = torch.sigmoid(self.input_of(i, x if i else x.flatten(1)))
        return linear(x, self.weights[-1], self.biases[-1])

    def input_of(self, layer: int, u: Tensor, own: bool = False) -> Tensor:
        """Return what the sigmoids of a hidden layer are given; own: normalised by u's own statistics, kept nowhere."""
        if self.normalise is None:
            return linear(u, self.weights[layer], self.biases[layer])
        running = (None, None) if own else (getattr(self, f"mean{layer}"), getattr(self, f"var{layer}"))
        z = linear(u, self.weights[layer])
        return self.normalise(z, *running, self.scales[layer], self.biases[layer], own or self.training, 0.1, 1e-5)

    @torch.no_grad()
    def percentiles(self, x: Tensor) -> Tensor:
        """Return percentiles over digits of what the last hidden layer's sigmoids are given in training, (3, U)."""
        x = x.flatten(1)
        last = len(self.weights) - 2
        for i in range(last):
            x = torch.sigmoid(self.input_of(i, x, own=True))
        return self.input_of(last, x, own=True).quantile(torch.tensor(PERCENTILES, device=x.device), 0)


class Pair(nn.Module):
    """Both networks from the same weights, and what was measured of them so far, so that checkpoints hold it."""

    accuracies: Tensor  # (points, 2), %
    history: Tensor  # (points, 2, 3, U)
    count: Tensor

    def __init__(self, normalise: Normalise, points: int) -> None:
        super().__init__()
        weights = [DEVIATION * torch.randn(b, a) for a, b in itertools.pairwise(SIZES)]
        self.nets = nn.ModuleList(Sigmoids(weights, one) for one in (None, normalise))
        self.register_buffer("accuracies", torch.zeros(points, 2))
        self.register_buffer("history", torch.zeros(points, 2, len(PERCENTILES), SIZES[-2]))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def loss(self, _: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Sum both losses: the networks share no weight, so that each learns as if it were alone."""
        losses = [cross_entropy(net(images), labels) for net in self.nets]
        return losses[0] + losses[1]

    def measure(self, test: Digits) -> Mapping[str, float]:
        """Measure both networks; return the point: accuracies, and percentiles of the first unit's input."""
        point: dict[str, float] = {}
        now = int(self.count)
        for i, (name, net) in enumerate(zip(NAMES, self.nets, strict=True)):
            right = net(test.images).argmax(1) == test.labels
            self.accuracies[now, i] = point[f"{name}_accuracy"] = 100 * float(right.float().mean())
            self.history[now, i] = found = net.percentiles(test.images[:SEEN])  # type: ignore[operator]
            for share, value in zip(PERCENTILES, found[:, 0], strict=True):
                point[f"{name}_p{100 * share:.0f}"] = float(value)
        self.count += 1
        return point


def trained(ctx: Context, normalise: Normalise, updates: int = UPDATES) -> Pair:
    """Train both networks on the same batches."""
    ctx.note(updates=updates, batch=BATCH, rate=RATE, deviation=DEVIATION, optimiser="SGD", hidden=SIZES[1:-1])
    train, test = (Digits((d.images > 0.5).float(), d.labels) for d in (read_digits(ctx, p) for p in ("train", "test")))
    pair = Pair(normalise, -(-updates // EVERY)).to(ctx.device)
    optimiser = torch.optim.SGD(pair.parameters(), lr=RATE, fused=True)
    training = Training(ctx, train, updates)
    training.phase(
        "both", pair, optimiser, updates, batch=BATCH, loss=pair.loss, evaluate=lambda: pair.measure(test),
        evaluate_every=EVERY,
    )  # fmt: skip
    return pair


def gain(pair: Pair) -> float:
    """Return by how much the normalised network's last test accuracy is higher, percentage points."""
    return float(pair.accuracies[-1, 1] - pair.accuracies[-1, 0])


def speedup(pair: Pair) -> float:
    """Return how many times fewer updates the normalised network needs for the other's best test accuracy.

    In points of the curve; where it never gets there, as if it did one point after the last.
    """
    plain, normalised = pair.accuracies.T
    best = plain.max()
    needed = int((normalised >= best).int().argmax()) if bool((normalised >= best).any()) else len(plain)
    return float(int(plain.argmax()) + 1) / (needed + 1)


def drift(pair: Pair) -> float:
    """Return how much the percentiles of a typical sigmoid's input move, as a part of what they move without.

    A unit's movement is the standard deviation over the course of training, mean of the three percentiles; the typical
    unit is the median of the layer.
    """
    plain, normalised = pair.history.std(0).mean(1).median(1).values
    return float(normalised / plain)
