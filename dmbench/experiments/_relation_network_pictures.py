"""Figures of relation networks: questions about scenes with answers, what counting alone scores, stories of bAbI.

The scenes' network is that of `_relation_states`; the stories' is left by `dmbench run relation_network --number
babi_qa1`.
Stories and scenes are generated where they are drawn, with a seed that no training has.
"""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from safetensors import safe_open

from dmbench.datasets.babi import Story, Vocabulary, encode
from dmbench.datasets.babi_tasks import generate_babi
from dmbench.datasets.babi_worlds.people import PEOPLE
from dmbench.datasets.sort_of_clevr import (
    ANSWERS,
    SUBTYPES,
    Questions,
    answer,
    draw,
    in_words,
    make_scenes,
    states,
)
from dmbench.datasets.sort_of_clevr import encode as encode_questions
from dmbench.experiments import _relation_states
from dmbench.experiments._relation_floors import FLOORS
from dmbench.experiments._relation_training import TEST_SEED
from dmbench.harness.artifacts import Store
from dmbench.harness.experiment import Context, picture
from dmbench.harness.report_pictures import Drawing
from dmbench.models.relation_network import StoryRelationNetwork

SHOWN = 4  # scenes, and stories
RIGHT, WRONG, INK = "#2ca02c", "#d62728", "#222222"
COLOURS = dict(zip(SUBTYPES, ("#9ecae1", "#6baed6", "#3182bd", "#d62728", "#ff7f0e", "#756bb1"), strict=True))


def show(folder: Path, seed: str = "1") -> list[Path]:
    """Draw scenes with questions and answers, and the network's learning curve by subtype.

    seed: of the scenes and the questions, a whole number.

    Returns: scenes.png and subtypes.png.

    Raises: ValueError: seed is no whole number. OSError: the folder cannot be written.
    """
    ctx = Drawing("relation_network", {"relation_states": Store.from_environment().files("relation_states")})
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"scenes.png": asked(ctx, int(seed)), "subtypes.png": subtypes(ctx)}
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120)
    return [folder / name for name in figures]


@picture("relation_states")
def scenes(ctx: Context) -> Figure:
    """Sort-of-CLEVR: questions about scenes and what a small relation network answers from the objects' states.

    Green is right. Which object is closest or furthest is what it learns last.
    """
    return asked(ctx, 1)


def asked(ctx: Context, seed: int) -> Figure:
    """Draw scenes that no network was trained on, with a question of each subtype, answered."""
    net, _ = _relation_states.read(_only(ctx, "relation_states"))
    some = make_scenes(SHOWN, TEST_SEED + seed)
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(6, (SHOWN, len(SUBTYPES)), generator=generator)
    questions = Questions(colours, torch.arange(len(SUBTYPES)).expand(SHOWN, -1))
    truth, bits = answer(some, questions), encode_questions(questions)
    objects = states(some)
    figure = Figure(figsize=(4.1 * SHOWN, 5.6), layout="constrained")
    grid: Any = figure.subplots(2, SHOWN, height_ratios=(1.15, 1), squeeze=False)
    for n, image in enumerate(draw(some)):
        grid[0, n].imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
        grid[0, n].set(xticks=[], yticks=[])
        with torch.no_grad():
            sure = net(objects[n].expand(len(SUBTYPES), -1, -1), bits[n]).softmax(1).max(1)
        grid[1, n].axis("off")
        for row in range(len(SUBTYPES)):
            said, right = ANSWERS[sure.indices[row]], bool(sure.indices[row] == truth[n, row])
            text = f"{said}, {100 * float(sure.values[row]):.0f} %"
            text += "" if right else f"  (it is {ANSWERS[truth[n, row]]})"
            y, colour = 0.97 - row / len(SUBTYPES), RIGHT if right else WRONG
            grid[1, n].text(0, y, in_words(int(colours[n, row]), row), color=INK, fontsize=8.5, va="top")
            grid[1, n].text(0.03, y - 0.07, text, color=colour, fontsize=9.5, va="top", weight="bold")
    return figure


@picture("relation_states")
def subtypes(ctx: Context) -> Figure:
    """How a small relation network learns sort-of-CLEVR from states, by subtype of question.

    Dashed: what who counts shapes but knows no distance scores on the closest and the furthest object. Four fifths of
    the relational questions are right before any distance is learnt, hence each subtype is judged by itself.
    """
    _, curve = _relation_states.read(_only(ctx, "relation_states"))
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axes = figure.subplots()
    for name in SUBTYPES:
        axes.plot([p["update"] for p in curve], [p[name] for p in curve], color=COLOURS[name], lw=1.8, label=name)
    relational = [sum(p[name] for name in SUBTYPES[3:]) / 3 for p in curve]
    axes.plot([p["update"] for p in curve], relational, color=INK, lw=1.2, ls=":", label="relational, mean")
    axes.axhline(FLOORS["closest"], color=INK, lw=0.8, ls="--")
    floor = f"majority of shapes, {FLOORS['closest']:g} %"
    axes.text(curve[-1]["update"], FLOORS["closest"] - 0.7, floor, ha="right", va="top", fontsize=8)
    axes.set(xlabel="updates", ylabel="% of test questions right", ylim=(None, 101))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@picture("relation_qa1")
def stories(ctx: Context) -> Figure:
    """bAbI, task 1: generated stories and what a relation network, trained on the published file, answers.

    Behind each sentence a bar: how far the answer's probability falls when the sentence is left out.
    """
    net, vocabulary = read_stories(_only(ctx, "relation_qa1"))
    chosen = generate_babi(1, 5 * SHOWN, TEST_SEED + 1)[3::5]  # the fourth question of each
    figure = Figure(figsize=(4.1 * SHOWN, 3.6), layout="constrained")
    for axes, story in zip(figure.subplots(1, SHOWN), chosen, strict=True):
        _tell(axes, net, vocabulary, story)
    return figure


def _tell(axes: Any, net: StoryRelationNetwork, vocabulary: Vocabulary, story: Story) -> None:
    answers = list(vocabulary.answers)
    sure = _probabilities(net, vocabulary, story)
    said = int(sure.argmax())
    axes.axis("off")
    rows = len(story.facts) + 2
    for row, fact in enumerate(story.facts):
        left = story._replace(facts=story.facts[:row] + story.facts[row + 1 :])
        fall = max(0.0, float(sure[said] - _probabilities(net, vocabulary, left)[said]))
        y = 1 - (row + 0.5) / rows
        axes.barh(y, fall, height=0.7 / rows, color="#fdae6b")
        axes.text(0.01, y, _sentence(fact) + ".", fontsize=9, va="center", color=INK)
    right = answers[said] == story.answer
    question = _sentence(story.question) + "?"
    axes.text(0.01, 1.2 / rows, question, fontsize=10, va="center", weight="bold", color=INK)
    told = f"{answers[said]}, {100 * float(sure[said]):.1f} %" + ("" if right else f"  (it is {story.answer})")
    axes.text(0.01, 0.4 / rows, told, fontsize=10, va="center", weight="bold", color=RIGHT if right else WRONG)
    axes.set(xlim=(0, 1.05), ylim=(0, 1))


def _sentence(words: tuple[str, ...]) -> str:
    first, *rest = (word.capitalize() if word.capitalize() in PEOPLE else word for word in words)
    return " ".join((first.capitalize(), *rest))


@torch.no_grad()
def _probabilities(net: StoryRelationNetwork, vocabulary: Vocabulary, story: Story) -> torch.Tensor:
    encoded = encode([story._replace(supports=())], vocabulary)
    return net(encoded.facts, encoded.questions).softmax(1)[0]  # type: ignore[no-any-return]


def read_stories(path: Path) -> tuple[StoryRelationNetwork, Vocabulary]:
    """Read the network that a training on stories kept, and its vocabulary.

    Raises: ValueError: a damaged file, or another network's.
    """
    try:
        with safe_open(path, "pt") as content:
            told = content.metadata()
            words, answers = told["words"].split(), told["answers"].split()
            net = StoryRelationNetwork(len(words), len(answers))
            net.load_state_dict({name: content.get_tensor(name).float() for name in content.keys()})  # noqa: SIM118
    except Exception as error:  # safetensors has its own, torch says RuntimeError
        raise ValueError(f"{path}: damaged, or no network of stories ({str(error)[:80]})") from error
    vocabulary = Vocabulary(
        {word: number for number, word in enumerate(words, 1)}, {word: number for number, word in enumerate(answers)}
    )
    return net.eval(), vocabulary


def _only(ctx: Context, artifact: str) -> Path:
    (path,) = ctx.files(artifact).values()
    return path
