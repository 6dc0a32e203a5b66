"""ImageNet's validation pictures (ILSVRC2012): a subset of 1,300, or a folder with all 50,000, and their labels.

Source: Russakovsky et al. (2015), ImageNet Large Scale Visual Recognition Challenge, arXiv:1409.0575. Labels are
Caffe's: the places of the 1,000 synsets in alphabetical order, 0 to 999, as in its val.txt and synset_words.txt.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLASSES = 1000
NAME = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.IGNORECASE)
SYNSET = re.compile(r"n\d{8}")
FEW = 3  # names that a message or a record gives before it counts on


@dataclass(frozen=True)
class Listed:
    """One picture: its place, and its label, 0 to 999."""

    path: Path
    label: int


def read_labels(path: Path) -> dict[str, int]:
    """Read labels by the pictures' names from val.txt: a name and a label a line.

    Raises:
        ValueError: the file cannot be read, holds another kind of line, or a name twice.
    """
    labels: dict[str, int] = {}
    for number, line in enumerate(_lines(path), 1):
        words = line.replace(",", " ").split()
        if len(words) != 2 or not words[1].isdigit() or int(words[1]) >= CLASSES:
            raise ValueError(f"{path}:{number}: need a picture's name and its label, 0 to {CLASSES - 1}: {line[:60]}")
        name = words[0].rpartition("/")[2]
        if name in labels:
            raise ValueError(f"{path}:{number}: {name} is there twice")
        labels[name] = int(words[1])
    if not labels:
        raise ValueError(f"{path}: is empty: no labels")
    return labels


def read_synsets(path: Path) -> list[tuple[str, str]]:
    """Read the 1,000 classes from synset_words.txt, in the order of the labels: synset and words.

    Raises:
        ValueError: the file cannot be read, or does not list 1,000 synsets in alphabetical order.
    """
    found = [(synset, words) for synset, _, words in (line.partition(" ") for line in _lines(path))]
    synsets = [synset for synset, _ in found]
    if len(found) != CLASSES or synsets != sorted(set(synsets)) or not all(map(SYNSET.fullmatch, synsets)):
        raise ValueError(f"{path}: need {CLASSES:,} synsets, n01440764 and so on, in order: {len(found):,} lines")
    return found


def list_pictures(files: Mapping[str, Path], labels: Mapping[str, int]) -> list[Listed]:
    """Return the pictures among files, in the order of their names.

    Raises:
        ValueError: there is none, or one has no label.
    """
    places = {name.rpartition("/")[2]: path for name, path in files.items() if NAME.fullmatch(name.rpartition("/")[2])}
    if not places:
        raise ValueError(f"no ILSVRC2012_val_*.JPEG among {len(files)} files")
    if without := sorted(set(places) - set(labels)):
        raise ValueError(f"{_some(without)}: no label among {len(labels):,}")
    return [Listed(places[name], labels[name]) for name in sorted(places)]


def list_folder(folder: Path, labels: Mapping[str, int], synsets: Sequence[str]) -> list[Listed]:
    """Return all pictures of a folder, in the order of their names; each that has a label must be there.

    Args:
        folder: ILSVRC2012_val_*.JPEG, or folders named by synset, n01440764 and so on, with those in them; either may
            be in a folder `val` of it. Where it has a val.txt, that must not contradict `labels`.
        labels: of all 50,000, by name.
        synsets: of the 1,000 classes, in the order of the labels.

    Raises:
        ValueError: there is no such folder, it does not hold these pictures, or a label contradicts.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    inside = folder / "val" if (folder / "val").is_dir() else folder
    places: dict[str, Path] = {}
    for path in sorted([*inside.glob("ILSVRC2012_val_*"), *inside.glob("n????????/ILSVRC2012_val_*")]):
        if not NAME.fullmatch(path.name):
            continue
        name = path.stem + ".JPEG"
        if name in places:
            raise ValueError(f"{path}: is there twice, also as {places[name]}")
        if SYNSET.fullmatch(path.parent.name):
            _agree(path, synsets.index(path.parent.name) if path.parent.name in synsets else -1, labels.get(name))
        places[name] = path
    if not places:
        raise ValueError(
            f"{folder}: not ImageNet's validation pictures: looked for ILSVRC2012_val_*.JPEG in it, in val and in "
            f"folders like n01440764, among {sum(1 for _ in folder.iterdir()):,} entries"
        )
    for file in (folder / "val.txt", inside / "val.txt"):
        if file.exists():
            for name, label in read_labels(file).items():
                _agree(file / name, label, labels.get(name))
    if set(places) != set(labels):
        missing, strange = sorted(set(labels) - set(places)), sorted(set(places) - set(labels))
        what = f"{_some(missing)} missing" if missing else f"{_some(strange)} without a label"
        raise ValueError(f"{folder}: {len(places):,} pictures instead of {len(labels):,}: {what}")
    return [Listed(places[name], labels[name]) for name in sorted(places)]


def _agree(path: Path, given: int, known: int | None) -> None:
    if known is not None and given != known:
        says = f"label {given}" if given >= 0 else "a synset that is none of the 1,000"
        raise ValueError(
            f"{path}: {says} is not {known}, the label in val.txt: labels of another order, or another set"
        )


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({str(error)[:60]})") from error


def _some(names: Sequence[str]) -> str:
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more:,} more" if more > 0 else "")
