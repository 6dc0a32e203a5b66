"""Training on MNIST or Fashion-MNIST: batches, phases, checkpoints, points of the curve; shared by many stems.

    ctx.note(...)                                     # the recipe, into the record
    train, test = read_digits(ctx, "train"), read_digits(ctx, "test")
    training = Training(ctx, train, total=updates)
    training.phase("dense", net, optimiser, updates, evaluate=lambda: {"error": error(net, test)}, evaluate_every=600)
    training.phase("pruned", ...)                     # a second one, which may begin from what the first one left

A run that was killed goes on from its last checkpoint with the same numbers as if it had not been: weights, the
optimiser's state and the CPU's random state are in it, and batches depend on seed, phase and epoch alone.

Shapes: N pictures; images (N, 1, 28, 28), float32, in [0, 1]; labels (N).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets.fashion_mnist import read_fashion_mnist
from dmbench.datasets.mnist import read_mnist
from dmbench.experiments._scaled_mnist_training import generator, order
from dmbench.harness.experiment import Context

READERS = {"mnist": read_mnist, "fashion_mnist": read_fashion_mnist}
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Digits(NamedTuple):
    """Pictures and their labels."""

    images: Tensor
    labels: Tensor

    def first(self, count: int) -> "Digits":
        """Return the first ones."""
        return Digits(self.images[:count], self.labels[:count])


def read_digits(ctx: Context, part: str, artifact: str = "mnist") -> Digits:
    """Read a part, "train" or "test", of MNIST or Fashion-MNIST, divided by 255, to the context's device."""
    images, labels = READERS[artifact](ctx.files(artifact), part)
    return Digits((images[:, None].float() / 255).to(ctx.device), labels.to(ctx.device))


def plain_loss(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the network's scores, nats."""
    return cross_entropy(net(images), labels)


class Training:
    """One experiment's training, in one or more phases.

    train: what batches are drawn from. total: updates of all phases together, for the progress bar.
    save_every: updates between checkpoints.
    """

    def __init__(self, ctx: Context, train: Digits, total: int, save_every: int = 2000) -> None:
        self.ctx, self.train, self.total, self.save_every = ctx, train, total, save_every
        self.state: dict[str, Any] = ctx.load() or {"finished": {}, "phase": ""}
        self.done = 0

    def phase(
        self,
        name: str,
        net: nn.Module,
        optimiser: torch.optim.Optimizer,
        updates: int,
        *,
        batch: int = 100,
        rate: Callable[[int], float] | None = None,
        loss: Loss = plain_loss,
        after: Callable[[int], None] | None = None,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        evaluate_every: int = 0,
    ) -> None:
        """Train a network in place for so many updates, or take it as it was after them, if a killed run got so far.

        Args:
            name: of the phase, unique in the experiment; it enters the order of the batches.
            optimiser: over parameters of `net`.
            batch: pictures an update; an epoch's last one may be smaller.
            rate: the learning rate at an update, from 0; without it the optimiser's own.
            loss: called with the network, images and labels; returns a scalar.
            after: called after each update with its number, from 1: what holds weights in place.
            evaluate: measured every `evaluate_every` updates and after the last one, in evaluation mode without
                gradients; with `train_loss`, the mean since the point before, nats, it makes a point of the curve.
        """
        begin = self.done
        self.done += updates
        if name in self.state["finished"]:
            net.load_state_dict(self.state["finished"][name]["net"])
            torch.set_rng_state(self.state["finished"][name]["random"])
            return
        first = 0
        if self.state["phase"] == name:
            first = self.state["update"]
            net.load_state_dict(self.state["net"])
            optimiser.load_state_dict(self.state["optimiser"])
            torch.set_rng_state(self.state["random"])
        net.train()
        losses = self.state["losses"] if first else []
        for update in range(first, updates):
            images, labels = self._batch(name, update, batch)
            if rate is not None:
                for group in optimiser.param_groups:
                    group["lr"] = rate(update)
            optimiser.zero_grad()
            value = loss(net, images, labels)
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(value.detach())
            done = update + 1
            if after is not None:
                after(done)
            if evaluate is not None and (done == updates or (evaluate_every and done % evaluate_every == 0)):
                mean = float(torch.stack(losses).mean())
                losses = []
                self.ctx.point(update=begin + done, train_loss=mean, **_measured(net, evaluate))
            if done % self.save_every == 0 and done < updates:
                self._save(name, done, net, optimiser, losses)
            if done % 20 == 0:
                self.ctx.progress(begin + done, self.total)
        weights = {key: value.clone() for key, value in net.state_dict().items()}
        self.state["finished"][name] = {"net": weights, "random": torch.get_rng_state()}
        self.state["phase"] = ""
        self.ctx.save({"finished": self.state["finished"], "phase": ""})

    def _batch(self, name: str, update: int, size: int) -> Digits:
        count = len(self.train.labels)
        epoch, step = divmod(update, math.ceil(count / size))
        chosen = order(count, self.ctx.seed or 0, f"{name} {epoch}")[step * size :][:size].to(self.train.labels.device)
        return Digits(self.train.images[chosen], self.train.labels[chosen])

    def _save(
        self, name: str, done: int, net: nn.Module, optimiser: torch.optim.Optimizer, losses: list[Tensor]
    ) -> None:
        self.ctx.save(
            {
                "finished": self.state["finished"],
                "phase": name,
                "update": done,
                "net": net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "random": torch.get_rng_state(),
                "losses": losses,
            }
        )


def _measured(net: nn.Module, evaluate: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
    net.eval()
    with torch.no_grad():
        found = evaluate()
    net.train()
    return found


@torch.no_grad()
def error(net: nn.Module, digits: Digits, batch: int = 1000) -> float:
    """Return the share of pictures that a network in evaluation mode gets wrong, %; its mode is left as it was."""
    training = net.training
    net.eval()
    wrong = 0
    for start in range(0, len(digits.labels), batch):
        images, labels = digits.images[start : start + batch], digits.labels[start : start + batch]
        wrong += int((net(images).argmax(1) != labels).sum())
    net.train(training)
    return 100 * wrong / len(digits.labels)


def seeded(ctx: Context, purpose: str) -> torch.Generator:
    """Return a generator of its own for a purpose of this seed's run."""
    return generator(ctx.seed or 0, purpose)
