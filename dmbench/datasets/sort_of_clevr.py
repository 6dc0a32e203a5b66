"""Sort-of-CLEVR: six objects of six colours and two shapes on white, and questions about them, all generated.

Source: Santoro et al. (2017), A simple neural network module for relational reasoning, arXiv:1706.01427, section 4.2
and the supplement: 10,000 scenes of 75 x 75 pixels (200 of them to test), ten relational and ten other questions each.

Shapes: N scenes, K = 6 objects, Q questions a scene, S pixels a side; x to the right and y downwards, in pixels from 0.

Differs from the paper, which does not say: 1. No centre lies on a middle line, so that left and right are as likely.
2. No two objects are equally near to another, or equally far from it, where that would be the nearest or the furthest.
"""

from typing import NamedTuple

import torch
from torch import Tensor

COLOURS = ("red", "green", "blue", "orange", "gray", "yellow")
RGB = ((255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 140, 0), (128, 128, 128), (255, 225, 0))
SHAPES = ("rectangle", "circle")
SUBTYPES = ("shape", "left", "top", "closest", "furthest", "count")  # three that are not relational, three that are
ANSWERS = ("yes", "no", "rectangle", "circle", "1", "2", "3", "4", "5", "6")
OBJECTS = len(COLOURS)
QUESTION = OBJECTS + 2 + 3  # bits of an encoded question: colour; relational or not; which of the three
STATE = 2 + OBJECTS + len(SHAPES)  # values of an object's state
ROUNDS = 2000  # attempts at scenes before a size is called too small


class Scenes(NamedTuple):
    """Scenes: centres (N, K, 2), x and y, and colours and shapes (N, K), numbers of COLOURS and SHAPES, all int64.

    size: pixels a side. radius: a circle's, and half the side of a square less half a pixel, pixels.
    """

    centres: Tensor
    colours: Tensor
    shapes: Tensor
    size: int
    radius: int

    def take(self, which: slice | Tensor) -> "Scenes":
        """Take some of the scenes."""
        return self._replace(centres=self.centres[which], colours=self.colours[which], shapes=self.shapes[which])


class Questions(NamedTuple):
    """Questions: the colour asked about and the subtype, (N, Q), numbers of COLOURS and SUBTYPES, int64."""

    colours: Tensor
    subtypes: Tensor


def make_scenes(count: int, seed: int, *, size: int = 75, radius: int | None = None) -> Scenes:
    """Draw scenes: centres uniform where no two objects touch, the colours in a random order, shapes by a fair coin.

    Args:
        count: N, at least 0. seed: the same one gives the same scenes.
        size: S. radius: at least 1; a fifteenth of the size by default, 5 of 75.

    Raises:
        ValueError: a count below 0, a radius below 1, or objects that do not fit.
    """
    radius = round(size / 15) if radius is None else radius
    places = size - 2 * radius  # of a centre, along an axis
    if count < 0 or radius < 1 or (places - size % 2) ** 2 < OBJECTS:
        raise ValueError(f"need count >= 0, radius >= 1 and room for {OBJECTS}: {count} of {radius} in {size} pixels")
    generator = torch.Generator().manual_seed(seed)
    kept: list[Tensor] = []
    found = 0
    for _ in range(ROUNDS):
        drawn = torch.randint(places - size % 2, (max(2 * count, 64), OBJECTS, 2), generator=generator) + radius
        if size % 2:
            drawn += drawn >= size // 2  # leaves out the middle
        kept.append(drawn[_fits(drawn, radius)])
        found += len(kept[-1])
        if found >= count:
            break
    else:
        raise ValueError(f"{OBJECTS} objects of radius {radius} hardly fit into {size} pixels: take a larger size")
    colours = torch.rand(count, OBJECTS, generator=generator).argsort(1)
    shapes = torch.randint(len(SHAPES), (count, OBJECTS), generator=generator)
    return Scenes(torch.cat(kept)[:count], colours, shapes, size, radius)


def _fits(centres: Tensor, radius: int) -> Tensor:
    """Whether no two squares around the centres touch, and the nearest and the furthest of each is one: (N)."""
    apart = centres[:, :, None] - centres[:, None]
    free = (apart.abs().amax(-1) > 2 * radius + 1) | torch.eye(OBJECTS, dtype=torch.bool)
    far = apart.square().sum(-1).sort(-1).values  # the first is 0, to itself
    one = (far[..., 1] < far[..., 2]) & (far[..., -2] < far[..., -1])
    return free.flatten(1).all(1) & one.all(1)


def draw(scenes: Scenes) -> Tensor:
    """Draw scenes: (N, 3, S, S), uint8, on white. A square covers 2 radius + 1 pixels a side."""
    size, radius = scenes.size, scenes.radius
    images = torch.full((len(scenes.centres), 3, size, size), 255, dtype=torch.uint8)
    offset = torch.arange(-radius, radius + 1)
    disc = offset[:, None].square() + offset.square() <= radius**2
    covers = torch.stack([torch.ones_like(disc), disc])[scenes.shapes]  # (N, K, 2R + 1, 2R + 1)
    scene, which, row, column = covers.nonzero(as_tuple=True)
    x, y = scenes.centres[scene, which].unbind(1)
    colour = torch.tensor(RGB, dtype=torch.uint8)[scenes.colours[scene, which]]
    images[scene, :, y + row - radius, x + column - radius] = colour
    return images


def states(scenes: Scenes) -> Tensor:
    """Describe objects: (N, K, STATE), float32: x and y from -1 to 1, colour and shape one-hot."""
    place = (2 * scenes.centres + 1) / scenes.size - 1
    colour, shape = torch.eye(OBJECTS)[scenes.colours], torch.eye(len(SHAPES))[scenes.shapes]
    return torch.cat([place, colour, shape], -1)


def ask(count: int, seed: int, *, relational: int = 10, others: int = 10) -> Questions:
    """Draw questions for so many scenes, colour and subtype uniform: first the others, then the relational ones."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(OBJECTS, (count, others + relational), generator=generator)
    subtypes = torch.randint(3, (count, others + relational), generator=generator)
    subtypes[:, others:] += 3
    return Questions(colours, subtypes)


def ask_all(count: int) -> Questions:
    """Ask all 36 questions about each of so many scenes: by subtype, then by colour."""
    every = torch.arange(len(SUBTYPES) * OBJECTS).expand(count, -1)
    return Questions(every % OBJECTS, every // OBJECTS)


def encode(questions: Questions) -> Tensor:
    """Encode questions: (N, Q, QUESTION), float32: colour one-hot; not relational, relational; which of three."""
    kind, third = questions.subtypes // 3, questions.subtypes % 3
    return torch.cat([torch.eye(OBJECTS)[questions.colours], torch.eye(2)[kind], torch.eye(3)[third]], -1)


def answer(scenes: Scenes, questions: Questions) -> Tensor:
    """Answer questions: (N, Q), int64, numbers of ANSWERS.

    "left" and "top" ask whether the centre is in that half; "closest" and "furthest" ask for the shape of that object,
    by the distance of centres; "count" for the number of objects of its shape, itself among them.
    """
    shape = 2 + scenes.shapes
    x, y = (~(2 * scenes.centres + 1 < scenes.size)).long().unbind(-1)  # 0 is "yes"
    far = (scenes.centres[:, :, None] - scenes.centres[:, None]).square().sum(-1)
    near = far + torch.eye(OBJECTS, dtype=far.dtype) * (2 * scenes.size**2 + 1)  # itself is not its nearest
    closest, furthest = shape.gather(1, near.argmin(-1)), shape.gather(1, far.argmax(-1))
    count = 3 + (scenes.shapes[:, :, None] == scenes.shapes[:, None]).sum(-1)
    table = torch.stack([shape, x, y, closest, furthest, count], -1)  # (N, K, 6)
    which = scenes.colours.argsort(1).gather(1, questions.colours)  # the object of a colour
    scene = torch.arange(len(table))[:, None]
    return table[scene, which, questions.subtypes]


def in_words(colour: int, subtype: int) -> str:
    """Word a question, by numbers of COLOURS and SUBTYPES."""
    name = COLOURS[colour]
    return (
        f"What is the shape of the {name} object?",
        f"Is the {name} object on the left?",
        f"Is the {name} object on the top?",
        f"What is the shape of the object closest to the {name} one?",
        f"What is the shape of the object furthest from the {name} one?",
        f"How many objects have the shape of the {name} one?",
    )[subtype]
