"""Beam search: the k best sentences of each length, from the k best ones that are a word shorter.

Source: Vinyals et al. (2015), Show and Tell, arXiv:1411.4555, section 3.2 (Inference). A sentence that has ended stays
among the k with the probability that it has; there is no prize for length. One beam is greedy search.

Shapes: B pictures, k beams, V words; a state is a tuple of tensors (D, rows, H), with a row for each sentence.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


class Beams(NamedTuple):
    """Sentences by picture, best first: words (B, k, T) up to the end, padded by it; log-probabilities (B, k), nats.

    Where there are fewer than k sentences at all, the rest has a log-probability of -inf.
    """

    words: Tensor
    scores: Tensor


@torch.no_grad()
def beam_search(step: Step, state: State, start: int, end: int, beams: int, limit: int) -> Beams:
    """Search sentences of at most `limit` words, the end among them; one cut off there has no end.

    Args:
        step: maps words (rows) and a state to scores (rows, V), before the softmax, and the state after.
        state: before the first word, a row for each picture.
        start, end: the words that open and close a sentence.
        beams: k, at least 1. limit: at least 1.

    Raises:
        ValueError: beams or limit is below 1.
    """
    if beams < 1 or limit < 1:
        raise ValueError(f"need at least one beam and one word: {beams} beams, {limit} words")
    pictures = state[0].shape[1]
    device = state[0].device
    scores = torch.full((pictures, beams), -torch.inf, device=device, dtype=state[0].dtype)
    scores[:, 0] = 0.0  # the others begin as no sentence
    state = tuple(part.repeat_interleave(beams, 1) for part in state)
    words = torch.full((pictures, beams, 1), start, device=device)
    first = torch.arange(pictures, device=device)[:, None] * beams
    for _ in range(limit):
        last = words[..., -1]
        given, state = step(last.flatten(), state)
        more = given.log_softmax(-1).view(pictures, beams, -1)
        size = more.shape[-1]
        ended = last == end
        only_end = torch.full_like(more, -torch.inf)
        only_end[..., end] = 0.0
        more = torch.where(ended[..., None], only_end, more) + scores[..., None]
        scores, best = more.flatten(1).topk(beams, 1)
        source = best // size
        words = torch.cat(
            [words.gather(1, source[..., None].expand(-1, -1, words.shape[-1])), (best % size)[..., None]], -1
        )
        state = tuple(part[:, (first + source).flatten()] for part in state)
        if bool(((words[..., -1] == end) | scores.isneginf()).all()):
            break
    return Beams(words[..., 1:], scores)
