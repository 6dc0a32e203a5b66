"""Captions of generated scenes: all that the grammar says truly of a scene, and a checker that parses one.

    caption = thing place | thing place "and" thing place
    thing = colour shape
    place = ("top" | "bottom") ("left" | "right")

The checker reads the words, not the generator's choice, so a caption that somebody else wrote is checked alike. The two
things of a caption are two objects.

Closed forms, n objects of `scenes`, 2, 3 or 4, each as likely:
    n^2 captions are true, each drawn as likely: their entropy, E 2 ln n = (2/3) ln 24 = 2.1187 nats, is the least mean
    negative log-likelihood that a model can have; and the likeliest caption for who does not see the scene, any about
    one thing, is true with probability E[n]/6 x 1/2 x 1/4 = 1/16.
"""

import math
import re
from collections.abc import Sequence
from itertools import permutations, product

from dmbench.datasets.scenes import PLACES, Object
from dmbench.datasets.sort_of_clevr import COLOURS, SHAPES

# By the words of a thing at its place, what they say.
SAID = {
    f"{colour} {shape} {place}": (colour, shape, place) for colour, shape, place in product(COLOURS, SHAPES, PLACES)
}
WORDS = {said: words for words, said in SAID.items()}
CAPTION = re.compile(rf"({'|'.join(SAID)})(?: and ({'|'.join(SAID)}))?")
ENTROPY = 2 / 3 * math.log(24)  # nats a caption
BLIND = 1 / 16


def true_captions(objects: Sequence[Object]) -> list[str]:
    """Return all captions that are true of a scene: those of one thing, then those of two, in a fixed order."""
    said = [WORDS[one.colour, one.shape, one.place] for one in objects]
    return [*said, *(f"{one} and {other}" for one, other in permutations(said, 2))]


def all_captions() -> list[str]:
    """Return the grammar's 1,968 captions about things of different colours, which are all that a scene can have."""
    pairs = [(one, other) for one, other in product(SAID, SAID) if SAID[one][0] != SAID[other][0]]
    return [*SAID, *(f"{one} and {other}" for one, other in pairs)]


def is_true(caption: str, objects: Sequence[Object]) -> bool:
    """Whether a caption follows the grammar and holds of a scene: what it names is there, at its place."""
    said = CAPTION.fullmatch(caption)
    if said is None:
        return False
    things = [SAID[words] for words in said.groups() if words is not None]
    there = [(one.colour, one.shape, one.place) for one in objects]
    return all(things.count(thing) <= there.count(thing) for thing in things)
