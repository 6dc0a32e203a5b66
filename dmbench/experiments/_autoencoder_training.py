"""Training a deep autoencoder on MNIST: its layers one by one as Boltzmann machines, then all of them together.

Shapes: N digits; images (N, 784), in [0, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import ceil

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dmbench.experiments._digits_training import read_digits
from dmbench.experiments._scaled_mnist_training import order
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.models.autoencoder import MNIST, Autoencoder, reconstruction_loss, squared_error
from dmbench.models.parts.rbm import RBM

BATCH = 100
POINTS = 14  # of the learning curve
LINEAR_RATE, BINARY_RATE = 0.001, 0.1  # of machines, in the authors' code
MOMENTUM, FIRST_MOMENTUM, FIRST_PASSES = 0.9, 0.5, 5


@dataclass(frozen=True)
class Recipe:
    """How an autoencoder trains.

    sizes: units from the pixels to the code. pretraining, tuning: passes over the digits, of each machine and of all.
    rate: of Adam, falls linearly to zero.
    """

    pretraining: int
    tuning: int
    rate: float = 1e-3
    sizes: tuple[int, ...] = MNIST


SHORT = Recipe(pretraining=1, tuning=4, rate=3e-3)
FULL = Recipe(pretraining=50, tuning=200)
LOGISTIC_PCA = Recipe(pretraining=0, tuning=12, rate=3e-3, sizes=(784, 30))


def trained(ctx: Context, recipe: Recipe, net: Autoencoder) -> Tensor:
    """Train in place; return each test digit's squared error, (N).

    What it makes of the first test digit of each class is kept: which digits, and their reconstructions (10, 784).
    """
    ctx.note(**asdict(recipe), batch=BATCH, optimiser="Adam")
    net.to(ctx.device)
    train, (images, labels) = read_digits(ctx, "train").images.flatten(1), read_digits(ctx, "test")
    test = images.flatten(1)
    steps = ceil(len(train) / BATCH)
    machines = [machine.to(ctx.device) for machine in stack(recipe.sizes)] if recipe.pretraining else []
    before = len(machines) * recipe.pretraining * steps
    updates = before + recipe.tuning * steps
    optimiser = torch.optim.Adam(net.parameters(), recipe.rate, fused=True)
    now = 0

    def batch(update: int) -> Tensor:
        done, place = divmod(update, steps)
        chosen = order(len(train), ctx.seed or 0, f"autoencoder {done}")[place * BATCH :][:BATCH]
        return train[chosen.to(ctx.device)]

    def pretrain(update: int) -> Mapping[str, Tensor]:
        layer, within = divmod(update, recipe.pretraining * steps)
        v = batch(update)
        for machine in machines[:layer]:
            v = machine.up(v)
        machine = machines[layer]
        momentum = FIRST_MOMENTUM if within < FIRST_PASSES * steps else MOMENTUM
        return {"train_error": machine.update(v, LINEAR_RATE if machine.linear else BINARY_RATE, momentum)}

    def step(update: int) -> Mapping[str, Tensor]:
        nonlocal now
        now = update
        if update < before:
            return pretrain(update)
        if update == before and machines:
            net.unroll_(machines)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (updates - update) / (updates - before)
        x = batch(update)
        optimiser.zero_grad()
        logits = net.decode(net.encode(x))
        reconstruction_loss(logits, x).mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"train_error": squared_error(torch.sigmoid(logits.detach()), x).mean()}

    def evaluate() -> Mapping[str, float]:
        if now < before:
            net.unroll_(machines)
        return {"test_error": float(errors(net, test).mean())}

    parts = {"net": net, "machines": nn.ModuleList(machines), "optimiser": optimiser}
    Loop(ctx, updates, parts, save_every=steps).run(step, evaluate=evaluate, evaluate_every=max(1, updates // POINTS))
    shown = torch.stack([(labels == label).nonzero()[0, 0] for label in range(int(labels.max()) + 1)])
    with torch.no_grad():
        made = net(test[shown])
    name = f"autoencoder_{'_'.join(map(str, recipe.sizes[1:]))}_seed{ctx.seed}.safetensors"
    ctx.keep(name, save({"digits": shown.cpu(), "reconstructions": made.cpu().half()}))
    return errors(net, test)


def stack(sizes: Sequence[int]) -> list[RBM]:
    """Return machines for the layers, the last with real hidden units."""
    pairs = list(pairwise(sizes))
    return [RBM(*pair, linear=i == len(pairs) - 1) for i, pair in enumerate(pairs)]


@torch.no_grad()
def errors(net: Autoencoder, images: Tensor) -> Tensor:
    """Return each picture's squared error, (N), in parts that bound the memory."""
    return torch.cat([squared_error(net(part), part) for part in torch.split(images, 1000)])
