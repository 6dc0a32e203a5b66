"""Training of anything: updates, checkpoints, points of the curve, and a stop where a loss is no number.

    loop = Loop(ctx, updates, {"net": net, "optimiser": optimiser})
    loop.run(step, evaluate=lambda: {"test_error": ...}, evaluate_every=600)

`_digits_training` is its like for classifiers of digits in phases.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Protocol

import torch
from torch import Tensor

from dmbench.harness.errors import DmbenchError
from dmbench.harness.experiment import Context

LOOKED_AT = 50  # updates between looks at the loss: each waits for a GPU


class Stateful(Protocol):
    """A network, an optimiser, or anything else whose state can be taken and put back."""

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Take them back."""


class DivergedError(DmbenchError):
    """A loss that is no number any more: what it is, at which update, and which checkpoint is left."""


class Loop:
    """The updates of one experiment with one seed; a run that was killed goes on from its last checkpoint.

    It then gives the same numbers as if it had not been killed, if a step draws chance from torch's own generators,
    which are restored, or from (seed, update) alone, and keeps its state in `parts`.

    Args:
        ctx: the experiment's context.
        updates: of the whole training.
        parts: networks, optimisers and what else has a state.
        save_every: updates between checkpoints; one is written only while all losses are finite.
    """

    def __init__(self, ctx: Context, updates: int, parts: Mapping[str, Any], *, save_every: int = 1000) -> None:
        self.ctx, self.updates, self.parts, self.save_every = ctx, updates, parts, save_every
        self.saved = 0
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        state = ctx.load()
        if state is not None:
            self.saved, self.sums, self.count = state["update"], state["sums"], state["count"]
            for name, part in parts.items():
                part.load_state_dict(state["parts"][name])
            _set_random(state["random"])

    def run(
        self,
        step: Callable[[int], Mapping[str, Tensor]],
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        evaluate_every: int = 0,
    ) -> None:
        """Train.

        Args:
            step: makes the update of this number, from 0, and returns its losses by name, scalars.
            evaluate: measured every `evaluate_every` updates and after the last one, without gradients; with the mean
                of each loss since the point before, it makes a point of the curve, whose `update` counts from 1.

        Raises:
            DivergedError: a loss is infinite or NaN; the last checkpoint stays.
        """
        for update in range(self.saved, self.updates):
            losses = {name: value.detach() for name, value in step(update).items()}
            self.sums = {name: value + self.sums.get(name, 0) for name, value in losses.items()}
            self.count += 1
            done = update + 1
            last = done == self.updates
            point = last or (evaluate_every and done % evaluate_every == 0)
            save = not last and done % self.save_every == 0
            if point or save or done % LOOKED_AT == 0:
                self._check(done)
            if point:
                self._point(done, evaluate)
            if save:
                self._save(done)
            if done % 20 == 0 or last:
                self.ctx.progress(done, self.updates)

    def _check(self, done: int) -> None:
        for name, total in self.sums.items():
            if not isfinite(float(total)):
                kept = f"the checkpoint of update {self.saved} is kept" if self.saved else "there is no checkpoint yet"
                raise DivergedError(
                    f"{name} became {float(total):g} by update {done} of {self.updates}, seed {self.ctx.seed}: {kept}; "
                    "lower the learning rate or clip gradients, and run with --fresh"
                )

    def _point(self, done: int, evaluate: Callable[[], Mapping[str, float]] | None) -> None:
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        with torch.no_grad():
            found = evaluate() if evaluate is not None else {}
        self.ctx.point(update=done, **means, **found)

    def _save(self, done: int) -> None:
        self.ctx.save(
            {
                "update": done,
                "sums": self.sums,
                "count": self.count,
                "parts": {name: part.state_dict() for name, part in self.parts.items()},
                "random": _random(),
            }
        )
        self.saved = done


def _random() -> dict[str, Any]:
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
