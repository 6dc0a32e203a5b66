"""The cases of a benchmark: what the suites in benchmarks/ declare, found by their files.

A suite is a public class with `params` and `param_names`, one of them "device", whose `setup` sets `run`, a callable
without arguments, and may set `flops`, where torch cannot count them. One with a param "implementation" can be
compared with peers; "dmbench", ours, is its first entry. `headline` lists the few cases, without implementation and
device, that are taken by default; without it they are the first value of each param, with every "pass". `own` names
implementations that are no peers: ours in another form, or a floor. `stateful`: a run frees what the one before
it allocated, as training does: then its peak of memory is no counter, since it depends on when that happens.
"""

import importlib
import itertools
import pkgutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

from dmbench.harness.errors import UsageError, nearest
from dmbench.harness.paths import checkout

OURS = "dmbench"
IMPLEMENTATION, DEVICE, PASS = "implementation", "device", "pass"


@dataclass(frozen=True)
class Case:
    """One suite at one choice of its params; `implementations` is empty where the suite has no such param."""

    suite: type
    values: tuple[Any, ...]
    names: tuple[str, ...]
    implementations: tuple[str, ...]
    devices: tuple[str, ...]
    headline: bool
    own: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The file that it stands in."""
        return self.suite.__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        """`stem.Suite(values)`, the same on every machine."""
        return f"{self.stem}.{self.suite.__name__}({', '.join(map(str, self.values))})"

    def setup(self, implementation: str, device: str) -> Any:
        """Return the suite, ready to `run`; whatever it raises where it cannot."""
        given = dict(zip(self.names, self.values, strict=True)) | {IMPLEMENTATION: implementation, DEVICE: device}
        suite = self.suite()
        suite.setup(*(given[name] for name in self.suite.param_names))  # type: ignore[attr-defined]
        return suite


def root() -> Path:
    """Return the checkout with the suites.

    Raises:
        UsageError: dmbench does not run from a checkout.
    """
    folder = checkout()
    if folder is None or not (folder / "benchmarks").is_dir():
        raise UsageError("the benchmarks come with a checkout: run it inside a clone of dmbench")
    return folder


def find(package: ModuleType | None = None, without: str = "") -> tuple[list[Case], list[str]]:
    """Return the cases of all suites but those in one file, and a line for each file that cannot be imported.

    package: benchmarks, where it has been imported; otherwise it is the checkout's.
    """
    if package is None:
        place = str(root())
        if place not in sys.path:
            sys.path.insert(0, place)
        package = importlib.import_module("benchmarks")
    cases: list[Case] = []
    problems: list[str] = []
    for found in pkgutil.iter_modules(package.__path__):
        if found.name.startswith("_") or found.name == without:
            continue
        try:
            module = importlib.import_module(f"benchmarks.{found.name}")
        except ImportError as error:
            problems.append(f"benchmarks/{found.name}.py cannot be imported: {first_line(error)}")
            continue
        for suite in vars(module).values():
            if isinstance(suite, type) and suite.__module__ == module.__name__ and not suite.__name__.startswith("_"):
                cases += cases_of(suite)
    return cases, problems


def cases_of(suite: type) -> list[Case]:
    """Return the cases of one suite; none of a class that is timed in another way.

    Raises:
        UsageError: a headline that is no case.
    """
    names: Sequence[str] = getattr(suite, "param_names", ())
    if DEVICE not in names or not hasattr(suite, "track_seconds"):
        return []
    params = dict(zip(names, suite.params, strict=True))  # type: ignore[attr-defined]
    devices, implementations = tuple(params.pop(DEVICE)), tuple(params.pop(IMPLEMENTATION, ()))
    every = list(itertools.product(*params.values()))
    first = {name: values if name == PASS else values[:1] for name, values in params.items()}
    headline = [tuple(one) for one in getattr(suite, "headline", itertools.product(*first.values()))]
    for one in headline:
        if one not in every:
            raise UsageError(f"{suite.__module__}.{suite.__name__}: its headline {one} is none of its params")
    ordered = [*headline, *(one for one in every if one not in headline)]
    own = tuple(getattr(suite, "own", ()))
    return [Case(suite, one, tuple(params), implementations, devices, one in headline, own) for one in ordered]


def choose(cases: Iterable[Case], patterns: Sequence[str], everything: bool = False) -> list[Case]:
    """Return the cases whose name holds, or whose name or file matches, one of the patterns; all if there is none.

    Those of the headline alone, unless `everything` is asked for.

    Raises:
        UsageError: a pattern that no case has.
    """
    known = [case for case in cases if everything or case.headline]
    chosen: list[Case] = []
    for pattern in patterns:
        matching = [case for case in known if case.stem == pattern] or [c for c in known if _matches(c, pattern)]
        if not matching:
            stems = sorted({case.stem for case in known})
            raise UsageError(f"no case matches {pattern}{nearest(pattern, stems)}; --all has those beside the headline")
        chosen += matching
    return [case for case in known if case in chosen or not patterns]


def _matches(case: Case, pattern: str) -> bool:
    return pattern in case.name or fnmatchcase(case.name, pattern) or fnmatchcase(case.stem, pattern)


def attempt(what: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a call returns and no reason, or None and the reason why it cannot."""
    try:
        return what(), ""
    except Exception as error:
        return None, first_line(error)


def first_line(error: BaseException) -> str:
    """Return an error as one line."""
    kind = "" if isinstance(error, NotImplementedError) and str(error) else f"{type(error).__name__}: "
    return f"{kind}{str(error).strip()}".split("\n")[0].rstrip(": ")
