"""Training of translators on Multi30k: data, batches, recipes, and what comes of them; for any encoder-decoder.

Shapes: S source and T target symbols; B sentences.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dmbench.datasets.multi30k import read_multi30k
from dmbench.datasets.parallel_text import PAD, UNK, Vocabulary, detokenise, padded, tokenise
from dmbench.experiments._scaled_mnist_training import generator, order
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.metrics.bleu import bleu
from dmbench.models.parts.search import beam_search, greedy
from dmbench.models.rnn_encoder_decoder import Sizes
from dmbench.optim.gradient_clipping import clip_by_norm_

TEST = "test_2016_flickr"
BEAM, LONGEST = 5, 40
SAVE_EVERY = 300  # updates
AT_ONCE = 100  # sentences that are translated together
POOL = 50  # batches whose sentences are sorted by length together, so that little is padding
Pairs = list[tuple[list[int], list[int]]]


@dataclass(frozen=True)
class Recipe:
    """How a translator trains: Adam, a rate that falls linearly to zero, gradients clipped by norm.

    at_least: how often a word must occur in the training text to be in a vocabulary. The others are of `Sizes`.
    """

    epochs: int
    rate: float = 3e-3
    batch: int = 64
    clip: float = 1.0
    at_least: int = 4
    embedding: int = 96
    hidden: int = 192
    maxout: int = 192
    rank: int = 96
    dropout: float = 0.2
    std: float = 0.1

    def sizes(self, source: int, target: int) -> Sizes:
        """Return the sizes of a model for vocabularies of these sizes."""
        names = ("embedding", "hidden", "maxout", "rank", "dropout", "std")
        return Sizes(source, target, **{name: getattr(self, name) for name in names})


class Text(NamedTuple):
    """Multi30k in two languages: vocabularies by the training text, and pairs of encoded sentences of each part."""

    languages: tuple[str, str]
    source: Vocabulary
    target: Vocabulary
    pairs: dict[str, Pairs]
    references: dict[str, list[str]]


def read_text(ctx: Context, languages: tuple[str, str], at_least: int) -> Text:
    """Read, split and encode all parts."""
    words: dict[str, list[list[list[str]]]] = {}
    references = {}
    for part in ("train", "val", TEST):
        texts = read_multi30k(ctx.files("multi30k"), part, *languages)
        words[part] = [[tokenise(s, code) for s in text] for text, code in zip(texts, languages, strict=True)]
        references[part] = texts[1]
    vocabularies = [Vocabulary.of(text, at_least=at_least) for text in words["train"]]
    pairs = {
        part: [(vocabularies[0].encode(s), vocabularies[1].encode(t)) for s, t in zip(*both, strict=True)]
        for part, both in words.items()
    }
    return Text(languages, vocabularies[0], vocabularies[1], pairs, references)


def batches(pairs: Pairs, size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the numbers of the pairs of each batch of an epoch, in random order; a batch's lengths are alike."""
    shuffled = order(len(pairs), seed, f"pairs {epoch}").tolist()
    found = []
    for start in range(0, len(shuffled), POOL * size):
        pool = sorted(shuffled[start : start + POOL * size], key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
        found += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [found[i] for i in torch.randperm(len(found), generator=generator(seed, f"batches {epoch}")).tolist()]


def tensors(pairs: Sequence[tuple[list[int], list[int]]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return source (S, B), its lengths (B) and target (T, B)."""
    source, lengths = padded([s for s, _ in pairs])
    target, _ = padded([t for _, t in pairs])
    return source.to(device), lengths.to(device), target.to(device)


class Outcome(NamedTuple):
    """Of the test sentences: BLEU of translations by a beam, and nats a symbol of the references."""

    bleu: float
    nats: float


def train(
    ctx: Context, build: Callable[[Sizes], Any], recipe: Recipe, languages: tuple[str, str], name: str
) -> Outcome:
    """Train a translator; an interrupted run goes on. Its weights are kept as <name>.safetensors, float16."""
    text = read_text(ctx, languages, recipe.at_least)
    net = build(recipe.sizes(len(text.source), len(text.target))).to(ctx.device)
    optimiser = torch.optim.Adam(net.parameters(), recipe.rate, fused=True)
    pairs, seed = text.pairs["train"], ctx.seed or 0
    epoch_updates = -(-len(pairs) // recipe.batch)
    updates = recipe.epochs * epoch_updates
    ctx.note(**asdict(recipe), optimiser="Adam, to zero linearly", beam=BEAM, longest=LONGEST, unknown="never written")
    plan: dict[int, list[list[int]]] = {}

    def step(update: int) -> dict[str, Tensor]:
        epoch, at = divmod(update, epoch_updates)
        if epoch not in plan:
            plan.clear()
            plan[epoch] = batches(pairs, recipe.batch, seed, epoch)
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (1 - update / updates)
        source, lengths, target = tensors([pairs[i] for i in plan[epoch][at]], ctx.device)
        optimiser.zero_grad()
        loss = -net(source, lengths, target).sum() / (target != PAD).sum()
        loss.backward()
        clip_by_norm_(net.parameters(), recipe.clip, error_if_nonfinite=False)  # the loop stops at a NaN
        optimiser.step()
        return {"train_nats": loss}

    def evaluate() -> dict[str, float]:
        net.eval()
        found = translate(net, text, "val", beam=1, device=ctx.device)
        return {"val_nats": nats(net, text.pairs["val"], ctx.device), "val_bleu": score(found, text, "val")}

    Loop(ctx, updates, {"net": net, "optimiser": optimiser}, save_every=SAVE_EVERY).run(
        step, evaluate=evaluate, evaluate_every=epoch_updates
    )
    net.eval()
    weights = {key: value.half().contiguous() for key, value in net.state_dict().items()}
    facts = {"name": name, "languages": "-".join(languages), "at_least": str(recipe.at_least)}
    ctx.keep(f"{name}.safetensors", save(weights, facts))
    found = translate(net, text, TEST, beam=BEAM, device=ctx.device)
    return Outcome(score(found, text, TEST), nats(net, text.pairs[TEST], ctx.device))


@torch.no_grad()
def nats(net: nn.Module, pairs: Pairs, device: torch.device) -> float:
    """Return the mean of -log p over all target symbols, EOS included, nats."""
    total, count = 0.0, 0
    for start in range(0, len(pairs), AT_ONCE):
        source, lengths, target = tensors(pairs[start : start + AT_ONCE], device)
        total -= float(net(source, lengths, target).sum())
        count += int((target != PAD).sum())
    return total / count


def translate(net: Any, text: Text, part: str, *, beam: int, device: torch.device) -> list[str]:
    """Return the translations of a part as text; sentences of like length are translated together."""
    pairs = text.pairs[part]
    by_length = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    found = [""] * len(pairs)
    for start in range(0, len(pairs), AT_ONCE):
        chosen = by_length[start : start + AT_ONCE]
        source, lengths = (one.to(device) for one in padded([pairs[i][0] for i in chosen]))
        if beam == 1:
            symbols = greedy(net, source, lengths, LONGEST, banned=(PAD, UNK)).symbols
        else:
            symbols = beam_search(net, source, lengths, beam, LONGEST, banned=(PAD, UNK)).symbols
        for i, column in zip(chosen, symbols.T.tolist(), strict=True):
            found[i] = detokenise(text.target.decode(column), text.languages[1])
    return found


def score(translations: list[str], text: Text, part: str) -> float:
    """Return the BLEU of a part's translations, ignoring case."""
    return bleu(translations, text.references[part], lowercase=True).score
