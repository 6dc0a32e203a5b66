"""Show and Tell: its counts, its search, captions of generated scenes, and what its data sets count."""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets import coco, flickr8k
from dmbench.datasets.scene_captions import BLIND, ENTROPY, SAID, all_captions, is_true, true_captions
from dmbench.datasets.scenes import make_scenes
from dmbench.datasets.words import END, START, Batch, Vocabulary
from dmbench.experiments._scene_training import Eyes, Pictured, Recipe, keep, seen, split, train
from dmbench.harness.errors import ContractError, UsageError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.metrics.bleu import bleu
from dmbench.models.captioner import Captioner, describe, nats

RECIPE = Recipe(updates=3000, batch=256, rate=1e-2)
WIDTH = 96  # of word vectors and the LSTM
BEAMS = 20  # the paper's
LIMIT = 12  # words: the longest caption has 9, and the end
REFERENCES = 5  # captions of a scene that BLEU compares with, as COCO has
SCENES = 10_000  # of the closed forms
IM2TXT = {"features": 2048, "words": 12_000}


def ours(features: int, words: int, width: int = 512, **options: Any) -> Captioner:
    """Build the captioner for features that are given, words and the LSTM of one width."""
    return Captioner(nn.Identity(), features, words, embedding=width, hidden=width, **options)


def check_net(build: Callable[..., Any]) -> None:
    """Raise ContractError unless it scores words of each place, and gives the same scores step by step."""
    net = build(5, 7, 6)
    given, words = torch.rand(2, 5), torch.tensor([[1, 4, 5], [1, 6, 4]])
    with torch.no_grad():
        scores = net(given, words)
        if not isinstance(scores, Tensor) or scores.shape != (2, 3, 7):
            raise ContractError(f"returned scores {tuple(getattr(scores, 'shape', ()))}, not (2, 3, 7)")
        state = net.begin(given)
        for t in range(3):
            step, state = net.step(words[:, t], state)
            if not torch.allclose(step, scores[:, t], atol=1e-5):
                raise ContractError(f"step() gives other scores than the whole at word {t}")


NET = Subject(
    name="captioner",
    default=ours,
    contract="f(features, words, width) builds a module; net(x, s) maps features (B, F) and words (B, T), the start "
    "first, to scores (B, T, V) of the words after; net.begin(x) returns a state, tensors (D, B, H), and "
    "net.step(s, state) maps words (B) to scores (B, V) and the state after",
    check=check_net,
)


@experiment("parameters", tier="quick", subjects=(NET,))
def parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters without the CNN, an LSTM's two bias vectors, of which only the sum counts, as one."""
    with torch.device("meta"):
        net = ctx.subject("captioner")(IM2TXT["features"], IM2TXT["words"])
    return {"parameters": sum(p.numel() for name, p in net.named_parameters() if "bias_hh" not in name)}


@experiment("difference_torch", tier="quick", subjects=(NET,))
def difference_torch(ctx: Context) -> dict[str, float]:
    """Compare captions' log-likelihoods and all gradients with those of the same network with torch.nn.LSTM."""
    net = ctx.subject("captioner")(8, 11, 6).to(ctx.device).double()
    theirs = ours(8, 11, 6, layer=nn.LSTM).to(ctx.device).double()
    theirs.load_state_dict(net.state_dict())
    given, words = torch.rand(5, 8).to(ctx.device).double(), torch.randint(4, 11, (5, 7)).to(ctx.device)
    lengths = torch.tensor([7, 3, 5, 2, 7]).to(ctx.device)
    found = []
    for one in (net, theirs):
        loss = nats(one(given, words[:, :-1]), words, lengths)
        found.append([loss.detach(), *torch.autograd.grad(loss.sum(), list(one.parameters()))])
    return {"difference_torch": max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*found, strict=True))}


@experiment("beam_exhaustive", tier="quick", subjects=(NET,))
def beam_exhaustive(ctx: Context) -> dict[str, float]:
    """Compare the likeliest captions by beam search with those among all captions of at most four words."""
    words, limit, pictures = 6, 4, 3
    net = ctx.subject("captioner")(5, words, 8).to(ctx.device).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 4  # so that captions differ in probability
        given = torch.rand(pictures, 5).to(ctx.device).double()
        found = describe(net, given, START, END, beams=words**limit, limit=limit)
        worst = 0.0
        for picture in range(pictures):
            best = max(_likelihood(net, given[picture : picture + 1], s) for s in _sentences(words, limit))
            worst = max(worst, abs(float(found.scores[picture, 0]) - best))
    return {"beam_exhaustive": worst}


def _sentences(words: int, limit: int) -> Sequence[tuple[int, ...]]:
    """All sentences: those that end within the limit, and those of the limit's length that do not."""
    others = [word for word in range(words) if word != END]
    ended = [(*s, END) for length in range(limit) for s in product(others, repeat=length)]
    return [*ended, *product(others, repeat=limit)]


def _likelihood(net: Any, given: Tensor, sentence: tuple[int, ...]) -> float:
    words = torch.tensor([[START, *sentence]], device=given.device)
    return -float(nats(net(given, words[:, :-1]), words, torch.tensor([words.shape[1]], device=given.device)))


@experiment("captions_true", "entropy", "blind_true", tier="quick")
def grammar(ctx: Context) -> dict[str, float]:
    """Check the captions of 10,000 scenes, count them, and count those that are true of a scene by chance."""
    scenes = make_scenes(SCENES, seed=0)
    true = total = single = 0
    surprise = 0.0
    for scene in range(SCENES):
        objects = scenes.objects(scene)
        captions = true_captions(objects)
        total += len(captions)
        true += sum(is_true(caption, objects) for caption in captions)
        single += sum(caption in SAID for caption in captions)
        surprise += float(torch.tensor(float(len(captions))).log())
    ctx.note(scenes=SCENES, closed_entropy=ENTROPY, closed_blind=100 * BLIND)
    return {
        "captions_true": 100 * true / total,
        "entropy": surprise / SCENES,
        "blind_true": 100 * single / SCENES / len(SAID),
    }


class Captions:
    """All captions of the grammar in numbers."""

    def __init__(self) -> None:
        sentences = all_captions()
        self.vocabulary = Vocabulary(sentences, at_least=1)
        self.batch: Batch = self.vocabulary.batch(sentences, strict=True)
        self.number = {sentence: number for number, sentence in enumerate(sentences)}

    def of(self, data: Pictured) -> list[list[int]]:
        """Return by scene the numbers of its true captions."""
        return [[self.number[sentence] for sentence in true_captions(objects)] for objects in data.objects]

    def take(self, numbers: Sequence[int], device: torch.device) -> Batch:
        """Return captions by number, cut to the longest of them."""
        lengths = self.batch.lengths[list(numbers)]
        symbols = self.batch.symbols[list(numbers), : int(lengths.max())]
        return Batch(symbols.to(device), lengths.to(device))

    def say(self, net: Any, given: Tensor, beams: int) -> list[str]:
        """Return the likeliest caption of each picture."""
        found = describe(net, given, START, END, beams=beams, limit=LIMIT).words[:, 0]
        return [self.vocabulary.decode(numbers) for numbers in found.tolist()]


@experiment("true_greedy", "true_beam", "true_other", "nats_above", "bleu4", tier="slow", subjects=(NET,), seeds=5)
def trained(ctx: Context) -> dict[str, float]:
    """Train on generated scenes; test captions that are true, %, nats above the least possible, and BLEU.

    true_other: of captions made from the picture of another scene, as a network would that does not look.

    Differs from the paper: 1. Scenes, a CNN trained to name what is in them, and 96 units; no dropout: each batch has
    captions drawn anew. 2. Adam instead of plain stochastic gradients.
    """
    eyes, net, captions, given, test = fitted(ctx, RECIPE)
    keep(ctx, "captioner", eyes=eyes, net=net)
    greedy, beam = captions.say(net, given, 1), captions.say(net, given, BEAMS)
    other = captions.say(net, given.roll(1, 0), 1)
    return {
        "true_greedy": share_true(greedy, test),
        "true_beam": share_true(beam, test),
        "true_other": share_true(other, test),
        "nats_above": mean_nats(net, captions, given, test) - _entropy(test),
        "bleu4": bleu4(beam, test),
    }


def fitted(ctx: Context, recipe: Recipe) -> tuple[Eyes, Any, Captions, Tensor, Pictured]:
    """Train; return the CNN, the network, the captions, and the test scenes' features with these scenes."""
    data, test = split(ctx, recipe)
    eyes, given, shown = seen(ctx, recipe, data, test)
    captions = Captions()
    true = captions.of(data)
    net = ctx.subject("captioner")(given.shape[1], len(captions.vocabulary), WIDTH).to(ctx.device)
    ctx.note(width=WIDTH, words=len(captions.vocabulary))

    def loss(chance: torch.Generator) -> Tensor:
        chosen = torch.randint(len(true), (recipe.batch,), generator=chance)
        which = torch.rand(recipe.batch, generator=chance).tolist()
        numbers = [true[i][int(u * len(true[i]))] for i, u in zip(chosen.tolist(), which, strict=True)]
        words = captions.take(numbers, ctx.device)
        scores = net(given[chosen.to(ctx.device)], words.symbols[:, :-1])
        return nats(scores, words.symbols, words.lengths).mean()

    few = slice(0, 300)

    def evaluate() -> Mapping[str, float]:
        return {"true_greedy": share_true(captions.say(net, shown[few], 1), test)}

    train(ctx, recipe, net, loss, evaluate, every=400)
    return eyes, net, captions, shown, test


def share_true(captions: Sequence[str], test: Pictured) -> float:
    """Return how many captions of the first scenes are true, %."""
    right = sum(is_true(caption, objects) for caption, objects in zip(captions, test.objects, strict=False))
    return 100 * right / len(captions)


@torch.no_grad()
def mean_nats(net: Any, captions: Captions, given: Tensor, test: Pictured) -> float:
    """Return the mean negative log-likelihood of the scenes' true captions, each scene counting the same."""
    total = 0.0
    for picture, numbers in enumerate(captions.of(test)):
        words = captions.take(numbers, given.device)
        scores = net(given[picture].expand(len(numbers), -1), words.symbols[:, :-1])
        total += float(nats(scores, words.symbols, words.lengths).mean())
    return total / len(test.objects)


def _entropy(test: Pictured) -> float:
    return sum(float(torch.tensor(len(objects) ** 2.0).log()) for objects in test.objects) / len(test.objects)


def bleu4(captions: Sequence[str], test: Pictured) -> float:
    """Return BLEU-4 against five true captions of each scene, the first by a fixed shuffle, repeated where fewer."""
    chance = torch.Generator().manual_seed(0)
    references: list[list[str]] = []
    for objects in test.objects:
        true = true_captions(objects)
        order = torch.randperm(len(true), generator=chance).tolist()
        references.append([true[order[i % len(true)]] for i in range(REFERENCES)])
    return bleu(captions, references, tokenize="none").score


@experiment(
    "coco_pictures",
    tier="quick",
    needs={"DMBENCH_COCO": f"a folder with {coco.WHAT}"},
)
def coco_pictures(ctx: Context) -> dict[str, list[float]]:
    """Read COCO's captions, and count the pictures of both parts."""
    return {"coco_pictures": _counts("DMBENCH_COCO", coco.read_coco, coco.PARTS)}


@experiment(
    "flickr8k_pictures",
    tier="quick",
    needs={"DMBENCH_FLICKR8K": f"a folder with {flickr8k.WHAT}"},
)
def flickr8k_pictures(ctx: Context) -> dict[str, list[float]]:
    """Read Flickr8k's captions, and count the pictures of its three parts."""
    return {"flickr8k_pictures": _counts("DMBENCH_FLICKR8K", flickr8k.read_flickr8k, tuple(flickr8k.LISTS))}


def _counts(variable: str, read: Callable[[Path, str], Sequence[Any]], parts: Sequence[str]) -> list[float]:
    try:
        return [float(len(read(Path(os.environ[variable]), part))) for part in parts]
    except ValueError as error:
        raise UsageError(f"{variable}: {error}") from error
