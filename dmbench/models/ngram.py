"""The n-gram language model with modified Kneser-Ney smoothing, interpolated: Karpathy et al.'s baseline.

Source: Chen and Goodman (1999), An empirical study of smoothing techniques for language modeling, Computer Speech and
Language 13, section 3 (modified Kneser-Ney); discounts that a short text leaves undefined are 1/2, 1 and 3/2, as in
KenLM. Symbols: w a symbol, h its history of n - 1, h' the history without its first symbol, c(h w) how often h w
occurs, N(. h w) how many unlike symbols come before it, n_i how many unlike n-grams have a count of i:

    p(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) p(w | h')     gamma(h) = sum_w D(c(h w)) / c(h .)
    D(i) = i - (i + 1) Y n_(i+1) / n_i for i = 1, 2; D(i) = 3 - 4 Y n_4 / n_3 from 3 on;  Y = n_1 / (n_1 + 2 n_2)

c is the count at the highest order, and N(. h w) at all lower ones; below the unigrams stands 1 / V. A history that was
never seen leaves p(w | h').

Shapes: V symbols, N orders, T time steps, B sequences side by side; symbols (T, B), int64.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

FALLBACK = (0.5, 1.0, 1.5)
# Keys that can be so many are counted in a table; more are sorted, which takes a quarter of a second a million.
TABLE = 16_000_000


class Grams(NamedTuple):
    """The unlike n-grams of one order, sorted by the code of (history, last symbol).

    keys: history's index among the n-grams one shorter, times V, plus the symbol. counts: how often each occurs;
    preceded: by how many unlike symbols, None at the highest order.
    """

    keys: Tensor
    counts: Tensor
    preceded: Tensor | None


class KneserNey:
    """Counts of all n-grams up to an order, and the probabilities that come of them.

    Args:
        text: what it is fitted to, (T, B): B sequences that have nothing to do with each other; or (T).
        order: N, at least 1: the symbol itself and N - 1 before it.
        symbols: V; codes count from 0 to V - 1, and those that the text lacks get probability too.

    Raises:
        ValueError: the text is empty, the order below 1, or a code is none of V.
    """

    def __init__(self, text: Tensor, order: int, symbols: int) -> None:
        if order < 1 or symbols < 1:
            raise ValueError(f"need an order and symbols of at least 1: {order}, {symbols}")
        if text.numel() == 0:
            raise ValueError("an empty text has no n-grams")
        self.order, self.symbols = order, symbols
        x = self._checked(text)
        self.levels: list[Grams] = []
        shorter = torch.zeros_like(x)  # of the n-gram one shorter that ends here; at first the empty one
        history: Tensor | None = None
        for n in range(1, order + 1):
            history = torch.zeros_like(x) if n == 1 else _before(shorter)
            there = history >= 0
            keys, index, counts = _unlike((history * symbols + x)[there], self._contexts(n) * symbols)
            if n > 1:
                suffixes = keys.new_empty(len(keys))
                suffixes[index] = shorter[there]
                below = self.levels[-1]
                self.levels[-1] = below._replace(preceded=torch.bincount(suffixes, minlength=len(below.keys)))
            self.levels.append(Grams(keys, counts, None))
            shorter = torch.full_like(x, -1)
            shorter[there] = index

    def score(self, part: Tensor) -> Tensor:
        """Return the log probability, (T - 1, B), of each symbol but a sequence's first, given those before it.

        Raises:
            ValueError: a part of fewer than two rows, or a code is none of V.
        """
        *_, last = self._by_order(part)
        return last.log()

    def nats(self, part: Tensor) -> float:
        """Return the mean cross-entropy of a part, (T, B), nats a symbol, of all rows but the first."""
        return -float(self.score(part).mean())

    def nats_by_order(self, part: Tensor) -> list[float]:
        """Return what `nats` of the models of order 1, 2, ..., N would be, of one fit."""
        return [-float(p.log().mean()) for p in self._by_order(part)]

    def probabilities(self, history: Tensor) -> Tensor:
        """Return the distribution of the symbol after a history (T), T at least 1: (V)."""
        part = torch.cat([history[:, None].expand(-1, self.symbols), torch.arange(self.symbols)[None]])
        return self.score(part)[-1].exp()

    def _by_order(self, part: Tensor) -> Iterator[Tensor]:
        """Give the probabilities, (T - 1, B), by the model of each order."""
        if part.ndim == 0 or len(part) < 2:
            raise ValueError(f"need a part of at least two rows: {tuple(part.shape)}")
        y = self._checked(part)
        lower = torch.full(y.shape, 1 / self.symbols, dtype=torch.float64)
        shorter = torch.zeros_like(y)
        for n, level in enumerate(self.levels, 1):
            if not len(level.keys):  # no sequence of the text is so long
                yield lower[1:]
                continue
            history = torch.zeros_like(y) if n == 1 else _before(shorter)
            key = (history * self.symbols + y).contiguous()
            at = torch.searchsorted(level.keys, key).clamp_(max=len(level.keys) - 1)
            found = (history >= 0) & (level.keys[at] == key)
            yield self._interpolated(n, level.counts, history, at, found, lower)[1:]
            if level.preceded is not None:
                lower = self._interpolated(n, level.preceded, history, at, found, lower)
            shorter = torch.where(found, at, -1)

    def _interpolated(
        self, n: int, counts: Tensor, history: Tensor, at: Tensor, found: Tensor, lower: Tensor
    ) -> Tensor:
        """The first equation at order n, where the n-grams have these counts."""
        taken = discounts(counts)[counts.clamp(max=3)]
        of = torch.div(self.levels[n - 1].keys, self.symbols, rounding_mode="floor")
        size = self._contexts(n)
        total = torch.bincount(of, counts.double(), size)
        gamma = torch.bincount(of, taken, size)
        h = history.clamp(min=0)
        seen = (history >= 0) & (total[h] > 0)
        kept = torch.where(found, counts.double()[at] - taken[at], 0.0)
        return torch.where(seen, (kept + gamma[h] * lower) / total[h].clamp(min=1), lower)

    def _contexts(self, n: int) -> int:
        return 1 if n == 1 else len(self.levels[n - 2].keys)

    def _checked(self, codes: Tensor) -> Tensor:
        if codes.min() < 0 or codes.max() >= self.symbols:
            raise ValueError(f"codes count from 0 to {self.symbols - 1}: {int(codes.min())} to {int(codes.max())}")
        return codes[:, None] if codes.ndim == 1 else codes


def discounts(counts: Tensor) -> Tensor:
    """Return D(0), D(1), D(2) and D(3 and more) for n-grams with these counts; D(0) is 0."""
    n_1, n_2, n_3, n_4 = ((counts == i).sum().item() for i in (1, 2, 3, 4))
    found = list(FALLBACK)
    if n_1 and n_2 and n_3:
        y = n_1 / (n_1 + 2 * n_2)
        found = [1 - 2 * y * n_2 / n_1, 2 - 3 * y * n_3 / n_2, 3 - 4 * y * n_4 / n_3]
        found = [d if 0 <= d <= i else FALLBACK[i - 1] for i, d in enumerate(found, 1)]
    return torch.tensor([0.0, *found], dtype=torch.float64)


def _before(index: Tensor) -> Tensor:
    """Return what stood one time step before, and -1 in the first."""
    return torch.cat([index.new_full((1, *index.shape[1:]), -1), index[:-1]])


def _unlike(keys: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the unlike keys, sorted, each key's index among them, and how often each occurs; keys are below limit."""
    if limit > TABLE:
        sorted_keys, index, counts = torch.unique(keys, return_inverse=True, return_counts=True)
        return sorted_keys, index, counts
    table = torch.bincount(keys, minlength=limit)
    unlike = table.nonzero()[:, 0]
    places = (table > 0).cumsum(0) - 1
    return unlike, places[keys], table[unlike]
