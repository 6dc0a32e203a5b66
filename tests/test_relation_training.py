"""Training of relation networks at tiny size: killed and resumed, scores by hand, floors, recipes for a GPU."""

import copy

import pytest
import torch
from torch import nn

from dmbench import check
from dmbench.datasets.babi import TASKS, Vocabulary, encode
from dmbench.datasets.babi_tasks import generate_babi, write_babi
from dmbench.datasets.sort_of_clevr import SUBTYPES, ask_all, make_scenes
from dmbench.experiments import relation_network as stem
from dmbench.experiments._relation_floors import majority
from dmbench.experiments._relation_training import (
    Asked,
    Recipe,
    by_subtype,
    passed,
    right,
    train_on_scenes,
    train_on_stories,
)
from dmbench.harness.errors import ContractError
from dmbench.models.relation_network import (
    PixelPerceptron,
    PixelRelationNetwork,
    RelationNetwork,
    StoryRelationNetwork,
)

from .test_sort_of_clevr import solve

TINY = Recipe(updates=6, batch=4, evaluate_every=3, save_every=2, warm=2, clip=1.0)
KERNELS = {"kernels": (3, 3, 3, 3), "g": (6,), "f": (5,)}


class Killed(Exception):
    """Stands for a kill."""


class Context:
    """As much of a context as training needs; the run is killed at its checkpoint of this number."""

    device, seed = torch.device("cpu"), 3

    def __init__(self, state=None, killed_at=None):
        self.state, self.killed_at, self.saves = state, killed_at, 0
        self.points, self.settings, self.kept = [], {}, {}

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.state, self.saves = copy.deepcopy(state), self.saves + 1
        if self.saves == self.killed_at:
            raise Killed
        return True

    def point(self, **values):
        self.points.append(values)

    def note(self, **settings):
        self.settings |= settings

    def keep(self, name, content):
        self.kept[name] = content

    def progress(self, done, total):
        pass

    def subject(self, name):
        return {"stories": tiny_stories}[name]


def tiny_stories(words, answers):
    return StoryRelationNetwork(words, answers, units=4, g=(6,), f=(5,))


def on_stories(ctx):
    torch.manual_seed(0)
    train, test = ({task: generate_babi(task, 20, seed) for task in (1, 3)} for seed in (0, 1))
    net, _, found = train_on_stories(ctx, TINY, tiny_stories, train, test)
    return net, found


def on_pixels(ctx):
    torch.manual_seed(0)
    net = PixelRelationNetwork(**KERNELS)
    return net, train_on_scenes(ctx, TINY, net, pixels=True, scenes=5, tests=2, size=45)


def on_states(ctx):
    torch.manual_seed(0)
    net = RelationNetwork(10, 11, g=(6,), f=(5,), outputs=10)
    return net, train_on_scenes(ctx, TINY, net, pixels=False, scenes=5, tests=2, size=45)


@pytest.mark.parametrize("train", [on_stories, on_pixels, on_states])
def test_a_killed_training_ends_as_one_that_was_not(train):
    whole, first = Context(), Context(killed_at=2)
    wanted, found = train(whole)
    with pytest.raises(Killed):
        train(first)
    again, found_again = train(Context(first.state))
    torch.testing.assert_close(again.state_dict(), wanted.state_dict(), rtol=0, atol=0)
    assert found_again == found
    assert not wanted.training
    assert [point["update"] for point in whole.points] == [3, 6]
    assert set(found) == ({1, 3} if train is on_stories else set(SUBTYPES))
    told = {"tasks_passed": 0, "mean_right": sum(found.values()) / 2} if train is on_stories else found
    assert whole.points[-1].items() >= told.items()


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    stories = {1: generate_babi(1, 10, 0)}
    ctx = Context()
    recipe = Recipe(updates=120, batch=10, rate=1e-2, evaluate_every=20, save_every=200)
    train_on_stories(ctx, recipe, tiny_stories, stories, stories)
    assert ctx.points[-1]["train_loss"] < 0.7 * ctx.points[0]["train_loss"]
    assert ctx.points[-1]["right_qa1"] > ctx.points[0]["right_qa1"]


def test_the_rate_rises_then_holds_then_falls_to_zero():
    recipe = Recipe(updates=100, rate=2.0, warm=4)
    assert [recipe.at(update) for update in (0, 1, 4, 50)] == pytest.approx([0.4, 0.8, 2, 2])
    assert [recipe.at(update) for update in (75, 99)] == pytest.approx([1, 0.04])


class Knows(nn.Module):
    """Answers what it is given by the number of the question asked, in order."""

    def __init__(self, answers, classes):
        super().__init__()
        self.answers, self.classes, self.place = answers, classes, 0

    def forward(self, inputs, questions):
        some = self.answers[self.place : self.place + len(questions)]
        self.place += len(questions)
        return torch.nn.functional.one_hot(some, self.classes).float()


def test_scores_are_shares_of_right_answers_by_subtype():
    asked = Asked(make_scenes(10, 0), ask_all(10), False, torch.device("cpu"))
    given = asked.answers.clone()
    given[:, :6] = (given[:, :6] + 1) % 10  # all of "shape" wrong
    given[:5, 18:24] = (given[:5, 18:24] + 1) % 10  # a half of "closest"
    found = by_subtype(Knows(given.flatten(), 10), asked)
    assert found == {"shape": 0, "left": 100, "top": 100, "closest": 50, "furthest": 100, "count": 100}


def test_stories_right_are_counted_over_all():
    stories = generate_babi(1, 300, 0)
    encoded = encode(stories, Vocabulary.of(stories))
    given = encoded.answers.clone()
    given[::3] = (given[::3] + 1) % 6
    assert right(Knows(given, 6), encoded) == pytest.approx(100 * 2 / 3)


def test_a_task_is_passed_above_95_percent():
    assert passed({1: 95.0, 2: 95.1, 3: 0.0, 4: 100.0}) == 2


def test_the_majority_is_that_of_the_other_five():
    scenes, questions = make_scenes(3, 0), ask_all(3)
    found = majority(scenes, questions)
    words = ("yes", "no", "rectangle", "circle", "1", "2", "3", "4", "5", "6")
    colours = ("red", "green", "blue", "orange", "gray", "yellow")
    for n in range(3):
        for place in range(36):
            colour, subtype = colours[int(questions.colours[n, place])], SUBTYPES[int(questions.subtypes[n, place])]
            if subtype not in ("closest", "furthest"):
                assert words[found[n, place]] == solve(scenes, n, colour, subtype)
                continue
            others = [int(s) for c, s in zip(scenes.colours[n], scenes.shapes[n], strict=True) if colours[c] != colour]
            assert words[found[n, place]] == ("circle" if sum(others) >= 3 else "rectangle")


def test_recipes_for_a_gpu_run_at_tiny_size(monkeypatch, tmp_path):
    for name, value in {"JOINT": TINY, "PIXELS": TINY, "QUESTIONS": 10, "SCENES": 3, "TEST_SCENES": 2}.items():
        monkeypatch.setattr(stem, name, value)
    monkeypatch.setattr(stem, "PixelRelationNetwork", lambda: PixelRelationNetwork(**KERNELS))
    monkeypatch.setattr(stem, "PixelPerceptron", lambda: PixelPerceptron(**KERNELS))
    ctx = Context()
    assert 0 <= stem.babi_generated(ctx)["babi_tasks_passed"] <= 20
    assert {f"right_qa{task}" for task in TASKS} <= set(ctx.settings)
    assert set(stem.pixels(Context())) == {f"pixels_{name}" for name in SUBTYPES}
    assert len(stem.pixels_mlp(Context())) == 3
    for task, name in TASKS.items():
        for part in ("train", "test"):
            text = "\n".join(write_babi(task, 10, seed=len(part)))
            (tmp_path / f"qa{task}_{name}_{part}.txt").write_text(text)
    monkeypatch.setenv("DMBENCH_BABI", str(tmp_path))
    assert len(stem.babi_published(Context())) == 4


def test_only_what_keeps_the_contract_is_measured():
    assert check("relation_network", numbers="babi_pairs", relation=RelationNetwork)
    with pytest.raises(ContractError, match=r"logits of shape \(2, 6\), not \(2, 7\)"):
        stem.check_relation(lambda *sizes, **options: RelationNetwork(*sizes, **options | {"outputs": 6}))
    with pytest.raises(ContractError, match="has parameters"):
        stem.check_relation(lambda *sizes, **options: RelationNetwork(*sizes, **options | {"f": (7,)}))
    with pytest.raises(ContractError, match=r"logits of shape \(2, 4\), not \(2, 3\)"):
        stem.check_stories(lambda words, answers: StoryRelationNetwork(words, answers + 1))
