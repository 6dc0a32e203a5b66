"""Subjects: whose implementation is measured. `--impl NAME=module:attribute` names one of a user's own."""

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dmbench.harness.errors import ContractError, UsageError, nearest
from dmbench.harness.experiment import Experiment, Subject


def parse(words: Iterable[str]) -> dict[str, str]:
    """Turn `name=module:attribute` words into a mapping.

    Raises:
        UsageError: a word of another form, or a name given twice.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, place = word.partition("=")
        module, colon, attribute = place.partition(":")
        if not (name and equals and module and colon and attribute):
            raise UsageError(f"--impl {word}: write NAME=module:attribute, as in srnet=mypkg.nets:MyNet")
        if name in given:
            raise UsageError(f"--impl {name} is given twice: {given[name]} and {place}")
        given[name] = place
    return given


def load(place: str) -> Any:
    """Import `module:attribute`; the working folder is searched as well.

    Raises:
        UsageError: the module or the attribute is not there, or importing it failed.
    """
    module_name, _, attribute = place.partition(":")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = f"module {error.name}" if error.name else f"a module ({error})"
        raise UsageError(
            f"--impl {place}: {missing} is not found: run from the folder that holds it, or install it"
        ) from error
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise UsageError(f"--impl {place}: importing {module_name} failed: {reason}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in vars(found) if not name.startswith("_")]
            raise UsageError(f"--impl {place}: {module_name} has no {part}{nearest(part, public)}")
        found = getattr(found, part)
    return found


def resolve(chosen: Iterable[Experiment], given: Mapping[str, Any]) -> dict[str, Any]:
    """Load and check the implementations given, each against the contract of the subject that it replaces.

    given: by subject name, a `module:attribute` or the object itself.

    Raises:
        UsageError: no experiment chosen has a subject of that name, or it cannot be imported.
        ContractError: it does not do what the contract says.
    """
    known: dict[str, Subject] = {subject.name: subject for e in chosen for subject in e.subjects}
    resolved = {}
    for name, place in given.items():
        if name not in known:
            raise UsageError(f"--impl {name}=...: nothing chosen has a part called {name}{nearest(name, list(known))}")
        implementation = load(place) if isinstance(place, str) else place
        try:
            known[name].check(implementation)
        except ContractError as error:
            raise ContractError(
                f"--impl {name}={label(place)}: {error}. The contract: {known[name].contract}"
            ) from error
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise ContractError(
                f"--impl {name}={label(place)}: failed on a tiny input: {reason}. The contract: {known[name].contract}"
            ) from error
        resolved[name] = implementation
    return resolved


def label(place: Any) -> str:
    """Return what a record calls an implementation: `module:attribute`."""
    if isinstance(place, str):
        return place
    return f"{getattr(place, '__module__', '?')}:{getattr(place, '__qualname__', type(place).__qualname__)}"


def source_hash(implementation: Any) -> str:
    """Return a checksum over the Python sources of the implementation's own package, or of its one module."""
    module = inspect.getmodule(implementation) or inspect.getmodule(type(implementation))
    top = sys.modules.get(module.__name__.partition(".")[0]) if module else None
    file = getattr(top, "__file__", None)
    digest = hashlib.sha256()
    if file is not None:
        path = Path(file)
        sources = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
        for source in sources:
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
