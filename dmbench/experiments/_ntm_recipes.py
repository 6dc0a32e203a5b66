"""The tasks of Neural Turing Machines as they are trained on, and the networks of Tables 1 to 3.

Source: Graves, Wayne and Danihelka (2014), arXiv:1410.5401, section 4 and Tables 1 to 3.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Generator, nn

from dmbench.datasets.algorithmic import Batch, associative_recall, copy, dynamic_ngrams, priority_sort, repeat_copy
from dmbench.models.ntm import CONTROLLERS, Memory
from dmbench.optim.rmsprop import RMSprop

# Inputs and outputs of each task in the tables: the only ones that explain the counts of Table 3.
SIZES = {"copy": (10, 9), "repeat": (8, 7), "recall": (8, 6), "ngrams": (1, 1), "sort": (10, 8)}
TASKS = tuple(SIZES)
# Heads, controller units and layers of Tables 1 and 2, task by task; units of each of the three layers of Table 3.
FEEDFORWARD = dict(zip(TASKS, [(1, 100, 1), (1, 100, 1), (4, 256, 1), (1, 100, 1), (8, 512, 1)], strict=True))
RECURRENT = dict(zip(TASKS, [(1, 100, 1), (1, 100, 1), (1, 100, 1), (1, 100, 1), (5, 100, 2)], strict=True))
STACKED = dict(zip(TASKS, [256, 512, 256, 128, 128], strict=True))
RATES = dict(zip(TASKS, [1e-4, 1e-4, 1e-4, 3e-5, 3e-5], strict=True))

Draw = Callable[[int, Generator | None], Batch]


def draw_copy(batch: int, generator: Generator | None) -> Batch:
    """Draw 1 to 20 vectors to be copied."""
    return copy(_whole(1, 20, generator), batch, locations=Memory().locations, generator=generator)


def draw_repeat(batch: int, generator: Generator | None) -> Batch:
    """Draw 1 to 10 vectors to be copied 1 to 10 times."""
    return repeat_copy(_whole(1, 10, generator), _whole(1, 10, generator), batch, generator=generator)


def draw_recall(batch: int, generator: Generator | None) -> Batch:
    """Draw 2 to 6 items to be recalled."""
    return associative_recall(_whole(2, 6, generator), batch, generator=generator)


def draw_ngrams(batch: int, generator: Generator | None) -> Batch:
    """Draw 200 bits of random 6-grams."""
    return dynamic_ngrams(batch, generator=generator)


def draw_sort(batch: int, generator: Generator | None) -> Batch:
    """Draw 20 vectors, of which the 16 of highest priority are to be returned in order."""
    return priority_sort(batch, generator=generator)


DRAWS: dict[str, Draw] = {
    "copy": draw_copy,
    "repeat": draw_repeat,
    "recall": draw_recall,
    "ngrams": draw_ngrams,
    "sort": draw_sort,
}


@dataclass(frozen=True)
class Recipe:
    """How a machine is trained on a task.

    controller: "feedforward" or "lstm". hidden, layers: its units, and layers of them. rate: of RMSProp, centred, with
    momentum 0.9 and a running share of 0.95 as in Graves (2013); it falls linearly to zero over the last share `settle`
    of all updates. limit: each gradient is clipped to +-limit.
    """

    task: str
    controller: str = "feedforward"
    hidden: int = 100
    layers: int = 1
    memory: Memory = field(default_factory=Memory)
    updates: int = 1000
    batch: int = 16
    rate: float = 3e-4
    limit: float = 10.0
    settle: float = 0.25

    @property
    def sizes(self) -> tuple[int, int]:
        """Inputs and outputs of the task."""
        sample = DRAWS[self.task](1, Generator())
        return sample.x.shape[2], sample.targets.shape[2]

    def build(self, make: Callable[..., nn.Module]) -> nn.Module:
        """Return the machine, by `make`."""
        return make(*self.sizes, self.hidden, self.controller, self.layers, self.memory)

    def rate_at(self, done: int) -> float:
        """Return the rate of the update after `done` of them."""
        left = 1 - done / self.updates
        return self.rate * (min(1.0, left / self.settle) if self.settle else 1.0)

    def optimise(self, net: nn.Module) -> RMSprop:
        """Return the optimiser of a network's parameters."""
        return RMSprop(net.parameters(), self.rate, 0.95, 1e-4, momentum=0.9, centered=True)


def _whole(low: int, high: int, generator: Generator | None) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


COPY = Recipe("copy", updates=2400)
# As Tables 1 and 2 have them; 960,000 sequences, about where the paper's curves end.
RECIPES = {
    (task, controller): Recipe(
        task,
        controller,
        hidden,
        layers,
        Memory(read_heads=heads, write_heads=heads),
        updates=60_000,
        rate=RATES[task],
    )
    for controller, table in zip(CONTROLLERS, (FEEDFORWARD, RECURRENT), strict=True)
    for task, (heads, hidden, layers) in table.items()
}
