"""Backdrops: somebody else's learning curves, which an experiment has drawn behind its own as context."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dmbench.harness.experiment import Context, Experiment, stem_of


@dataclass(frozen=True)
class Backdrop:
    """Curves over one clock. label: whose, by which protocol, under which licence.

    clock, key: the names of a learning curve's points that `x` and `runs` are of. x: (k,), rising. runs: each (k,).
    """

    label: str
    clock: str
    key: str
    x: Sequence[float]
    runs: Sequence[Sequence[float]]


Drawn = Callable[[Context, Experiment], Backdrop | None]


@dataclass(frozen=True)
class Source:
    """What draws backdrops, where its artifacts are at hand."""

    stem: str
    artifacts: tuple[str, ...]
    function: Drawn


def backdrop(*artifacts: str) -> Callable[[Drawn], Drawn]:
    """Declare a function that gives the backdrop of an experiment of its stem, or None."""

    def declare(function: Drawn) -> Drawn:
        function.backdrop = Source(stem_of(function), artifacts, function)  # type: ignore[attr-defined]
        return function

    return declare
