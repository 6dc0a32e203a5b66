"""Generated scenes: what is drawn is what is said, chance is as the closed forms suppose, and refusals."""

from collections import Counter

import pytest
import torch

from dmbench.datasets.scenes import COUNTS, GAP, MARGIN, PLACES, draw, make_scenes, network_input
from dmbench.datasets.sort_of_clevr import COLOURS, RGB

MANY = make_scenes(3000, seed=5)


def test_every_object_of_a_scene_and_no_other_is_in_its_picture_where_it_is_said_to_be():
    scenes = make_scenes(40, seed=1)
    pictures = draw(scenes)
    white = torch.full((3,), 255, dtype=torch.uint8)
    for i in range(40):
        objects = scenes.objects(i)
        pixels = pictures[i].permute(1, 2, 0)
        seen = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()} - {(255, 255, 255)}
        assert seen == {RGB[COLOURS.index(one.colour)] for one in objects}
        for one in objects:
            its = (pixels == torch.tensor(RGB[COLOURS.index(one.colour)], dtype=torch.uint8)).all(-1)
            ys, xs = its.nonzero(as_tuple=True)
            assert (int(xs.min() + xs.max()), int(ys.min() + ys.max())) == (2 * one.x, 2 * one.y)
            assert int(its.sum()) == {"rectangle": 49, "circle": 29}[one.shape]
            vertical, horizontal = one.place.split()
            assert (vertical == "bottom") == (one.y > 15.5)
            assert (horizontal == "right") == (one.x > 15.5)
    assert bool((pictures[:, :, 0, 0] == white).all())  # radius 3 leaves a corner white unless an object is in it


def test_objects_are_apart_not_level_and_off_the_middle():
    for i in range(200):
        objects = MANY.objects(i)
        assert len({one.colour for one in objects}) == len(objects) in COUNTS
        for k, one in enumerate(objects):
            assert min(abs(one.x - 15.5), abs(one.y - 15.5)) >= MARGIN
            for other in objects[:k]:
                dx, dy = abs(one.x - other.x), abs(one.y - other.y)
                assert min(dx, dy) >= GAP
                assert max(dx, dy) > 7


@pytest.mark.parametrize(
    ("chances", "seen"),
    [
        (dict.fromkeys(COUNTS, 1 / 3), lambda objects: [len(objects)]),
        (dict.fromkeys(COLOURS, 1 / 6), lambda objects: [one.colour for one in objects]),
        ({"rectangle": 1 / 2, "circle": 1 / 2}, lambda objects: [one.shape for one in objects]),
        (dict.fromkeys(PLACES, 1 / 4), lambda objects: [one.place for one in objects]),
    ],
)
def test_counts_colours_shapes_and_quarters_are_as_likely(chances, seen):
    drawn = Counter(value for i in range(3000) for value in seen(MANY.objects(i)))
    total = sum(drawn.values())
    assert set(drawn) == set(chances)
    for value, chance in chances.items():
        assert abs(drawn[value] / total - chance) < 4 * (chance * (1 - chance) / 3000) ** 0.5


def test_a_seed_gives_the_same_scenes_again_and_another_seed_others():
    again, other = make_scenes(50, seed=5), make_scenes(50, seed=6)
    assert torch.equal(draw(make_scenes(50, seed=5)), draw(again))
    assert not torch.equal(draw(again), draw(other))


def test_white_is_zero_to_a_network_and_black_one():
    assert network_input(torch.tensor([255, 0, 51], dtype=torch.uint8)).tolist() == pytest.approx([0, 1, 0.8])


@pytest.mark.parametrize(("count", "options"), [(0, {}), (1, {"radius": 0}), (1, {"size": 6}), (-1, {})])
def test_what_cannot_be_drawn_is_refused(count, options):
    with pytest.raises(ValueError, match="need count and radius of at least 1, and room"):
        make_scenes(count, 0, **options)


def test_a_size_that_objects_hardly_fit_in_is_refused():
    with pytest.raises(ValueError, match="4 objects of radius 3 hardly fit into 14 pixels: take a larger size"):
        make_scenes(1, 0, size=14)
