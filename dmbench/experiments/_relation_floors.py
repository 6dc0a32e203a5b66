"""What who counts shapes and knows no distances answers about scenes of sort-of-CLEVR.

Of the other five objects k are circles, k of Bin(5, 1/2); whichever is the nearest, or the furthest, has the shape of
the majority with a chance of E max(k, 5 - k) / 5 = 110 / 160 = 68.75 %. Counting is exact. Together 79.17 %.

Shapes: N scenes, Q questions a scene.
"""

import torch
from torch import Tensor

from dmbench.datasets.sort_of_clevr import OBJECTS, SHAPES, SUBTYPES, Questions, Scenes, answer

FLOORS = {"closest": 68.75, "furthest": 68.75, "count": 100.0}  # %


def majority(scenes: Scenes, questions: Questions) -> Tensor:
    """Answer with the shape that most of the other five objects have; other subtypes as they should be: (N, Q)."""
    own = scenes.shapes.gather(1, scenes.colours.argsort(1).gather(1, questions.colours))
    circles = scenes.shapes.sum(1, keepdim=True) - own
    guess = len(SHAPES) + (2 * circles > OBJECTS - 1).long()
    guessed = (questions.subtypes == SUBTYPES.index("closest")) | (questions.subtypes == SUBTYPES.index("furthest"))
    return torch.where(guessed, guess, answer(scenes, questions))
