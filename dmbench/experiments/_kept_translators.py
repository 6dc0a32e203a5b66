"""Translators that a training kept: loaded from their file, they translate sentences and score phrase tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dmbench.datasets.parallel_text import EOS, PAD, UNK, Vocabulary, detokenise, padded, tokenise
from dmbench.datasets.wmt14 import PhrasePair
from dmbench.experiments._translation import LONGEST, Text, read_text
from dmbench.harness.experiment import Context
from dmbench.models.parts.attention import AttentionEncoderDecoder
from dmbench.models.parts.search import beam_search
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder, Sizes

AT_ONCE = 64  # phrase pairs that are scored together


class Translation(NamedTuple):
    """text: of the translation. words: of the source and of it, EOS included. unknown: words never seen in training.

    log_p: nats. attention: (T, S), rows with a sum of 1, or None without.
    """

    text: str
    words: tuple[list[str], list[str]]
    unknown: list[str]
    log_p: float
    attention: Tensor | None


class Translator(NamedTuple):
    """A trained network with the text that its vocabularies are of. name: of its training."""

    name: str
    net: Any
    text: Text

    def __call__(self, sentence: str, beam: int = 5) -> Translation:
        """Translate one sentence.

        Raises: ValueError: it has no words, or beam is below 1.
        """
        languages = self.text.languages
        words = tokenise(sentence, languages[0])
        if not words:
            raise ValueError(f"nothing to translate: {sentence!r} has no words")
        source, lengths = padded([self.text.source.encode(words)])
        found = beam_search(self.net, source, lengths, beam, LONGEST, banned=(PAD, UNK))
        numbers = found.symbols[:, 0].tolist()
        translated = self.text.target.decode(numbers)
        return Translation(
            text=detokenise(translated, languages[1]),
            words=([*words, "<eos>"], [*translated, *["<eos>"] * (EOS in numbers)]),
            unknown=self.text.source.unknown(words),
            log_p=float(found.log_p[0]),
            attention=attention_of(self.net, source, lengths, found.symbols[:, 0][found.symbols[:, 0] != PAD]),
        )

    @torch.no_grad()
    def scored(self, pairs: Iterable[PhrasePair]) -> Iterator[tuple[PhrasePair, float]]:
        """Give each phrase pair its log p(target | source), nats: the paper's further feature."""
        waiting: list[PhrasePair] = []
        for pair in pairs:
            waiting.append(pair)
            if len(waiting) == AT_ONCE:
                yield from self._batch(waiting)
                waiting = []
        if waiting:
            yield from self._batch(waiting)

    def _batch(self, pairs: list[PhrasePair]) -> Iterator[tuple[PhrasePair, float]]:
        source, lengths = padded([self.text.source.encode(pair.source) for pair in pairs])
        target, _ = padded([self.text.target.encode(pair.target) for pair in pairs])
        yield from zip(pairs, self.net.score(source, lengths, target).tolist(), strict=True)


@torch.no_grad()
def attention_of(net: Any, source: Tensor, lengths: Tensor, symbols: Tensor) -> Tensor | None:
    """Return the attention at each symbol (T) of a sentence's translation, (T, S); None where a network has none."""
    if not isinstance(net, AttentionEncoderDecoder):
        return None
    memory, rows, y_tm1 = net.encode(source, lengths), [], torch.full_like(lengths, PAD)
    for symbol in symbols:
        rows.append(net.attention(memory)[0])
        _, memory = net.step(y_tm1, memory)
        y_tm1 = symbol[None]
    return torch.stack(rows)


def load_translator(ctx: Context, path: Path) -> Translator:
    """Load what a training kept.

    Raises: ValueError: it is no such file, or its vocabularies are not those of Multi30k by its own count.
    """
    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            facts = file.metadata() or {}
        source, target = str(facts["languages"]).split("-")
        sizes = sizes_of(state)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: no weights that a training of translators kept: {error}") from error
    text = read_text(ctx, (source, target), int(facts["at_least"]))
    if (len(text.source), len(text.target)) != (sizes.source, sizes.target):
        have = _counts(text.source, text.target)
        raise ValueError(f"{path}: is for {sizes.source:,} and {sizes.target:,} words, the text has {have}")
    net = (AttentionEncoderDecoder if "v_a.weight" in state else RNNEncoderDecoder)(sizes)
    net.load_state_dict(state)
    return Translator(facts.get("name", ""), net.eval(), text)


def sizes_of(state: dict[str, Tensor]) -> Sizes:
    """Return the sizes that weights have. Raises: KeyError: a weight is missing."""
    (source, embedding), target = state["source.weight"].shape, len(state["target.weight"])
    rank, maxout = state["g_r.weight"].shape
    return Sizes(source, target, embedding, state["u.weight"].shape[1], maxout, rank)


def _counts(*vocabularies: Vocabulary) -> str:
    return " and ".join(f"{len(vocabulary):,}" for vocabulary in vocabularies)
