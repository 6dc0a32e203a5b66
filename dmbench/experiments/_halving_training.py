"""Small networks on Fashion-MNIST whose settings are searched for, with updates as the resource.

A trial trains anew; the same settings with more updates go the same way as with fewer, and on.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits, error, read_digits, seeded
from dmbench.harness.experiment import Context
from dmbench.nas.parts.decision import Decision, Point
from dmbench.nas.parts.discrete import Space

SIZES = {"train": 2000, "validation": 1000, "batch": 50}
UPDATES = 3  # of a unit of the resource
MOST = 81  # units of one training
SPACE = Space(
    "settings of a small network",
    [
        Decision("rate", tuple(10 ** (power / 3) for power in range(-12, 4))),  # 0.0001 to 10
        Decision("momentum", (0.0, 0.5, 0.9)),
        Decision("hidden", (8, 16, 32, 64)),
        Decision("scale", (0.1, 0.3, 1.0, 3.0)),  # of the first weights, in He's
        Decision("decay", (0.0, 1e-4, 1e-3, 1e-2)),
    ],
)


class Trainings:
    """The trainings of a seed: its pictures, and first weights that differ by their scale only."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        everything, self.test = (read_digits(ctx, part, "fashion_mnist") for part in ("train", "test"))
        order = torch.randperm(len(everything.labels), generator=seeded(ctx, "pictures")).to(ctx.device)
        first, second = SIZES["train"], SIZES["train"] + SIZES["validation"]
        self.train, self.held_out = (
            Digits(*(part[chosen] for part in everything)) for chosen in (order[:first], order[first:second])
        )

    def accuracy(self, point: Point, units: float) -> float:
        """Return the validation accuracy after so many units, %."""
        return 100 - error(self.trained(point, units), self.held_out)

    def trained(self, point: Point, units: float) -> nn.Module:
        """Return the network of a point after so many units; all begin from the same draws, and see the same."""
        rate, momentum, hidden, scale, decay = SPACE.values(point)
        generator = seeded(self.ctx, "weights")
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        with torch.no_grad():
            for name, values in net.named_parameters():
                values.zero_()
                if name.endswith("weight"):
                    values.normal_(generator=generator).mul_(scale * math.sqrt(2 / values.shape[1]))
        net.to(self.train.labels.device)
        optimiser = torch.optim.SGD(net.parameters(), rate, momentum=momentum, weight_decay=decay, foreach=True)
        for update in range(round(UPDATES * units)):
            first = update * SIZES["batch"] % SIZES["train"]
            images, labels = (part[first : first + SIZES["batch"]] for part in self.train)
            optimiser.zero_grad()
            loss: Tensor = cross_entropy(net(images), labels)
            if not math.isfinite(loss.item()):
                break  # it has diverged: what it answers now is no better than chance
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return net

    def tested(self, point: Point) -> float:
        """Return the test error of a point after a whole training, %."""
        return error(self.trained(point, MOST), self.test)
