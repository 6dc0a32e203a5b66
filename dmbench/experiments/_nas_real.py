"""Real searches: small chains that are trained on Fashion-MNIST, at a cost that is counted and not timed.

Pictures are averaged to 14 x 14. Searches train on the first 10,000 pictures of the training part and choose by
accuracy on the next 3,000; the test part is read once all searches are over. A picture costs as many
multiply-accumulates as the network has for it, three times that in training, where there are two backwards for each
one forwards.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.functional import avg_pool2d, cross_entropy

from dmbench.experiments._digits_training import Digits, error, read_digits, seeded
from dmbench.experiments._nas_real_space import macs, spelled
from dmbench.harness.errors import DmbenchError
from dmbench.harness.experiment import Context
from dmbench.nas.network_morphism import Chain
from dmbench.optim.schedules import cosine
from dmbench.optim.sgd import SGD

BACKWARD = 3  # products of a training step over those forwards


@dataclass(frozen=True)
class Recipe:
    """How networks are trained, and what a search may cost.

    budget: multiply-accumulates of one search. scratch: updates of a network that begins anew. more: of one that was
    grown out of a trained one. final: of a winner. rate: the first, which falls to 0 along a cosine each time.
    """

    budget: float = 4e10
    scratch: int = 150
    more: int = 40
    final: int = 400
    batch: int = 64
    rate: float = 0.05
    momentum: float = 0.9
    decay: float = 5e-4
    train: int = 10_000
    validation: int = 3_000

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a budget, and something to train and to judge by."""
        if not self.budget > 0:
            raise ValueError(f"a search needs a budget above 0 multiply-accumulates: {self.budget:g}")
        if min(self.scratch, self.more, self.final, self.batch, self.train, self.validation) < 1:
            raise ValueError(f"need updates, a batch, and pictures to train and judge by: {self}")


class Split(NamedTuple):
    """What a search may see, and all of the training part."""

    train: Digits
    validation: Digits
    everything: Digits


class Trial(NamedTuple):
    """A network that a search trained: its layers, validation accuracy in % or NaN, and what all cost up to it."""

    layers: str
    accuracy: float
    spent: float


class NothingFoundError(DmbenchError):
    """A search ended without a network whose training went well."""


def small(digits: Digits) -> Digits:
    """Return pictures averaged over 2 x 2 pixels."""
    return Digits(avg_pool2d(digits.images, 2), digits.labels)


def split(ctx: Context, recipe: Recipe) -> Split:
    """Read the training part."""
    everything = small(read_digits(ctx, "train", "fashion_mnist"))
    return divided(everything, recipe)


def divided(everything: Digits, recipe: Recipe) -> Split:
    """Divide the training part into what is trained on and what is judged by, which share no picture.

    Raises: ValueError: there are too few.
    """
    both = recipe.train + recipe.validation
    if both > len(everything.labels):
        raise ValueError(f"need {both} pictures to train and judge by: {len(everything.labels)}")
    judged = Digits(everything.images[recipe.train : both], everything.labels[recipe.train : both])
    return Split(everything.first(recipe.train), judged, everything)


def cost(net: Chain, recipe: Recipe, updates: int) -> float:
    """Count the multiply-accumulates of training a network and judging it."""
    return macs(net.layers) * float(BACKWARD * updates * recipe.batch + recipe.validation)


def trained(net: Chain, digits: Digits, recipe: Recipe, updates: int, generator: torch.Generator) -> bool:
    """Train a network in place; return whether it went well. It ends at the first gradient that is NaN or infinite."""
    net.train()
    optimiser = SGD(net.parameters(), recipe.rate, recipe.momentum, weight_decay=recipe.decay)
    share = cosine(updates)
    for update in range(updates):
        # Drawn with replacement, on the CPU, so that a batch is the same on any device.
        chosen = torch.randint(len(digits.labels), (recipe.batch,), generator=generator).to(digits.labels.device)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * share(update)
        optimiser.zero_grad()
        loss = cross_entropy(net(digits.images[chosen]), digits.labels[chosen])
        loss.backward()  # type: ignore[no-untyped-call]
        try:
            optimiser.step()
        except FloatingPointError:  # as `dmbench.optim` says that a gradient is not finite
            return False
    return True


class Search:
    """One search: what it may still spend, what it tried, and its state for a run that goes on.

    Args:
        name: under which it is saved, and which enters its draws.
        done: the state of all searches of the run, which this one adds to.
    """

    def __init__(self, ctx: Context, name: str, recipe: Recipe, data: Split, done: dict[str, Any]) -> None:
        self.ctx, self.name, self.recipe, self.data, self.done = ctx, name, recipe, data, done
        mine = done.setdefault(name, {"trials": [], "seconds": 0.0, "over": False, "strategy": None})
        self.mine = mine

    @property
    def trials(self) -> list[Trial]:
        """What was tried, in order."""
        return [Trial(*trial) for trial in self.mine["trials"]]

    @property
    def spent(self) -> float:
        """Multiply-accumulates so far."""
        return self.mine["trials"][-1][2] if self.mine["trials"] else 0.0

    def over(self, net: Chain, updates: int) -> bool:
        """Return whether training a network would cost more than is left; the search is then over."""
        if self.spent + cost(net, self.recipe, updates) > self.recipe.budget:
            self.mine["over"] = True
        return bool(self.mine["over"])

    def train(self, net: Chain, updates: int) -> float:
        """Train a network, count what it costs, and return its validation accuracy, %; NaN where it diverged."""
        begin = time.process_time()
        order = seeded(self.ctx, f"{self.name} {len(self.mine['trials'])}")
        fine = trained(net, self.data.train, self.recipe, updates, order)
        accuracy = 100 - error(net, self.data.validation) if fine else math.nan
        self.mine["trials"].append((spelled(net.layers), accuracy, self.spent + cost(net, self.recipe, updates)))
        self.mine["seconds"] += time.process_time() - begin
        return accuracy

    def save(self, strategy: Any = None) -> None:
        """Save all searches, and the state of this one's strategy."""
        self.mine["strategy"] = strategy
        self.ctx.save(self.done)


def run(search: Search, strategy: Any, updates: Callable[[int], int]) -> None:
    """Let a strategy of networks (ask, tell, state_dict, load_state_dict) spend the budget.

    updates: of each trial, by its number from 0.
    """
    if search.mine["strategy"] is not None:
        strategy.load_state_dict(search.mine["strategy"])
    while not search.mine["over"]:
        net = strategy.ask()
        length = updates(len(search.trials))
        if not search.over(net, length):
            strategy.tell(net, search.train(net, length))
        search.save(strategy.state_dict())


def winner(trials: Sequence[Trial], spent: float = math.inf) -> Trial:
    """Return the first of the best trials by validation accuracy, of those that cost no more than `spent` in all.

    Raises: NothingFoundError: there is none, or all diverged.
    """
    known = [trial for trial in trials if trial.spent <= spent and not math.isnan(trial.accuracy)]
    if not known:
        raise NothingFoundError(
            f"{len(trials)} networks, none trained to its end within {spent:g} multiply-accumulates"
        )
    return max(known, key=lambda trial: trial.accuracy)


def so_far(trials: Sequence[Trial], spent: float) -> float:
    """Return the best validation accuracy at a cost, %; 10, that of a guess, before the first network."""
    known = [trial.accuracy for trial in trials if trial.spent <= spent and not math.isnan(trial.accuracy)]
    return max(known, default=10.0)


def test_error(ctx: Context, layers: Sequence[Any], recipe: Recipe, data: Split, test: Digits, name: str) -> float:
    """Train layers from scratch on all of the training part, and return the test error, %."""
    torch.manual_seed(ctx.seed or 0)
    net = Chain(layers).to(ctx.device)
    if not trained(net, data.everything, recipe, recipe.final, seeded(ctx, f"final {name}")):
        raise NothingFoundError(f"the winner of {name} diverged when it was trained from scratch: {spelled(layers)}")
    return error(net, test)
