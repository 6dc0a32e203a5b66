"""Scenes to caption and to ask about: two to four objects of sort-of-CLEVR, in a small picture.

Source: objects, colours and drawing are those of `sort_of_clevr`, Santoro et al. (2017), arXiv:1706.01427. Differs from
it: 1. Two, three or four objects, each as likely, of different colours. 2. Pictures of 32 x 32 pixels. 3. Of any two
objects the centres differ by at least 3 pixels along both axes, and none is within 2 pixels of a middle line, so that
left and right, top and bottom are seen.

Colours, shapes and places are drawn independently, and the places' law is the same mirrored or turned: chances of
captions and answers have closed forms (`scene_captions`, `scene_questions`).

Shapes: N scenes, K = 4 places for objects, of which a scene uses the first ones; S pixels a side.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dmbench.datasets import sort_of_clevr
from dmbench.datasets.sort_of_clevr import COLOURS, SHAPES

SIDE, RADIUS = 32, 3
COUNTS = (2, 3, 4)
PLACES = ("top left", "top right", "bottom left", "bottom right")
GAP = 3  # pixels between centres, along each axis
MARGIN = 2  # pixels between a centre and a middle line, at least
ROUNDS = 1000


class Object(NamedTuple):
    """One object: its colour and shape in words, and its centre, pixels from the left and from the top."""

    colour: str
    shape: str
    x: int
    y: int
    place: str  # "top left" and so on, of the picture's quarters


class Scenes(NamedTuple):
    """Scenes: how many objects (N); centres (N, K, 2), x and y; colours, shapes (N, K), numbers of COLOURS, SHAPES."""

    counts: Tensor
    centres: Tensor
    colours: Tensor
    shapes: Tensor
    size: int
    radius: int

    def objects(self, scene: int) -> list[Object]:
        """Return the objects of one scene."""
        rows = zip(*(part[scene].tolist() for part in (self.colours, self.shapes, self.centres)), strict=True)
        found = [Object(COLOURS[c], SHAPES[s], x, y, self.place(x, y)) for c, s, (x, y) in rows]
        return found[: int(self.counts[scene])]

    def place(self, x: int, y: int) -> str:
        """Return the quarter of the picture that a point is in, one of PLACES."""
        return PLACES[2 * (2 * y >= self.size) + (2 * x >= self.size)]


def make_scenes(count: int, seed: int, *, size: int = SIDE, radius: int = RADIUS) -> Scenes:
    """Draw scenes.

    Args:
        count: N, at least 1. seed: the same one gives the same scenes.
        size: S, pixels. radius: a circle's, and half the side of a square less half a pixel, pixels.

    Raises:
        ValueError: count or radius is below 1, or the objects hardly fit.
    """
    places = torch.tensor([v for v in range(radius, size - radius) if abs(2 * v + 1 - size) >= 2 * MARGIN])
    if count < 1 or radius < 1 or not len(places):
        raise ValueError(f"need count and radius of at least 1, and room: {count} of radius {radius} in {size} pixels")
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(COUNTS)[torch.randint(len(COUNTS), (count,), generator=generator)]
    centres = torch.empty(count, max(COUNTS), 2, dtype=torch.int64)
    left = torch.arange(count)
    for _ in range(ROUNDS):
        centres[left] = places[torch.randint(len(places), (len(left), max(COUNTS), 2), generator=generator)]
        left = left[~_fits(centres[left], counts[left], radius)]
        if not len(left):
            break
    else:
        raise ValueError(f"{max(COUNTS)} objects of radius {radius} hardly fit into {size} pixels: take a larger size")
    colours = torch.rand(count, len(COLOURS), generator=generator).argsort(1)[:, : max(COUNTS)]
    shapes = torch.randint(len(SHAPES), (count, max(COUNTS)), generator=generator)
    return Scenes(counts, centres, colours, shapes, size, radius)


def _fits(centres: Tensor, counts: Tensor, radius: int) -> Tensor:
    """Whether no two objects touch, nor are level, (N); places that a scene does not use do not count."""
    apart = (centres[:, :, None] - centres[:, None]).abs()
    free = (apart.amax(-1) > 2 * radius + 1) & (apart.amin(-1) >= GAP)
    used = torch.arange(centres.shape[1]) < counts[:, None]
    pairs = used[:, :, None] & used[:, None] & ~torch.eye(centres.shape[1], dtype=torch.bool)
    return (free | ~pairs).flatten(1).all(1)


def draw(scenes: Scenes) -> Tensor:
    """Draw scenes: (N, 3, S, S), uint8, on white."""
    images = torch.empty(len(scenes.counts), 3, scenes.size, scenes.size, dtype=torch.uint8)
    for count in COUNTS:
        which = scenes.counts == count
        centres, colours, shapes = (p[which][:, :count] for p in (scenes.centres, scenes.colours, scenes.shapes))
        images[which] = sort_of_clevr.draw(sort_of_clevr.Scenes(centres, colours, shapes, scenes.size, scenes.radius))
    return images


def network_input(images: Tensor) -> Tensor:
    """Turn pictures, uint8, into what networks take: float32, 0 on white, 1 where a channel has no light."""
    return 1 - images.float() / 255


def article(word: str) -> str:
    """Return "an" before a word that begins with a vowel, otherwise "a"."""
    return "an" if word[0] in "aeiou" else "a"
