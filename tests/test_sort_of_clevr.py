"""sort_of_clevr: answers by loops over objects, pictures pixel by pixel, chance, limits, errors."""

from math import hypot

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmbench.datasets.sort_of_clevr import (
    ANSWERS,
    COLOURS,
    QUESTION,
    RGB,
    SHAPES,
    STATE,
    SUBTYPES,
    Questions,
    Scenes,
    answer,
    ask,
    ask_all,
    draw,
    encode,
    in_words,
    make_scenes,
    states,
)


def solve(scenes, n, colour, subtype):
    """Answer one question by loops, as a word."""
    objects = [
        (tuple(scenes.centres[n, k].tolist()), COLOURS[scenes.colours[n, k]], SHAPES[scenes.shapes[n, k]])
        for k in range(6)
    ]
    centre, _, shape = asked = next(o for o in objects if o[1] == colour)
    others = sorted((hypot(o[0][0] - centre[0], o[0][1] - centre[1]), o[2]) for o in objects if o is not asked)
    return {
        "shape": shape,
        "left": "yes" if centre[0] + 0.5 < scenes.size / 2 else "no",
        "top": "yes" if centre[1] + 0.5 < scenes.size / 2 else "no",
        "closest": others[0][1],
        "furthest": others[-1][1],
        "count": str(sum(o[2] == shape for o in objects)),
    }[subtype]


@given(st.integers(0, 10**6), st.integers(40, 90))
@settings(max_examples=30, deadline=None)
def test_answers_are_those_of_loops_over_objects(seed, size):
    scenes = make_scenes(2, seed, size=size)
    questions = ask_all(2)
    found = answer(scenes, questions)
    for n in range(2):
        for colour, subtype, number in zip(*(t[n].tolist() for t in (*questions, found)), strict=True):
            assert ANSWERS[number] == solve(scenes, n, COLOURS[colour], SUBTYPES[subtype])


def test_a_scene_by_hand():
    #  red square top left, green circle beside it, blue square bottom right, orange circle beside that, two in between
    centres = torch.tensor([[[6, 6], [20, 6], [68, 68], [54, 68], [30, 44], [44, 30]]])
    scenes = Scenes(centres, torch.arange(6)[None], torch.tensor([[0, 1, 0, 1, 0, 1]]), 75, 5)
    words = [
        ("red", "shape", "rectangle"),
        ("green", "left", "yes"),
        ("blue", "left", "no"),
        ("blue", "top", "no"),
        ("red", "top", "yes"),
        ("gray", "left", "yes"),
        ("gray", "top", "no"),
        ("red", "closest", "circle"),
        ("green", "closest", "rectangle"),
        ("red", "furthest", "rectangle"),
        ("green", "furthest", "rectangle"),
        ("orange", "furthest", "rectangle"),
        ("red", "count", "3"),
    ]
    questions = Questions(
        torch.tensor([[COLOURS.index(w[0]) for w in words]]), torch.tensor([[SUBTYPES.index(w[1]) for w in words]])
    )
    assert [ANSWERS[a] for a in answer(scenes, questions)[0]] == [w[2] for w in words]


@pytest.mark.parametrize("size", [30, 45])
def test_pictures_are_the_objects_pixel_by_pixel(size):
    scenes = make_scenes(2, 0, size=size)
    images = draw(scenes)
    for n in range(2):
        expected = torch.full((3, size, size), 255, dtype=torch.uint8)
        for (cx, cy), colour, shape in zip(
            scenes.centres[n].tolist(), scenes.colours[n], scenes.shapes[n], strict=True
        ):
            for y in range(size):
                for x in range(size):
                    inside = max(abs(x - cx), abs(y - cy)) <= scenes.radius
                    if SHAPES[shape] == "circle":
                        inside = (x - cx) ** 2 + (y - cy) ** 2 <= scenes.radius**2
                    if inside:
                        expected[:, y, x] = torch.tensor(RGB[colour])
        torch.testing.assert_close(images[n], expected, rtol=0, atol=0)


def test_states_and_encoded_questions_say_what_they_are():
    scenes, questions = make_scenes(3, 1), ask(3, 1)
    described, encoded = states(scenes), encode(questions)
    assert described.shape == (3, 6, STATE)
    assert encoded.shape == (3, 20, QUESTION)
    torch.testing.assert_close((described[..., :2] + 1) * 75 / 2 - 0.5, scenes.centres.float(), rtol=0, atol=1e-4)
    assert described[..., 2:8].argmax(-1).tolist() == scenes.colours.tolist()
    assert described[..., 8:].argmax(-1).tolist() == scenes.shapes.tolist()
    assert (described[..., 2:].sum(-1) == 2).all()
    assert (encoded.sum(-1) == 3).all()
    assert encoded[..., :6].argmax(-1).tolist() == questions.colours.tolist()
    assert (3 * encoded[..., 6:8].argmax(-1) + encoded[..., 8:].argmax(-1)).tolist() == questions.subtypes.tolist()
    assert (encoded[:, :10, 7] == 0).all()
    assert (encoded[:, 10:, 7] == 1).all()


def test_objects_have_all_colours_and_lie_apart_inside_and_off_the_middle():
    scenes = make_scenes(500, 2)
    assert (scenes.colours.sort(1).values == torch.arange(6)).all()
    assert scenes.centres.min() == 5
    assert scenes.centres.max() == 69
    assert (scenes.centres != 37).all()
    apart = (scenes.centres[:, :, None] - scenes.centres[:, None]).abs().amax(-1)
    assert apart[:, ~torch.eye(6, dtype=torch.bool)].min() == 12


def test_chances_are_what_they_should_be():
    count = 5000
    scenes = make_scenes(count, 3)
    found = answer(scenes, ask_all(count)).view(count, 6, 6)[:, :, 0]  # of the red object
    share = [(found[:, subtype, None] == torch.arange(10)).double().mean(0).tolist() for subtype in range(6)]
    five = 5 * (0.25 / count) ** 0.5  # standard errors
    for subtype, answers in enumerate([(2, 3), (0, 1), (0, 1), (2, 3), (2, 3)]):
        assert all(abs(share[subtype][a] - 0.5) < five for a in answers)
    for number, ways in enumerate([1, 5, 10, 10, 5, 1], 4):
        assert abs(share[5][number] - ways / 32) < five


def test_the_same_seed_gives_the_same_and_another_one_another():
    for a, b in ((make_scenes(5, 0), make_scenes(5, 0)), (ask(5, 0), ask(5, 0))):
        torch.testing.assert_close(tuple(a), tuple(b), rtol=0, atol=0)
    assert (make_scenes(5, 0).centres != make_scenes(5, 1).centres).any()
    assert (ask(5, 0).colours != ask(5, 1).colours).any()


def test_no_scene_and_some_of_the_scenes():
    scenes = make_scenes(0, 0)
    assert draw(scenes).shape == (0, 3, 75, 75)
    assert answer(scenes, ask(0, 0)).shape == (0, 20)
    some = make_scenes(4, 0).take(torch.tensor([3, 1]))
    torch.testing.assert_close(draw(some), draw(make_scenes(4, 0))[[3, 1]], rtol=0, atol=0)


def test_questions_in_words():
    assert in_words(0, 1) == "Is the red object on the left?"
    assert len({in_words(c, s) for c in range(6) for s in range(6)}) == 36


@pytest.mark.parametrize(("count", "size", "radius"), [(-1, 75, 5), (1, 75, 0), (1, 9, 4)])
def test_impossible_scenes_are_refused(count, size, radius):
    with pytest.raises(ValueError, match=f"{count} of {radius} in {size} pixels"):
        make_scenes(count, 0, size=size, radius=radius)


def test_scenes_that_hardly_fit_are_refused_by_size(monkeypatch):
    monkeypatch.setattr("dmbench.datasets.sort_of_clevr.ROUNDS", 3)
    with pytest.raises(ValueError, match="radius 5 hardly fit into 30 pixels"):
        make_scenes(1, 0, size=30, radius=5)
