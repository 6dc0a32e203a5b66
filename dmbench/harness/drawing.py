"""What experiments draw for the report: pictures, and backdrops, which are somebody else's curves behind their own."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmbench.harness.experiment import Context, Experiment


@dataclass(frozen=True)
class Picture:
    """A figure for the report, drawn where its artifacts are at hand. words: its docstring, which describes it."""

    stem: str
    name: str
    title: str
    artifacts: tuple[str, ...]
    function: Callable[..., Any]
    case: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""


def picture(
    *artifacts: str, over: Mapping[str, Sequence[Any]] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function of `experiments/<stem>.py`, or of `_<stem>_pictures.py`, that draws for the report.

    It returns a matplotlib Figure, or the bytes of a GIF, shown when asked for. Its docstring describes it, the first
    line is the caption. over: for each further argument the values to draw it with; `{argument}` is filled in the
    docstring and in the names of artifacts.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        function.pictures = tuple(_picture(function, artifacts, case) for case in cases(over or {}))  # type: ignore[attr-defined]
        return function

    return declare


def _picture(function: Callable[..., Any], artifacts: tuple[str, ...], case: Mapping[str, Any]) -> Picture:
    text = (function.__doc__ or function.__name__).strip()
    text = text.format(**case) if case else text
    return Picture(
        stem=stem_of(function),
        name="_".join([function.__name__, *map(str, case.values())]),
        title=text.split("\n")[0],
        artifacts=tuple(artifact.format(**case) for artifact in artifacts),
        function=function,
        case=case,
        words=" ".join(text.split()),
    )


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


Behind = Callable[["Context", "Experiment"], Backdrop | None]


@dataclass(frozen=True)
class Source:
    """What draws backdrops, where its artifacts are at hand."""

    stem: str
    artifacts: tuple[str, ...]
    function: Behind


def backdrop(*artifacts: str) -> Callable[[Behind], Behind]:
    """Declare a function that gives the backdrop of an experiment of its stem, or None."""

    def declare(function: Behind) -> Behind:
        function.backdrop = Source(stem_of(function), artifacts, function)  # type: ignore[attr-defined]
        return function

    return declare


def stem_of(function: Callable[..., object]) -> str:
    """Return the stem of a function of `experiments/<stem>.py` or `experiments/_<stem>_pictures.py`."""
    name = function.__module__.rpartition(".")[2]
    return name[1:].removesuffix("_pictures") if name.startswith("_") else name


def cases(over: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Return every combination of the values, one dictionary each."""
    for values in itertools.product(*over.values()):
        yield dict(zip(over, values, strict=True))
