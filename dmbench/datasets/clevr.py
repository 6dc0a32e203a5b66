"""CLEVR: questions about rendered scenes, as its files have them.

Source: Johnson et al. (2017), CLEVR: a diagnostic dataset for compositional language and elementary visual reasoning,
arXiv:1612.06890; questions/CLEVR_{part}_questions.json and scenes/CLEVR_{part}_scenes.json of CLEVR_v1.0. Families of
questions are those of Table 1 of Santoro et al. (2017), arXiv:1706.01427. Pictures are not opened: their places are
given.

Shapes: K objects of a scene, STATE values each.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

COLOURS = ("blue", "brown", "cyan", "gray", "green", "purple", "red", "yellow")
SHAPES = ("cube", "cylinder", "sphere")
MATERIALS = ("metal", "rubber")
SIZES = ("large", "small")
STATE = 3 + len(COLOURS) + len(SHAPES) + len(MATERIALS) + len(SIZES)
# The last function of a question's program tells its family.
FAMILIES = {
    "count": "count",
    "exist": "exist",
    "equal_integer": "compare_numbers",
    "less_than": "compare_numbers",
    "greater_than": "compare_numbers",
    "query_size": "query_attribute",
    "query_color": "query_attribute",
    "query_material": "query_attribute",
    "query_shape": "query_attribute",
    "equal_size": "compare_attribute",
    "equal_color": "compare_attribute",
    "equal_material": "compare_attribute",
    "equal_shape": "compare_attribute",
}


class Asked(NamedTuple):
    """A question's words in lower case, its answer, its family, "" where not told, and its picture's file."""

    words: tuple[str, ...]
    answer: str
    family: str
    image: Path


def read_questions(root: Path, part: str) -> list[Asked]:
    """Read the questions of a part: "train" or "val"; "test" has no answers.

    root: the folder CLEVR_v1.0.

    Raises:
        ValueError: the file is damaged, or a question has no answer. OSError: it cannot be read.
    """
    path = root / "questions" / f"CLEVR_{part}_questions.json"
    found = []
    for place, entry in enumerate(_entries(path, "questions")):
        try:
            words = entry["question"].lower().replace("?", " ").replace(";", " ").replace(",", " ").split()
            image = root / "images" / part / entry["image_filename"]
            program = entry.get("program") or [{}]
            last = program[-1].get("function", program[-1].get("type", ""))
            if not entry.get("answer"):
                raise ValueError(f"{path}: question {place} has no answer: take part train or val")
            found.append(Asked(tuple(words), str(entry["answer"]).lower(), FAMILIES.get(last, ""), image))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: question {place} is damaged: {error}") from error
    return found


def read_states(root: Path, part: str) -> dict[str, Tensor]:
    """Read the objects of each scene by the name of its picture: (K, STATE), float32.

    A row is the 3D place, then colour, shape, material and size, one-hot. root, part: as in `read_questions`.

    Raises:
        ValueError: the file is damaged, or an object has a property that CLEVR has not. OSError: it cannot be read.
    """
    path = root / "scenes" / f"CLEVR_{part}_scenes.json"
    kinds = (("color", COLOURS), ("shape", SHAPES), ("material", MATERIALS), ("size", SIZES))
    found = {}
    for place, scene in enumerate(_entries(path, "scenes")):
        try:
            rows = [
                [*thing["3d_coords"], *(float(thing[key] == name) for key, names in kinds for name in names)]
                for thing in scene["objects"]
            ]
            states = torch.tensor(rows, dtype=torch.float32).view(-1, STATE)
            name = scene["image_filename"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: scene {place} is damaged: {error}") from error
        if not bool((states[:, 3:].sum(1) == len(kinds)).all()):
            raise ValueError(f"{path}: scene {place} has an object of unknown colour, shape, material or size")
        found[name] = states
    return found


def _entries(path: Path, key: str) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))[key]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged, or no file of CLEVR's {key} ({str(error)[:60]})") from error
    if not isinstance(content, list):
        raise ValueError(f"{path}: damaged, or no file of CLEVR's {key} (no list)")
    return content
