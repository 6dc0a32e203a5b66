"""What a real search does from end to end: strategies spend the same budget, their winners are trained anew and tested.

A strategy here proposes networks, as `dmbench.nas.parts.morphism_climb` does; `FromScratch` makes one of a strategy of
points, whose networks begin with new weights.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from dmbench.experiments._digits_training import Digits, read_digits, seeded
from dmbench.experiments._nas_real import Recipe, Search, Split, Trial, run, small, so_far, split, test_error, winner
from dmbench.experiments._nas_real_space import FIRST, GROWTH, read_layers, spelled
from dmbench.harness.experiment import Context
from dmbench.nas.network_morphism import Chain, deepen, widen
from dmbench.nas.parts.decision import Point
from dmbench.nas.parts.discrete import Space
from dmbench.nas.parts.morphism_climb import MorphismClimb

CHILDREN, MORPHISMS = 8, 5
SHARES = tuple(range(5, 101, 5))  # of the budget at which the curve has a point, %


class Entrant(NamedTuple):
    """A strategy of networks, and how many updates each of its trials gets, by the trial's number."""

    strategy: Any
    updates: Callable[[int], int]


class FromScratch:
    """A strategy of points as one of networks. One that diverged is told as 0 %, the lowest there is."""

    def __init__(self, ctx: Context, name: str, space: Space, strategy: Any) -> None:
        self.ctx, self.name, self.space, self.strategy = ctx, name, space, strategy
        self.known: list[tuple[Point, float]] = []
        self.point: Point = ()

    def ask(self) -> Chain:
        """Propose a network with new weights."""
        self.point = self.space.validate(self.strategy.ask())
        return begun(self.ctx, f"{self.name} weights {len(self.known)}", partial(self.space.build, self.point))

    def tell(self, net: Chain, accuracy: float) -> None:
        """Learn what the network that was proposed last reached."""
        self._tell(self.point, 0.0 if math.isnan(accuracy) else accuracy)

    def state_dict(self) -> dict[str, Any]:
        """Return what was told."""
        return {"known": list(self.known)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ask and tell all again: a strategy draws from its own generator, and comes out the same."""
        for point, accuracy in state["known"]:
            self.strategy.ask()
            self._tell(tuple(point), accuracy)

    def _tell(self, point: Point, accuracy: float) -> None:
        self.known.append((point, accuracy))
        self.strategy.tell(point, accuracy)


def begun(ctx: Context, purpose: str, make: Callable[[], Any]) -> Chain:
    """Return a network with weights that depend on the seed and the purpose alone."""
    torch.manual_seed(seeded(ctx, purpose).initial_seed())
    net: Chain = make().to(ctx.device)
    return net


def climb(ctx: Context, recipe: Recipe, *, widen: Any = widen, deepen: Any = deepen) -> Entrant:
    """Return hill climbing by morphisms."""
    first = begun(ctx, "first", lambda: Chain(FIRST))
    morph = partial(GROWTH.morph, widen=widen, deepen=deepen)
    generator = seeded(ctx, "morphisms")
    strategy = MorphismClimb(first, morph, generator, children=CHILDREN, morphisms=MORPHISMS)
    return Entrant(strategy, lambda trial: recipe.more if trial else recipe.scratch)


def of_points(ctx: Context, recipe: Recipe, name: str, space: Space, make: Callable[..., Any]) -> Entrant:
    """Return a strategy of points, each trained from scratch."""
    return Entrant(FromScratch(ctx, name, space, make(space, seeded(ctx, name))), lambda trial: recipe.scratch)


def compete(
    ctx: Context, recipe: Recipe, entrants: Mapping[str, Callable[[], Entrant]]
) -> tuple[dict[str, float], dict[str, list[Trial]]]:
    """Let each entrant search, and return by name the winner's test error, %, and what was tried.

    The network that climbs begin with is tested beside the winners, as "start". The curve has the best validation
    accuracy of each so far at shares of the budget. The note says by name what won, and how much it cost.
    """
    done: dict[str, Any] = ctx.load() or {}
    data = split(ctx, recipe)
    tried = {}
    for place, (name, make) in enumerate(entrants.items()):
        search = Search(ctx, name, recipe, data, done)
        if not search.mine["over"]:
            entrant = make()
            run(search, entrant.strategy, entrant.updates)
        tried[name] = search.trials
        ctx.progress(place + 1, 2 * len(entrants) + 1)
    for share in SHARES:
        spent = share / 100 * recipe.budget
        ctx.point(budget=share, **{name: so_far(trials, spent) for name, trials in tried.items()})
    chosen = {"start": spelled(FIRST), **{name: winner(trials).layers for name, trials in tried.items()}}
    test = small(read_digits(ctx, "test", "fashion_mnist"))
    found = tested(ctx, recipe, data, test, chosen, done)
    ctx.note(
        **vars(recipe),
        winners=chosen,
        trials={name: len(trials) for name, trials in tried.items()},
        diverged={name: sum(math.isnan(trial.accuracy) for trial in trials) for name, trials in tried.items()},
        spent={name: trials[-1].spent for name, trials in tried.items()},
        winners_validation={name: winner(trials).accuracy for name, trials in tried.items()},
        cpu_seconds={name: round(done[name]["seconds"]) for name in tried},
    )
    return found, tried


def tested(
    ctx: Context, recipe: Recipe, data: Split, test: Digits, chosen: Mapping[str, str], done: dict[str, Any]
) -> dict[str, float]:
    """Return the test errors of networks that were chosen, each trained from scratch by the same recipe."""
    errors: dict[str, float] = done.setdefault("errors", {})
    for name, text in chosen.items():
        if name not in errors:
            errors[name] = test_error(ctx, read_layers(text), recipe, data, test, name)
            ctx.save(done)
        ctx.progress(len(chosen) - 1 + len(errors), 2 * len(chosen) - 1)
    return dict(errors)
