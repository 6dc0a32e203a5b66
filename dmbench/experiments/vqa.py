"""Visual question answering: its counts, its metric, and generated scenes asked about with and without the picture."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets import vqa_v1
from dmbench.datasets.scene_questions import ANSWERS, BLIND, KIND_PRIOR, KINDS, PRIOR, Question, all_words, ask
from dmbench.datasets.scenes import make_scenes
from dmbench.datasets.words import Batch, Vocabulary
from dmbench.experiments._scaled_mnist_training import generator
from dmbench.experiments._scene_training import TEST_SEED, Eyes, Pictured, Recipe, keep, seen, split, train
from dmbench.harness.errors import ContractError, UsageError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.metrics.vqa_accuracy import PEOPLE, accuracies, vqa_accuracy
from dmbench.models.vqa import VQA, most_popular

RECIPE = Recipe(updates=1200, batch=256, rate=5e-3, test=2_000)
BLIND_RECIPE = Recipe(updates=200, batch=256, rate=5e-3, test=2_000)
SMALL: dict[str, Any] = {"embedding": 32, "hidden": 32, "common": 128, "mlp": (128,), "p": 0.0, "normalised": False}
PER_PICTURE = 3  # questions, as in VQA
FEW = 600  # test questions of a point of the curve
ASKED = 20_000  # questions of the closed forms
FREQUENT = 1000  # answers that the paper's models choose from
NEEDS = {"DMBENCH_VQA": f"a folder with {vqa_v1.WHAT}"}


def check_net(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it scores the answers, with pictures and without, whatever the padding holds."""
    words, lengths = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1])
    padded = torch.tensor([[1, 2, 3], [4, 5, 2]])
    for count in (5, 0):
        net = build(7, 3, features=count, **SMALL).eval()
        given = (torch.rand(2, count),) if count else ()
        with torch.no_grad():
            scores, same = net(words, lengths, *given), net(padded, lengths, *given)
        if not isinstance(scores, Tensor) or scores.shape != (2, 3):
            raise ContractError(f"returned scores {tuple(getattr(scores, 'shape', ()))}, not (2, 3)")
        if not torch.allclose(scores, same, atol=1e-6):
            raise ContractError("what stands behind the end of a question changes its scores")


NET = Subject(
    name="vqa",
    default=VQA,
    contract="f(words, answers, features=F, **sizes of VQA) builds a module; net(q, lengths, x) maps questions (B, T), "
    "padded, their lengths (B) and features (B, F), left out where F is 0, to scores (B, answers)",
    check=check_net,
)


@experiment("parameters", "parameters_script", "parameters_question", tier="quick", subjects=(NET,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters without the words' vectors: of the paper's sizes, of the authors' script, question only."""
    build = ctx.subject("vqa")
    with torch.device("meta"):
        nets = {
            "parameters": build(1, 1000),
            "parameters_script": build(1, 1000, embedding=200, mlp=()),
            "parameters_question": build(1, 1000, features=0),
        }
    return {key: sum(p.numel() for p in net.parameters()) - net.embedding.weight.numel() for key, net in nets.items()}


@experiment("difference_torch", tier="quick", subjects=(NET,))
def difference_torch(ctx: Context) -> dict[str, float]:
    """Compare scores of questions of unlike lengths, and all gradients, with the network with torch.nn.LSTM."""
    sizes = SMALL | {"features": 6}
    net = ctx.subject("vqa")(9, 4, **sizes).to(ctx.device).double()
    theirs = VQA(9, 4, layer=nn.LSTM, **sizes).to(ctx.device).double()
    theirs.load_state_dict(net.state_dict())
    words, lengths = torch.randint(9, (5, 6)).to(ctx.device), torch.tensor([6, 2, 4, 1, 6]).to(ctx.device)
    given, answers = torch.rand(5, 6).to(ctx.device).double(), torch.tensor([0, 1, 2, 3, 1]).to(ctx.device)
    found = []
    for one in (net, theirs):
        scores = one(words, lengths, given)
        loss = cross_entropy(scores, answers)
        found.append([scores.detach(), *torch.autograd.grad(loss, list(one.parameters()))])
    return {"difference_torch": max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*found, strict=True))}


@experiment("accuracy_cases", tier="quick")
def accuracy_cases(ctx: Context) -> dict[str, list[float]]:
    """Score an answer that none, 1, 2, 3, 4 and all of ten people gave."""
    cases = (["yes"] * n + ["no"] * (PEOPLE - n) for n in (0, 1, 2, 3, 4, PEOPLE))
    return {"accuracy_cases": [vqa_accuracy("yes", people) for people in cases]}


@experiment("prior_yes", "prior_kind", tier="quick")
def priors(ctx: Context) -> dict[str, float]:
    """Answer 20,000 generated questions by the most popular answer, of all and of the kind, of others; %."""
    ctx.note(questions=ASKED, closed_yes=100 * float(PRIOR), closed_kind=100 * float(KIND_PRIOR))
    known, asked = (_drawn(ASKED, seed) for seed in (1, 2))
    answers = [question.answer for question in known]
    of_all = most_popular(answers)
    of_kind = most_popular(answers, [question.kind for question in known])
    return {
        "prior_yes": scored([of_all[""]] * ASKED, asked)["all"],
        "prior_kind": scored([of_kind[question.kind] for question in asked], asked)["all"],
    }


def _drawn(count: int, seed: int) -> list[Question]:
    scenes, chance = make_scenes(count, seed), generator(seed, "questions")
    return [ask(scenes.objects(i), chance) for i in range(count)]


def scored(answers: list[str], questions: list[Question]) -> dict[str, float]:
    """Return VQA accuracy, %, of all questions, by type of answer and by kind; ten people give the true answer."""
    people = [[question.answer] * PEOPLE for question in questions]
    by_type = accuracies(answers, people, [question.type for question in questions])
    return by_type | accuracies(answers, people, [question.kind for question in questions])


class Asked(NamedTuple):
    """Questions about pictures: which picture each is about (Q), its words, its answer (Q), of ANSWERS; in words."""

    pictures: Tensor
    words: Batch
    answers: Tensor
    questions: list[Question]

    def take(self, which: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the pictures, words, cut to the longest, lengths and answers of some."""
        lengths = self.words.lengths[which]
        words = self.words.symbols[which, : int(lengths.max())]
        return self.pictures[which].to(device), words.to(device), lengths.to(device), self.answers[which].to(device)

    def first(self, count: int) -> "Asked":
        """Return the first ones."""
        words = Batch(self.words.symbols[:count], self.words.lengths[:count])
        return Asked(self.pictures[:count], words, self.answers[:count], self.questions[:count])


def asked_about(data: Pictured, seed: int, vocabulary: Vocabulary) -> Asked:
    """Ask three questions about each picture; words come without start and end."""
    chance = generator(seed, "questions")
    questions = [ask(objects, chance) for objects in data.objects for _ in range(PER_PICTURE)]
    symbols, lengths = vocabulary.batch([question.words for question in questions], strict=True)
    answers = torch.tensor([ANSWERS.index(question.answer) for question in questions])
    pictures = torch.arange(len(data.objects)).repeat_interleave(PER_PICTURE)
    return Asked(pictures, Batch(symbols[:, 1:], lengths - 2), answers, questions)


@experiment("question_only", tier="slow", subjects=(NET,), seeds=5)
def question_only(ctx: Context) -> dict[str, float]:
    """Train on questions about generated scenes without the pictures; accuracy on test questions, %."""
    ctx.note(closed_form=100 * float(BLIND))
    _, net, asked, _ = fitted(ctx, BLIND_RECIPE, pictured=False)
    keep(ctx, "vqa_question", net=net)
    return {"question_only": scored(replies(net, asked, None), asked.questions)["all"]}


@experiment(
    "with_picture",
    "with_picture_yes_no",
    "with_picture_number",
    "with_picture_other",
    *(f"with_picture_{kind}" for kind in KINDS),
    "other_picture",
    tier="slow",
    subjects=(NET,),
    seeds=5,
)
def with_picture(ctx: Context) -> dict[str, float]:
    """Train on generated scenes and questions; accuracy on test questions, %, also with another scene's picture.

    Differs from the paper: 1. Scenes, a CNN trained to name what is in them, small widths and no dropout. 2. Features
    are not divided by their length. 3. Adam instead of RMSProp.
    """
    eyes, net, asked, given = fitted(ctx, RECIPE, pictured=True)
    keep(ctx, "vqa", eyes=eyes, net=net)
    found = scored(replies(net, asked, given), asked.questions)
    other = scored(replies(net, asked, given.roll(1, 0)), asked.questions) if given is not None else {}
    names = {"all": "with_picture"} | {
        group: f"with_picture_{group.replace('/', '_')}" for group in found if group != "all"
    }
    return {names[group]: value for group, value in found.items()} | {"other_picture": other["all"]}


def fitted(ctx: Context, recipe: Recipe, *, pictured: bool) -> tuple[Eyes | None, Any, Asked, Tensor | None]:
    """Train; return the CNN, the network, the test questions, and the features of their scenes, if it sees any."""
    data, test = split(ctx, recipe)
    vocabulary = Vocabulary(all_words(), at_least=1)
    known, asked = asked_about(data, ctx.seed or 0, vocabulary), asked_about(test, TEST_SEED, vocabulary)
    eyes = given = shown = None
    if pictured:
        eyes, given, shown = seen(ctx, recipe, data, test)
    net = ctx.subject("vqa")(
        len(vocabulary), len(ANSWERS), features=0 if given is None else given.shape[1], **SMALL
    ).to(ctx.device)
    ctx.note(words=len(vocabulary), **{name: str(value) for name, value in SMALL.items()})

    def loss(chance: torch.Generator) -> Tensor:
        chosen = torch.randint(len(known.answers), (recipe.batch,), generator=chance)
        pictures, words, lengths, answers = known.take(chosen, ctx.device)
        return cross_entropy(net(words, lengths, *(() if given is None else (given[pictures],))), answers)

    few = asked.first(FEW)

    def evaluate() -> Mapping[str, float]:
        return {"accuracy": scored(replies(net, few, shown), few.questions)["all"]}

    train(ctx, recipe, net, loss, evaluate, every=max(recipe.updates // 5, 1))
    return eyes, net, asked, shown


@torch.no_grad()
def replies(net: Any, asked: Asked, given: Tensor | None, batch: int = 1000) -> list[str]:
    """Return the likeliest answer to each question, the first by number where several are."""
    found: list[str] = []
    device = next(net.parameters()).device
    for start in range(0, len(asked.questions), batch):
        which = torch.arange(start, min(start + batch, len(asked.questions)))
        pictures, words, lengths, _ = asked.take(which, device)
        scores = net(words, lengths, *(() if given is None else (given[pictures],)))
        found += [ANSWERS[answer] for answer in scores.argmax(1).tolist()]
    return found


@experiment("questions", "coverage_1000", tier="quick", needs=NEEDS)
def published(ctx: Context) -> dict[str, float | list[float]]:
    """Read VQA v1.0; count its questions, and the share whose answer is among the 1,000 most frequent, %."""
    try:
        parts = [vqa_v1.read_vqa(Path(os.environ["DMBENCH_VQA"]), part) for part in vqa_v1.PARTS]
    except ValueError as error:
        raise UsageError(f"DMBENCH_VQA: {error}") from error
    answers = [one.answer for part in parts for one in part]
    chosen = set(vqa_v1.frequent(answers, FREQUENT))
    covered = sum(answer in chosen for answer in answers)
    return {"questions": [float(len(part)) for part in parts], "coverage_1000": 100 * covered / len(answers)}
