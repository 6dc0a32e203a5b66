"""Training of relation networks: on stories of bAbI, and on questions about scenes of sort-of-CLEVR.

Shapes: N questions, K sentences or objects.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets.babi import Encoded, Story, Vocabulary, encode
from dmbench.datasets.sort_of_clevr import (
    SUBTYPES,
    Questions,
    Scenes,
    answer,
    ask,
    ask_all,
    draw,
    make_scenes,
    states,
)
from dmbench.datasets.sort_of_clevr import encode as encode_questions
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context

EVALUATED = 250  # questions at a time
PASSED = 95.0  # %
TEST_SEED = 10**6  # of scenes and stories that no training draws


@dataclass(frozen=True)
class Recipe:
    """How long a network trains, with Adam: the rate rises linearly for `warm` updates and falls to zero from half on.

    batch: questions of an update. rate: Adam's. evaluate_every, save_every: updates between points, and checkpoints.
    clip: the largest norm of all gradients together; infinite is none.
    """

    updates: int
    batch: int = 64
    rate: float = 2e-4
    warm: int = 0
    evaluate_every: int = 250
    save_every: int = 250
    clip: float = math.inf

    def at(self, update: int) -> float:
        """Return the rate of an update, from 0."""
        return self.rate * min(1.0, 2 * (1 - update / self.updates), (update + 1) / (self.warm + 1))


def train(
    ctx: Context,
    recipe: Recipe,
    net: nn.Module,
    loss: Callable[[int, torch.Generator], Tensor],
    evaluate: Callable[[], Mapping[str, float]],
) -> None:
    """Train a network in place, checkpointed.

    loss: called with the update and its own generator; returns the mean loss of a batch, nats.
    evaluate: what is measured at points of the curve, with the network in evaluation mode.
    """
    ctx.note(**vars(recipe) | {"clip": str(recipe.clip)}, optimiser="Adam")
    net.train()
    optimiser = torch.optim.Adam(net.parameters(), recipe.rate)

    def step(update: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(2**32 * (ctx.seed or 0) + update)
        for group in optimiser.param_groups:
            group["lr"] = recipe.at(update)
        found = loss(update, generator)
        optimiser.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        if math.isfinite(recipe.clip):
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
        optimiser.step()
        return {"train_loss": found}

    def measured() -> Mapping[str, float]:
        net.eval()
        found = evaluate()
        net.train()
        return found

    loop = Loop(ctx, recipe.updates, {"net": net, "optimiser": optimiser}, save_every=recipe.save_every)
    loop.run(step, evaluate=measured, evaluate_every=recipe.evaluate_every)
    net.eval()


def train_on_stories(
    ctx: Context,
    recipe: Recipe,
    build: Callable[..., nn.Module],
    train_stories: Mapping[int, Sequence[Story]],
    test_stories: Mapping[int, Sequence[Story]],
) -> tuple[nn.Module, Vocabulary, dict[int, float]]:
    """Train on stories of one or more tasks, jointly; return the network, the vocabulary and % right by task."""
    vocabulary = Vocabulary.of([s for many in (train_stories, test_stories) for part in many.values() for s in part])
    net = build(len(vocabulary.words), len(vocabulary.answers)).to(ctx.device)
    told = encode([s for part in train_stories.values() for s in part], vocabulary).to(ctx.device)
    tests = {task: encode(part, vocabulary).to(ctx.device) for task, part in test_stories.items()}

    def loss(_: int, generator: torch.Generator) -> Tensor:
        batch = told.take(torch.randint(len(told.answers), (recipe.batch,), generator=generator).to(ctx.device))
        return cross_entropy(net(batch.facts, batch.questions), batch.answers)

    def shares() -> dict[int, float]:
        return {task: right(net, test) for task, test in tests.items()}

    def evaluate() -> dict[str, float]:
        found = shares()
        if len(found) == 1:
            return {f"right_qa{task}": share for task, share in found.items()}
        return {"tasks_passed": float(passed(found)), "mean_right": sum(found.values()) / len(found)}

    train(ctx, recipe, net, loss, evaluate)
    return net, vocabulary, shares()


def passed(found: Mapping[int, float]) -> int:
    """Count tasks with more than 95 % right (section 3.3)."""
    return sum(share > PASSED for share in found.values())


@torch.no_grad()
def right(net: nn.Module, stories: Encoded) -> float:
    """Return the share of stories that a network answers right, %."""
    hits = 0
    for start in range(0, len(stories.answers), EVALUATED):
        some = stories.take(slice(start, start + EVALUATED))
        hits += int((net(some.facts, some.questions).argmax(1) == some.answers).sum())
    return 100 * hits / len(stories.answers)


class Asked:
    """Scenes with questions, as a network takes them.

    inputs: images (N, 3, S, S), uint8, or states (N, K, STATE). questions (N, Q, bits); answers and subtypes (N, Q).
    """

    def __init__(self, scenes: Scenes, questions: Questions, pixels: bool, device: torch.device) -> None:
        self.inputs = (draw(scenes) if pixels else states(scenes)).to(device)
        self.questions = encode_questions(questions).to(device)
        self.answers = answer(scenes, questions).to(device)
        self.subtypes = questions.subtypes

    def batch(self, scene: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take a question each of scenes (B): inputs, encoded questions (B, bits) and answers (B)."""
        scene, which = scene.to(self.answers.device), which.to(self.answers.device)
        inputs = self.inputs[scene]
        if inputs.dtype == torch.uint8:
            inputs = inputs.float() / 255
        return inputs, self.questions[scene, which], self.answers[scene, which]


def train_on_scenes(
    ctx: Context, recipe: Recipe, net: nn.Module, *, pixels: bool, scenes: int, tests: int, size: int = 75
) -> dict[str, float]:
    """Train on sort-of-CLEVR, 20 questions of each scene; return % right by subtype on all 36 of each test scene."""
    ctx.note(scenes=scenes, test_scenes=tests, size=size)
    seed = ctx.seed or 0
    net.to(ctx.device)
    told = Asked(make_scenes(scenes, seed, size=size), ask(scenes, seed), pixels, ctx.device)
    test = Asked(make_scenes(tests, TEST_SEED, size=size), ask_all(tests), pixels, ctx.device)

    def loss(_: int, generator: torch.Generator) -> Tensor:
        scene = torch.randint(scenes, (recipe.batch,), generator=generator)
        which = torch.randint(told.answers.shape[1], (recipe.batch,), generator=generator)
        inputs, questions, answers = told.batch(scene, which)
        return cross_entropy(net(inputs, questions), answers)

    train(ctx, recipe, net, loss, lambda: by_subtype(net, test))
    return by_subtype(net, test)


@torch.no_grad()
def by_subtype(net: nn.Module, asked: Asked) -> dict[str, float]:
    """Return the share of questions of each subtype that a network answers right, %."""
    scenes, count = asked.answers.shape
    every = torch.arange(scenes * count)
    hits = []
    for some in every.split(EVALUATED):  # type: ignore[no-untyped-call]
        inputs, questions, answers = asked.batch(some // count, some % count)
        hits.append((net(inputs, questions).argmax(1) == answers).cpu())
    found, kinds = torch.cat(hits), asked.subtypes.flatten()
    return {name: 100 * float(found[kinds == number].double().mean()) for number, name in enumerate(SUBTYPES)}


def kept(net: nn.Module, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Return a network's weights in half precision and, as metadata, its vocabulary."""
    weights = {name: value.detach().cpu().half().contiguous() for name, value in net.state_dict().items()}
    words = {} if vocabulary is None else {"words": " ".join(vocabulary.words), "answers": " ".join(vocabulary.answers)}
    return {"tensors": weights, "metadata": words}
