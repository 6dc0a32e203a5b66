"""Kneser-Ney 5-grams of a million symbols: fitting, and scoring a tenth of it."""

import torch

from dmbench.models.ngram import KneserNey

from ._common import _Measured, device_or_skip

ORDER, SYMBOLS = 5, 87  # as unlike as War and Peace's


class Fit(_Measured):
    """Symbols drawn so that a few are frequent, as in a text; on a CPU alone."""

    params = ([1_000_000], ["dmbench"], ["cpu"])
    param_names = ("symbols", "implementation", "device")

    def setup(self, symbols, implementation, device):
        self.device = device_or_skip(device)
        text = _text(symbols)
        self.run = lambda: KneserNey(text, ORDER, SYMBOLS)


class Score(_Measured):
    """The probabilities of 100,000 symbols."""

    params = ([100_000], ["dmbench"], ["cpu"])
    param_names = ("symbols", "implementation", "device")

    def setup(self, symbols, implementation, device):
        self.device = device_or_skip(device)
        text = _text(1_000_000 + symbols)
        model = KneserNey(text[symbols:], ORDER, SYMBOLS)
        self.run = lambda: model.score(text[:symbols])


def _text(symbols):
    shares = torch.arange(1, SYMBOLS + 1) ** -1.5
    return torch.multinomial(shares, symbols, replacement=True, generator=torch.Generator().manual_seed(0))
