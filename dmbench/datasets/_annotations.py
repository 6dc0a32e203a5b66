"""What the readers of annotated pictures share: files that are there, JSON of one form, pictures with captions."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FEW = 3  # names that a message gives before it counts on


class Captioned(NamedTuple):
    """A picture's place and its captions, in the order of the file."""

    picture: Path
    captions: tuple[str, ...]


def existing(folder: Path, names: Sequence[str], what: str) -> Path:
    """Return the first of these files or folders that is there.

    what: what they belong to, in words, and where it comes from.

    Raises:
        ValueError: there is no such folder, or none of them in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; need {what}")
    found = next((folder / name for name in names if (folder / name).exists()), None)
    if found is None:
        raise ValueError(f"{folder}: has no {' or '.join(names)}; need {what}")
    return found


def read_json(path: Path, *keys: str) -> list[list[dict[str, Any]]]:
    """Read lists of objects by key.

    Raises:
        ValueError: the file cannot be read, is no JSON, or has no list of objects under a key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({str(error)[:60]})") from error
    found = [content.get(key) if isinstance(content, dict) else None for key in keys]
    for key, part in zip(keys, found, strict=True):
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            raise ValueError(f"{path}: has no list {key!r}: another file than the published one")
    return found  # type: ignore[return-value]


def field(path: Path, entry: dict[str, Any], name: str, kind: type) -> Any:
    """Return a field of an entry; ValueError names the file where it is missing or of another kind."""
    value = entry.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"{path}: an entry without {name!r}, {kind.__name__}: {str(entry)[:60]}")
    return value


def all_there(pictures: Iterable[Path]) -> None:
    """Raise ValueError where a picture is missing; it names the first ones."""
    if missing := [picture for picture in pictures if not picture.exists()]:
        raise ValueError(f"{missing[0].parent}: pictures missing: {some([picture.name for picture in missing])}")


def some(names: Sequence[object]) -> str:
    """Return the first few of many, and how many more there are."""
    more = len(names) - FEW
    return ", ".join(map(str, names[:FEW])) + (f" and {more:,} more" if more > 0 else "")
