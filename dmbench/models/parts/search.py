"""Search for translations by a model of sequences: greedy, and with a beam.

A model has `encode(source, lengths)`, which returns a tuple of tensors with the sentences as their first dimension, and
`step(y_tm1, memory)`, which returns log p of all symbols and the tuple after it; `rnn_encoder_decoder` has them.

Length normalisation: of the hypotheses that are found, the one with the largest log p a symbol is taken, EOS counted.
The sum alone prefers short ones: each further symbol lowers it.

Shapes: S source and T target symbols; B sentences; K vocabulary; W beam.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dmbench.datasets.parallel_text import EOS, PAD

Memory = tuple[Tensor, ...]


class Model(Protocol):
    """What is searched."""

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Read sentences."""

    def step(self, y_tm1: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return log p (B, K) and the memory after it."""


class Found(NamedTuple):
    """Translations: symbols (T, B), PAD after EOS; log_p (B), nats; ended (B), whether EOS came in time."""

    symbols: Tensor
    log_p: Tensor
    ended: Tensor


@torch.no_grad()
def greedy(model: Model, source: Tensor, lengths: Tensor, longest: int, banned: tuple[int, ...] = (PAD,)) -> Found:
    """Take the most probable symbol at each step. Arguments and errors as in `beam_search`."""
    _check(1, longest, banned)
    memory = model.encode(source, lengths)
    y = torch.full_like(lengths, PAD)
    ended = torch.zeros_like(lengths, dtype=torch.bool)
    total: Tensor | float = 0.0
    symbols = []
    for _ in range(longest):
        log_p, memory = model.step(y, memory)
        best = _without(log_p, banned).max(dim=-1)
        y = torch.where(ended, PAD, best.indices)
        total = total + torch.where(ended, 0.0, best.values)
        symbols.append(y)
        ended = ended | (y == EOS)
        if bool(ended.all()):
            break
    return Found(torch.stack(symbols), torch.as_tensor(total), ended)


@torch.no_grad()
def beam_search(
    model: Model,
    source: Tensor,
    lengths: Tensor,
    beam: int,
    longest: int,
    *,
    normalise: bool = True,
    banned: tuple[int, ...] = (PAD,),
) -> Found:
    """Keep the `beam` most probable hypotheses of each sentence at each step; return the best one that ended.

    A hypothesis that ended keeps its place until more probable ones push it out. Where none ended, the best one that
    did not is returned. Each sentence is translated as if it were alone.

    Args:
        source, lengths: as `encode` takes them.
        beam: W, at least 1, which is `greedy`. longest: symbols of a translation, EOS included, at least 1.
        normalise: rank by log p a symbol, or by log p.
        banned: symbols that are never written.

    Raises: ValueError: beam or longest is below 1, or EOS is banned.
    """
    _check(beam, longest, banned)
    sentences, device = len(lengths), lengths.device
    memory = tuple(one.repeat_interleave(beam, 0) for one in model.encode(source, lengths))
    y = torch.full((sentences * beam,), PAD, device=device)
    first = torch.arange(sentences, device=device)[:, None] * beam
    log_p = torch.full((sentences, beam), -torch.inf, device=device, dtype=memory[0].dtype)
    log_p[:, 0] = 0.0
    ended = torch.zeros(sentences, beam, dtype=torch.bool, device=device)
    count = torch.zeros(sentences, beam, device=device, dtype=memory[0].dtype)  # symbols of each hypothesis
    symbols = y.new_empty(0, sentences, beam)
    for _ in range(longest):
        after, memory = model.step(y, memory)
        after = _without(after, banned).view(sentences, beam, -1)
        stay = torch.full_like(after[0, 0], -torch.inf)
        stay[PAD] = 0.0  # an ended hypothesis goes on as it is, and in one way only
        total = log_p[..., None] + torch.where(ended[..., None], stay, after)
        log_p, chosen = total.flatten(1).topk(beam)
        parent, y_t = chosen // after.shape[-1], chosen % after.shape[-1]
        count = count.gather(1, parent) + ~ended.gather(1, parent)
        ended = ended.gather(1, parent) | (y_t == EOS)
        symbols = torch.cat([symbols.gather(2, parent.expand_as(symbols)), y_t[None]])
        if bool((ended | log_p.isneginf()).all()):
            break
        y, memory = y_t.flatten(), tuple(one[(first + parent).flatten()] for one in memory)
    rank = log_p / count if normalise else log_p
    best = torch.where(ended | ~ended.any(1, keepdim=True), rank, -torch.inf).argmax(1, keepdim=True)
    translations = symbols.gather(2, best.expand(len(symbols), -1, -1))[..., 0]
    return Found(translations, log_p.gather(1, best)[:, 0], ended.gather(1, best)[:, 0])


def _without(log_p: Tensor, banned: tuple[int, ...]) -> Tensor:
    return log_p.index_fill(-1, torch.tensor(banned, dtype=torch.int64, device=log_p.device), -torch.inf)


def _check(beam: int, longest: int, banned: tuple[int, ...]) -> None:
    if beam < 1:
        raise ValueError(f"need a beam of at least 1, which is greedy search: {beam}")
    if longest < 1:
        raise ValueError(f"need translations of at least 1 symbol: {longest}")
    if EOS in banned:
        raise ValueError(f"EOS, {EOS}, cannot be banned: no translation would end")
