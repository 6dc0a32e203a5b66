"""Kneser-Ney n-grams: the paper's losses on War and Peace, discounts and a distribution worked by hand."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmbench.datasets.text import Parts, Vocabulary, joined, read_war_and_peace, split_streams
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.ngram import KneserNey

QUICK, LONGER = (1, 2, 3, 4, 5, 6), (7, 8, 9, 20)  # symbols of context: the order less one


def check_ngrams(build: Callable[..., Any]) -> None:
    """Raise ContractError unless a fit on a tiny text gives distributions."""
    found = build(torch.tensor([0, 1, 0, 2, 0, 1, 1, 0]), 3, 4)
    for history in ([0], [0, 1], [3, 3]):
        total = float(found.probabilities(torch.tensor(history)).sum())
        if not abs(total - 1) < 1e-6:
            raise ContractError(f"probabilities after {history} add up to {total:g}, not 1")
    if len(found.nats_by_order(torch.tensor([0, 1, 2]))) != 3:
        raise ContractError("nats_by_order must return one loss an order, 3 here")


NGRAMS = Subject(
    name="ngrams",
    default=KneserNey,
    contract="f(text (T) int64, N, V) fits n-grams up to order N; its nats_by_order(part (T)) returns N losses, nats a "
    "symbol, and its probabilities(history (T)) the distribution (V) of the next symbol",
    check=check_ngrams,
)


def texts(ctx: Context) -> Parts:
    """Return War and Peace's parts, each as one text."""
    text = read_war_and_peace(ctx.files("war_and_peace"))
    return Parts(*(joined(part) for part in split_streams(Vocabulary(text).encode(text))))


def losses(ctx: Context, contexts: tuple[int, ...]) -> dict[str, float]:
    """Fit up to the longest context; return the test losses."""
    parts = texts(ctx)
    found = ctx.subject("ngrams")(parts.train, max(contexts) + 1, 87).nats_by_order(parts.test)
    return {f"context_{n}": found[n] for n in contexts}


@experiment(*(f"context_{n}" for n in QUICK), tier="quick", artifacts=("war_and_peace",), subjects=(NGRAMS,))
def short_contexts(ctx: Context) -> dict[str, float]:
    """Measure the test loss on War and Peace of models that see up to 6 symbols: of the 2-gram to the 7-gram."""
    return losses(ctx, QUICK)


@experiment(*(f"context_{n}" for n in LONGER), tier="slow", artifacts=("war_and_peace",), subjects=(NGRAMS,))
def long_contexts(ctx: Context) -> dict[str, float]:
    """Measure the test loss on War and Peace of models that see 7, 8, 9 and 20 symbols."""
    return losses(ctx, LONGER)


@experiment("continuation_francisco", "continuation_glasses", tier="quick", subjects=(NGRAMS,))
def continuations(ctx: Context) -> dict[str, float]:
    """Fit bigrams to a text where one word is frequent after one word, another rarer after many, and compare both.

    The words are 0 Francisco, 1 glasses, 2 San, 3 to 7 others; unigram probabilities after a history never seen.
    """
    text = torch.tensor([[2, 0]] * 6 + [[word, 1] for word in (3, 4, 5, 6)]).T.contiguous()
    found: Tensor = ctx.subject("ngrams")(text, 2, 9).probabilities(torch.tensor([8]))
    return {"continuation_francisco": float(found[0]), "continuation_glasses": float(found[1])}
