"""Discovery: the file system is the registry. A stem is a file name; nothing here names one."""

import ast
import hashlib
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

import dmbench.experiments
from dmbench.harness.drawing import Picture, Source
from dmbench.harness.errors import UsageError, nearest
from dmbench.harness.experiment import Experiment
from dmbench.harness.numbers import Number, Paper, read_paper
from dmbench.harness.paths import PACKAGE, reference

NO_COMPONENTS = ("experiments", "peers", "harness")  # folders that have a module of every stem, or none


def papers(folder: Path | None = None) -> dict[str, Paper]:
    """Read the numbers of all stems, in alphabetical order; what is tracked of a stem comes after what is printed.

    Raises:
        NumbersError: a file is malformed.
    """
    folder = folder or reference() / "papers"
    return {
        path.stem: read_paper(path, folder.parent / "tracked" / path.name) for path in sorted(folder.glob("*.toml"))
    }


@cache
def experiments(stem: str) -> tuple[Experiment, ...]:
    """Return the experiments of a stem, in the order of its module; none if it has no module."""
    return tuple(e for member in _members(stem) for e in getattr(member, "experiments", ()))


def pictures(stem: str) -> tuple[Picture, ...]:
    """Return the figures that a stem's module, or its module of pictures, draws for the report."""
    return tuple(one for m in _drawing(stem) for one in getattr(m, "pictures", ()))


def backdrops(stem: str) -> tuple[Source, ...]:
    """Return what draws somebody else's curves behind the stem's own."""
    return tuple(m.backdrop for m in _drawing(stem) if hasattr(m, "backdrop"))


def _drawing(stem: str) -> list[Any]:
    beside = f"_{stem}_pictures"
    return _members(stem) + (_of(beside) if (PACKAGE / "experiments" / f"{beside}.py").exists() else [])


def _members(stem: str) -> list[Any]:
    return _of(stem) if stem in stems_with_experiments() else []


def _of(name: str) -> list[Any]:
    module = importlib.import_module(f"dmbench.experiments.{name}")
    return [m for m in vars(module).values() if getattr(m, "__module__", None) == module.__name__]


@cache
def stems_with_experiments() -> tuple[str, ...]:
    """Return the stems that have a module of experiments."""
    modules = pkgutil.iter_modules(dmbench.experiments.__path__)
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def peers(stem: str) -> dict[str, dict[str, Any]]:
    """Return, by label and by part of the stem, the implementations that a user would otherwise call; often none."""
    if not (PACKAGE / "peers" / f"{stem}.py").exists():
        return {}
    found: dict[str, dict[str, Any]] = importlib.import_module(f"dmbench.peers.{stem}").PEERS
    return found


def choose(stems: list[str], known: dict[str, Paper]) -> list[str]:
    """Return the stems asked for, or all of them; the name of a folder of components asks for all that are in it.

    Raises:
        UsageError: a word that is neither.
    """
    chosen: list[str] = []
    for word in stems:
        inside = [stem for stem in known if (PACKAGE / word / f"{stem}.py").exists()]
        if word not in known and (not inside or word in NO_COMPONENTS):
            raise UsageError(f"unknown stem {word}{nearest(word, list(known))}")
        chosen += [word] if word in known else inside
    return list(dict.fromkeys(chosen)) or list(known)


def experiment_of(number: Number) -> Experiment | None:
    """Return the experiment that measures a number, or None."""
    return next((e for e in experiments(number.stem) if number.key in e.numbers), None)


@cache
def code_hash(stem: str) -> str:
    """Return a checksum over the sources that a stem's experiments run: their module and what it imports of dmbench.

    The harness is left out: it counts and prints, but does not measure.
    """
    digest = hashlib.sha256()
    for path in sorted(_sources(PACKAGE / "experiments" / f"{stem}.py", set())):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(path: Path, seen: set[Path]) -> set[Path]:
    if path in seen or not path.exists() or path.stem.endswith("_pictures"):  # drawing measures nothing
        return seen
    seen.add(path)
    text = path.read_text(encoding="utf-8")
    seen.update(data for data in path.parent.glob("*.json") if data.name in text)  # constants kept beside the code
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "dmbench" and parts[1:2] not in ([], ["harness"]):
                _sources(PACKAGE.joinpath(*parts[1:]).with_suffix(".py"), seen)
    return seen
