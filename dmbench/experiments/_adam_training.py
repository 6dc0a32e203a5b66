"""Adam's logistic regression on MNIST, beside SGD with Nesterov's momentum and AdaGrad.

Source: Kingma and Ba (2015), arXiv:1412.6980, section 6.1 and Figure 1, left.

Shapes: N digits; images (N, 1, 28, 28), in [0, 1].
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.experiments._digits_training import Digits, Training, read_digits
from dmbench.harness.experiment import Context
from dmbench.optim.adagrad import Adagrad
from dmbench.optim.schedules import Scheduler, inverse_time
from dmbench.optim.sgd import SGD

BATCH, EPOCHS = 128, 25  # section 6.1; Figure 1 goes on to 45
DECAY = 1e-4  # of the L2 penalty; the paper prints none
# First rates: of 10, 3, 1, 0.3 ... 0.01 the best after five epochs, at a seed that is not among the measured ones.
RATES = {"adam": 0.3, "nesterov": 3.0, "adagrad": 0.3, "adagrad_alone": 0.1}
MOMENTUM = 0.9


class Several:
    """Optimisers that step together, in the place of one."""

    def __init__(self, optimisers: list[torch.optim.Optimizer]) -> None:
        self.optimisers = optimisers

    def zero_grad(self) -> None:
        for optimiser in self.optimisers:
            optimiser.zero_grad()

    def step(self) -> None:
        for optimiser in self.optimisers:
            optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        return {str(i): optimiser.state_dict() for i, optimiser in enumerate(self.optimisers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for i, optimiser in enumerate(self.optimisers):
            optimiser.load_state_dict(state[str(i)])


def costs(ctx: Context, adam: Any, rates: Mapping[str, float] = RATES, epochs: int = EPOCHS) -> dict[str, float]:
    """Train linear classifiers from zero on the same batches, at rates that fall as one over the root of t.

    "adagrad_alone" keeps its rate: its steps fall so by themselves.

    Returns: by optimiser its cost after the last epoch: the cross-entropy over the training digits, nats.
    """
    ctx.note(
        batch=BATCH, epochs=epochs, rates=dict(rates), schedule="1 / sqrt t", momentum=MOMENTUM, weight_decay=DECAY
    )
    train = read_digits(ctx, "train")
    nets = nn.ModuleDict({name: nn.Linear(28 * 28, 10) for name in rates}).to(ctx.device)
    for parameter in nets.parameters():
        nn.init.zeros_(parameter)
    optimisers: list[torch.optim.Optimizer] = [
        adam(nets["adam"].parameters(), lr=rates["adam"], weight_decay=DECAY),
        SGD(nets["nesterov"].parameters(), rates["nesterov"], MOMENTUM, weight_decay=DECAY, nesterov=True),
        Adagrad(nets["adagrad"].parameters(), lr=rates["adagrad"], weight_decay=DECAY),
        Adagrad(nets["adagrad_alone"].parameters(), lr=rates["adagrad_alone"], weight_decay=DECAY),
    ]
    schedulers = [Scheduler(optimiser, inverse_time(power=0.5)) for optimiser in optimisers[:-1]]

    def loss(_: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return torch.stack([cross_entropy(net(images.flatten(1)), labels) for net in nets.values()]).sum()

    def fall(done: int) -> None:
        for scheduler in schedulers:
            scheduler.set(done)

    found: dict[str, float] = {}

    def measure() -> dict[str, float]:
        found.update({f"{name}_cost": cost(net, train) for name, net in nets.items()})
        return dict(found)

    updates_an_epoch = -(-len(train.labels) // BATCH)
    training = Training(ctx, train, epochs * updates_an_epoch, save_every=5 * updates_an_epoch)
    training.phase(
        "all", nets, Several(optimisers), epochs * updates_an_epoch,  # type: ignore[arg-type]
        batch=BATCH, loss=loss, after=fall, evaluate=measure, evaluate_every=updates_an_epoch,
    )  # fmt: skip
    return {name: found.get(f"{name}_cost") or cost(net, train) for name, net in nets.items()}


@torch.no_grad()
def cost(net: nn.Module, digits: Digits) -> float:
    """Return the cross-entropy of a linear classifier, nats."""
    return float(cross_entropy(net(digits.images.flatten(1)), digits.labels))
