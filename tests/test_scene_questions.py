"""Questions about scenes: answers against the pixels, the closed forms of the docstring against counts and sums."""

from collections import Counter, defaultdict
from fractions import Fraction
from math import comb

import pytest
import torch

from dmbench.datasets.scene_questions import (
    ANSWERS,
    BLIND,
    BLIND_BY_TYPE,
    KIND_PRIOR,
    KINDS,
    PRIOR,
    RELATIONS,
    all_words,
    ask,
    count,
    exists,
    extreme,
    related,
)
from dmbench.datasets.scenes import COUNTS, Object, draw, make_scenes
from dmbench.datasets.sort_of_clevr import COLOURS, RGB

SCENE = [
    Object("red", "circle", 5, 6, "top left"),
    Object("orange", "rectangle", 20, 25, "bottom right"),
    Object("blue", "circle", 10, 21, "bottom left"),
]
DRAWN = 12_000


@pytest.fixture(scope="module")
def drawn():
    scenes = make_scenes(DRAWN, seed=8)
    chance = torch.Generator().manual_seed(8)
    return [ask(scenes.objects(i), chance) for i in range(DRAWN)]


def from_pixels(words, picture):
    """Answer a question by looking at the picture."""
    seen = {}
    for colour, rgb in zip(COLOURS, RGB, strict=True):
        ys, xs = (picture == torch.tensor(rgb, dtype=torch.uint8)[:, None, None]).all(0).nonzero(as_tuple=True)
        if len(xs):
            seen[colour] = (
                float(xs.float().mean()),
                float(ys.float().mean()),
                "circle" if len(xs) < 40 else "rectangle",
            )
    w = words.split()
    if words.startswith("is there"):
        return "yes" if w[3] in seen and seen[w[3]][2] == w[4] else "no"
    if words.startswith("how many"):
        return str(sum(w[2] == "objects" or shape + "s" == w[2] for _, _, shape in seen.values()))
    if words.startswith("what shape"):
        return seen[w[4]][2]
    if words.startswith("what colour"):
        axis, sign = {"leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "bottommost": (1, -1)}[w[4]]
        return min(seen, key=lambda colour: sign * seen[colour][axis])
    one, other = seen[w[2]], seen[w[-2]]
    true = {
        "left": one[0] < other[0],
        "right": one[0] > other[0],
        "above": one[1] < other[1],
        "below": one[1] > other[1],
    }
    return "yes" if next(true[word] for word in true if word in w) else "no"


def test_answers_are_what_the_pixels_show():
    scenes = make_scenes(60, seed=9)
    chance = torch.Generator().manual_seed(1)
    kinds = Counter()
    for i, picture in enumerate(draw(scenes)):
        for _ in range(6):
            question = ask(scenes.objects(i), chance)
            assert from_pixels(question.words, picture) == question.answer, question
            assert question.answer in ANSWERS
            kinds[question.kind] += 1
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize(
    ("question", "words", "answer"),
    [
        (exists(SCENE, "red", "circle"), "is there a red circle", "yes"),
        (exists(SCENE, "red", "rectangle"), "is there a red rectangle", "no"),
        (exists(SCENE, "orange", "circle"), "is there an orange circle", "no"),
        (related(SCENE[0], "above", SCENE[2]), "is the red object above the blue object", "yes"),
        (related(SCENE[2], "to the left of", SCENE[0]), "is the blue object to the left of the red object", "no"),
        (count(SCENE, "object"), "how many objects are there", "3"),
        (count(SCENE, "circle"), "how many circles are there", "2"),
        (extreme(SCENE, "leftmost"), "what colour is the leftmost object", "red"),
        (extreme(SCENE, "bottommost"), "what colour is the bottommost object", "orange"),
    ],
)
def test_questions_by_hand(question, words, answer):
    assert (question.words, question.answer) == (words, answer)


def test_a_relation_and_its_opposite_have_opposite_answers():
    for one, opposite in (RELATIONS[:2], RELATIONS[2:]):
        for other in SCENE[1:]:
            assert {related(SCENE[0], one, other).answer, related(SCENE[0], opposite, other).answer} == {"yes", "no"}


def test_the_best_blind_answers_by_sums_over_the_counts():
    third = Fraction(1, 3)
    of_a_shape = {k: sum(third * Fraction(comb(n, k), 2**n) for n in COUNTS) for k in range(5)}
    objects = dict.fromkeys(COUNTS, third)
    there = sum(third * Fraction(n, 6) / 2 for n in COUNTS)
    by_kind = {
        "exists": (1 + there) / 2,
        "relation": Fraction(1, 2),
        "count": third * max(objects.values()) + 2 * third * max(of_a_shape.values()),
        "shape": Fraction(1, 2),
        "extreme": Fraction(1, 6),
    }
    assert sum(by_kind.values()) / 5 == BLIND
    assert {
        t: sum(v for k, v in by_kind.items() if KINDS[k] == t) / sum(x == t for x in KINDS.values())
        for t in BLIND_BY_TYPE
    } == BLIND_BY_TYPE
    assert (by_kind["exists"] + by_kind["relation"]) / 5 == PRIOR
    together = {k: third * objects.get(k, 0) + 2 * third * of_a_shape[k] for k in range(5)}
    assert (sum(by_kind.values()) - by_kind["count"] + max(together.values())) / 5 == KIND_PRIOR


def test_questions_are_drawn_by_those_chances(drawn):
    def near(found, chance, total):
        return abs(found / total - float(chance)) < 4 * (float(chance) * (1 - float(chance)) / total) ** 0.5

    answers = Counter(question.answer for question in drawn)
    assert answers.most_common(1)[0][0] == "yes"
    assert near(answers["yes"], PRIOR, DRAWN)
    kinds = defaultdict(Counter)
    for question in drawn:
        kinds[question.kind][question.answer] += 1
    assert all(near(sum(kinds[kind].values()), 1 / 5, DRAWN) for kind in KINDS)
    best = {kind: found.most_common(1)[0] for kind, found in kinds.items()}
    assert best["count"][0] == "2"
    assert best["exists"][0] == "yes"
    # The larger of equally likely counts is a little more than its chance.
    assert near(sum(number for _, number in best.values()), float(KIND_PRIOR) + 0.006, DRAWN)


def test_all_questions_that_are_drawn_are_among_those_that_can_be(drawn):
    assert len(set(all_words())) == len(all_words()) == 145
    assert {question.words for question in drawn} == set(all_words())


def test_the_same_generator_state_asks_the_same():
    asked = [[ask(SCENE, g) for _ in range(20)] for g in (torch.Generator().manual_seed(3) for _ in range(2))]
    assert asked[0] == asked[1]
