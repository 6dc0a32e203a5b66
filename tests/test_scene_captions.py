"""Captions of scenes: a checker against the pixels, all that is true and nothing else, closed forms, bad captions."""

import math

import pytest
import torch

from dmbench.datasets.scene_captions import BLIND, ENTROPY, all_captions, is_true, true_captions
from dmbench.datasets.scenes import COUNTS, Object, draw, make_scenes
from dmbench.datasets.sort_of_clevr import COLOURS, RGB

SCENE = [
    Object("red", "circle", 5, 6, "top left"),
    Object("orange", "rectangle", 20, 25, "bottom right"),
    Object("blue", "circle", 10, 21, "bottom left"),
]


def holds(caption, picture):
    """Whether a caption is true, from the pixels alone: each thing said has its pixels in that quarter, and as many."""
    things = caption.split(" and ")
    for thing in things:
        colour, shape, vertical, horizontal = thing.split()
        rgb = torch.tensor(RGB[COLOURS.index(colour)], dtype=torch.uint8)[:, None, None]
        ys, xs = (picture == rgb).all(0).nonzero(as_tuple=True)
        if len(xs) != {"rectangle": 49, "circle": 29}[shape]:
            return False
        middle = (picture.shape[-1] - 1) / 2
        if (ys.float().mean() > middle) != (vertical == "bottom") or (xs.float().mean() > middle) != (
            horizontal == "right"
        ):
            return False
    return len(set(things)) == len(things)


def test_the_captions_of_a_scene_are_true_by_its_pixels_and_by_the_checker():
    scenes = make_scenes(30, seed=3)
    for i, picture in enumerate(draw(scenes)):
        objects = scenes.objects(i)
        captions = true_captions(objects)
        assert len(captions) == len(set(captions)) == len(objects) ** 2
        assert all(holds(caption, picture) and is_true(caption, objects) for caption in captions)


def test_no_other_caption_of_the_grammar_is_true_of_a_scene():
    every, scenes = all_captions(), make_scenes(5, seed=4)
    assert len(set(every)) == len(every) == 1968
    for i, picture in enumerate(draw(scenes)):
        objects = scenes.objects(i)
        found = {caption for caption in every if is_true(caption, objects)}
        assert found == set(true_captions(objects))
        assert {caption for caption in every[::7] if holds(caption, picture)} == found & set(every[::7])


@pytest.mark.parametrize(
    ("caption", "true"),
    [
        ("red circle top left", True),
        ("orange rectangle bottom right and red circle top left", True),
        ("red circle top right", False),
        ("red circle bottom left", False),
        ("red rectangle top left", False),
        ("green circle top left", False),
        ("red circle top left and blue circle bottom right", False),
        ("red circle top left and red circle top left", False),  # there is one only
        ("an orange rectangle bottom right", False),
        ("red circle", False),
        ("red circle top left and", False),
        ("circle red top left", False),
        ("red circle top left <unknown>", False),
        ("", False),
    ],
)
def test_the_checker_reads_each_word(caption, true):
    assert is_true(caption, SCENE) is true


def test_the_entropy_is_that_of_counting():
    assert pytest.approx(sum(math.log(n * n) for n in COUNTS) / 3, abs=1e-12) == ENTROPY
    assert [len(true_captions(SCENE[:n])) for n in (1, 2, 3)] == [1, 4, 9]


def test_no_caption_is_true_of_more_scenes_than_one_in_sixteen():
    scenes = make_scenes(4000, seed=2)
    objects = [scenes.objects(i) for i in range(4000)]
    share = dict.fromkeys(all_captions(), 0)
    for one in objects:
        for caption in true_captions(one):
            share[caption] += 1 / 4000
    spread = (BLIND * (1 - BLIND) / 4000) ** 0.5
    singles = [value for caption, value in share.items() if " and " not in caption]
    assert max(share.values()) in singles
    assert all(abs(value - BLIND) < 4 * spread for value in singles)
