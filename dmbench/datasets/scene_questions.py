"""Questions about generated scenes, of VQA's three types of answers: yes/no, number, other.

Five kinds, each as likely, n objects of `scenes`, 2, 3 or 4, each as likely:

    kind      example                                     type    the best answer without the picture
    exists    is there a red circle                       yes/no  yes, 1/2 + 1/2 E[n]/12 = 5/8
    relation  is the red object above the blue object     yes/no  1/2
    count     how many objects | circles | rectangles     number  1/3 | 3/8 | 3/8 (1 of them), together 13/36
    shape     what shape is the red object                other   1/2
    extreme   what colour is the leftmost object          other   1/6

Half of the time `exists` asks about an object of the scene, otherwise about any of the 12; `count` takes one of its
three as likely. So "yes" is right in 9/40 of all, the most popular answer of a kind (2 of `count`, 1/3) in 17/40, and
the best answer to the words of a question in 31/72: nothing that does not see the picture gets more.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product
from typing import NamedTuple

import torch

from dmbench.datasets.scenes import Object, article
from dmbench.datasets.sort_of_clevr import COLOURS, SHAPES

KINDS = {"exists": "yes/no", "relation": "yes/no", "count": "number", "shape": "other", "extreme": "other"}
TYPES = ("yes/no", "number", "other")
LEFT, RIGHT, ABOVE, BELOW = RELATIONS = ("to the left of", "to the right of", "above", "below")
EXTREMES = ("leftmost", "rightmost", "topmost", "bottommost")
ANSWERS = ("yes", "no", "0", "1", "2", "3", "4", *SHAPES, *COLOURS)

PRIOR = Fraction(9, 40)  # of "yes", the most popular answer
KIND_PRIOR = Fraction(17, 40)  # of the most popular answer of each kind
BLIND = Fraction(31, 72)  # of the best answer to the words of each question
BLIND_BY_TYPE = {"yes/no": Fraction(9, 16), "number": Fraction(13, 36), "other": Fraction(1, 3)}


class Question(NamedTuple):
    """A question in words, its answer, one of ANSWERS, and its kind, one of KINDS."""

    words: str
    answer: str
    kind: str

    @property
    def type(self) -> str:
        """The type of its answer, one of TYPES."""
        return KINDS[self.kind]


def ask(objects: Sequence[Object], generator: torch.Generator) -> Question:
    """Draw a question about a scene of two objects or more; any kind, as likely."""
    kind = list(KINDS)[_draw(len(KINDS), generator)]
    one, other = (objects[i] for i in torch.randperm(len(objects), generator=generator)[:2].tolist())
    which = _draw(12, generator)  # 12 is a multiple of all choices below
    if kind == "exists":
        any_thing = (COLOURS[which % 6], SHAPES[which // 6])
        colour, shape = (one.colour, one.shape) if _draw(2, generator) else any_thing
        return exists(objects, colour, shape)
    if kind == "relation":
        return related(one, RELATIONS[which % 4], other)
    if kind == "count":
        return count(objects, ("object", *SHAPES)[which % 3])
    if kind == "shape":
        return Question(f"what shape is the {one.colour} object", one.shape, kind)
    return extreme(objects, EXTREMES[which % 4])


def all_words() -> list[str]:
    """Return every question that can be asked, in words."""
    pairs = permutations(COLOURS, 2)
    return [
        *(f"is there {article(c)} {c} {s}" for c, s in product(COLOURS, SHAPES)),
        *(f"is the {c} object {relation} the {d} object" for (c, d), relation in product(pairs, RELATIONS)),
        *(f"how many {what}s are there" for what in ("object", *SHAPES)),
        *(f"what shape is the {c} object" for c in COLOURS),
        *(f"what colour is the {which} object" for which in EXTREMES),
    ]


def exists(objects: Sequence[Object], colour: str, shape: str) -> Question:
    """Ask whether there is an object of a colour and a shape."""
    found = any((one.colour, one.shape) == (colour, shape) for one in objects)
    return Question(f"is there {article(colour)} {colour} {shape}", _yes(found), "exists")


def related(one: Object, relation: str, other: Object) -> Question:
    """Ask whether one object stands so to another."""
    ahead = {
        LEFT: one.x < other.x,
        RIGHT: one.x > other.x,
        ABOVE: one.y < other.y,
        BELOW: one.y > other.y,
    }
    words = f"is the {one.colour} object {relation} the {other.colour} object"
    return Question(words, _yes(ahead[relation]), "relation")


def count(objects: Sequence[Object], what: str) -> Question:
    """Ask for the number of objects, or of those of a shape."""
    number = sum(what in ("object", one.shape) for one in objects)
    return Question(f"how many {what}s are there", str(number), "count")


def extreme(objects: Sequence[Object], which: str) -> Question:
    """Ask for the colour of the object that is furthest to a side."""
    sides = {
        "leftmost": lambda one: one.x,
        "rightmost": lambda one: -one.x,
        "topmost": lambda one: one.y,
        "bottommost": lambda one: -one.y,
    }
    return Question(f"what colour is the {which} object", min(objects, key=sides[which]).colour, "extreme")


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))
