"""Very deep nets of rectifiers on MNIST from two initialisations: what Figures 2 and 3 of He et al. (2015) show.

Shapes: N digits; images (N, 1, 28, 28), with mean 0 and deviation 1 over MNIST's training pixels.
"""

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets.mnist import MEAN, STD
from dmbench.experiments._digits_training import Digits, Training, read_digits
from dmbench.harness.experiment import Context

Fill = Callable[[Tensor], object]
DEPTHS = {22: 0.01, 30: 0.001}  # layers, and the learning rate
WIDTH, BATCH, MOMENTUM = 100, 128, 0.9
UPDATES, EVERY = 1200, 50
HALF = 45.0  # %, half of the error of a guess


class Deep(nn.Module):
    """One net an initialisation, each `depth` linear layers with ReLU between them; biases start at 0."""

    errors: Tensor  # (points, nets), %
    losses: Tensor  # (nets), nats
    count: Tensor

    def __init__(self, depth: int, fills: Mapping[str, Fill]) -> None:
        super().__init__()
        sizes = [28 * 28, *[WIDTH] * (depth - 1), 10]
        nets = {}
        for name, fill in fills.items():
            layers: list[nn.Module] = [nn.Flatten()]
            for inputs, outputs in itertools.pairwise(sizes):
                linear = nn.Linear(inputs, outputs)
                fill(linear.weight)
                nn.init.zeros_(linear.bias)
                layers += [linear, nn.ReLU()]
            nets[name] = nn.Sequential(*layers[:-1])
        self.nets = nn.ModuleDict(nets)
        self.register_buffer("errors", torch.zeros(UPDATES // EVERY, len(fills)))
        self.register_buffer("losses", torch.zeros(len(fills)))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def loss(self, _: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Sum the losses: the nets share no weight, so that each learns as if it were alone."""
        losses = torch.stack([cross_entropy(net(images), labels) for net in self.nets.values()])
        self.losses += losses.detach() / EVERY
        return losses.sum()

    def measure(self, test: Digits) -> dict[str, float]:
        """Measure test errors, %, and the training losses since the point before, nats; return the point."""
        point = {}
        for i, (name, net) in enumerate(self.nets.items()):
            wrong = net(test.images).argmax(1) != test.labels
            self.errors[int(self.count), i] = point[f"{name}_error"] = 100 * float(wrong.float().mean())
            point[f"{name}_loss"] = float(self.losses[i])
        self.losses.zero_()
        self.count += 1
        return point


def trained(ctx: Context, depth: int, fills: Mapping[str, Fill]) -> tuple[dict[str, float], float]:
    """Train the nets on the same batches; return their test errors, %, and `earlier` of the first two."""
    rate = DEPTHS[depth]
    ctx.note(layers=depth, width=WIDTH, updates=UPDATES, batch=BATCH, rate=rate, momentum=MOMENTUM, optimiser="SGD")
    train, test = (
        Digits((d.images - MEAN) / STD, d.labels) for d in (read_digits(ctx, part) for part in ("train", "test"))
    )
    deep = Deep(depth, fills).to(ctx.device)
    optimiser = torch.optim.SGD(deep.parameters(), lr=rate, momentum=MOMENTUM)
    training = Training(ctx, train, UPDATES)
    training.phase(
        "deep", deep, optimiser, UPDATES, batch=BATCH, loss=deep.loss, evaluate=lambda: deep.measure(test),
        evaluate_every=EVERY,
    )  # fmt: skip
    return dict(zip(fills, deep.errors[-1].tolist(), strict=True)), earlier(deep.errors)


def earlier(errors: Tensor) -> float:
    """Return how many updates before the second net the first one first errs on less than half of what a guess does.

    A net that never does counts as if it did one point after the last one.
    """
    below = errors < HALF
    first, second = torch.where(below.any(0), below.int().argmax(0), len(errors))
    return float(second - first) * EVERY
