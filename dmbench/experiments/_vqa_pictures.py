"""Figures of visual question answering: scenes, questions, and what the three models answer."""

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from dmbench.datasets.scene_questions import ANSWERS, KINDS, Question, all_words, ask
from dmbench.datasets.words import Vocabulary
from dmbench.experiments._captioner_pictures import FALSE, TRUE, draw_scene
from dmbench.experiments._scaled_mnist_training import generator
from dmbench.experiments._scene_training import TEST_SEED, Eyes, Pictured, restore
from dmbench.experiments.vqa import SMALL
from dmbench.harness.artifacts import Store
from dmbench.harness.drawing import picture
from dmbench.harness.experiment import Context
from dmbench.harness.report_pictures import Drawing
from dmbench.models.parts.scene_cnn import FEATURES, scene_cnn
from dmbench.models.vqa import VQA

ARTIFACT = "scene_vqa"
SHOWN, EACH = 4, 5  # scenes, and questions about each: one of every kind
PRIOR = "yes"


def show(folder: Path, seed: str = "") -> list[Path]:
    """Ask about drawn scenes, and draw what the kept networks answer.

    seed: of the scenes and questions, a whole number; without it those of the test set.

    Returns: answers.png.

    Raises: ValueError: the seed is no whole number. OSError: the folder cannot be written.
    """
    scenes = int(seed) if seed else TEST_SEED
    found = {ARTIFACT: Store.from_environment().files(ARTIFACT)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "answers.png"
    answered(Drawing("vqa", found), scenes).savefig(path, dpi=150)
    return [path]


@picture(ARTIFACT)
def answers_about_scenes(ctx: Context) -> Figure:
    """Scenes of the test set, questions of each kind, and three answers: the prior, without and with the picture.

    The prior says yes to everything; the second reads the question alone; the third sees the scene too. Green is right.
    """
    return answered(ctx, TEST_SEED)


def answered(ctx: Context, seed: int) -> Figure:
    """Draw the first scenes of a seed with questions and the three models' answers."""
    data = Pictured(SHOWN, seed)
    chance = generator(seed, "shown")
    questions = [[_of(kind, data.objects[i], chance) for kind in KINDS] for i in range(SHOWN)]
    said = replies(ctx, data, questions)
    figure = Figure(figsize=(11, 8), layout="constrained")
    grid: Any = figure.subplots(SHOWN, 2, width_ratios=(1, 4.2))
    for row, (axes, text) in enumerate(grid):
        draw_scene(axes, data.pixels[row])
        text.axis("off")
        heads = zip((0.58, 0.72, 0.88), ("prior", "question only", "with picture"), strict=True)
        for x, head in heads:
            text.text(x, 1.0, head, fontsize=9, color="#666666", va="top")
        for line, question in enumerate(questions[row]):
            y = 0.84 - 0.18 * line
            text.text(0, y, f"{question.words}?", fontsize=10, va="top")
            for x, answer in zip((0.58, 0.72, 0.88), (PRIOR, *said[row][line]), strict=True):
                text.text(x, y, answer, fontsize=10, va="top", color=TRUE if answer == question.answer else FALSE)
    return figure


def _of(kind: str, objects: Any, chance: torch.Generator) -> Question:
    while True:
        question = ask(objects, chance)
        if question.kind == kind:
            return question


@torch.no_grad()
def replies(ctx: Context, data: Pictured, questions: list[list[Question]]) -> list[list[tuple[str, str]]]:
    """Return by scene and question the answers of the network without and of that with the picture."""
    vocabulary = Vocabulary(all_words(), at_least=1)
    eyes = Eyes(scene_cnn())
    seeing, blind = (VQA(len(vocabulary), len(ANSWERS), features=f, **SMALL) for f in (FEATURES, 0))
    files = ctx.files(ARTIFACT)
    for name, path in files.items():
        restore(path, net=blind) if "question" in name else restore(path, eyes=eyes, net=seeing)
    given = eyes(data, ctx.device)
    found = []
    for scene, asked in enumerate(questions):
        symbols, lengths = vocabulary.batch([question.words for question in asked], strict=True)
        words, lengths = symbols[:, 1:], lengths - 2
        both = blind(words, lengths), seeing(words, lengths, given[scene].expand(len(asked), -1))
        found.append([(ANSWERS[a], ANSWERS[b]) for a, b in zip(*(s.argmax(1).tolist() for s in both), strict=True)])
    return found
