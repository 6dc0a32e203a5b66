"""Showing: pictures of what a stem's implementation sees and does, by its own module `_<stem>_pictures`."""

import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path

from dmbench.harness.discovery import papers
from dmbench.harness.errors import UsageError, nearest
from dmbench.harness.paths import PACKAGE


def show(stem: str, words: Iterable[str], folder: Path) -> list[Path]:
    """Write a stem's pictures into `folder`; return their places.

    words: `--name value` pairs, the arguments of the module's function `show` by name.

    Raises:
        UsageError: the stem has nothing to show, or a word is no argument of it.
    """
    name = f"_{stem}_pictures"
    stems = {path.stem[1:-9] for path in (PACKAGE / "experiments").glob("_*_pictures.py")}
    able = sorted(stems & set(papers()))
    if stem not in able:
        raise UsageError(f"{stem} has nothing to show{nearest(stem, able)}")
    function = getattr(importlib.import_module(f"dmbench.experiments.{name}"), "show", None)
    if function is None:
        raise UsageError(f"{stem} has nothing to show")
    known = [parameter for parameter in inspect.signature(function).parameters if parameter != "folder"]
    given: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or key not in known:
            raise UsageError(f"{word} is no option of show {stem}{nearest(key, known)}")
        if not equals:
            if not left:
                raise UsageError(f"{word} needs a value")
            value = left.pop(0)
        given[key] = value
    try:
        shown: list[Path] = function(folder=folder, **given)
    except (ValueError, OSError) as error:
        raise UsageError(str(error).split("\n")[0]) from error
    return shown
