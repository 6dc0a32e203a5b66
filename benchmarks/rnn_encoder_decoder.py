"""The RNN encoder-decoder: gradients of a batch, whose seconds give tokens a second, and beam search of 100 sentences.

Sizes: those that dmbench trains on Multi30k (experiments/rnn_encoder_decoder.py), and Cho et al. (2014), section
4.1.1, with half of its units and its vocabulary of 15,000.
"""

import torch

from dmbench.datasets.parallel_text import EOS, PAD
from dmbench.models.parts.attention import AttentionEncoderDecoder
from dmbench.models.parts.search import beam_search
from dmbench.models.rnn_encoder_decoder import RNNEncoderDecoder, Sizes
from dmbench.peers.rnn_encoder_decoder import PEERS

from ._common import _Measured, device_or_skip, with_peers

SIZES = {
    "192 units, 3.8k words": Sizes(4246, 3810, embedding=96, hidden=192, maxout=192, rank=96),
    "500 units, 15k words": Sizes(hidden=500, maxout=250),
}
MODELS = with_peers(RNNEncoderDecoder, PEERS, "model") | {"dmbench, attention": AttentionEncoderDecoder}
LENGTH = 15  # symbols a sentence, as in Multi30k, EOS included


def _sentences(count: int, words: int, shortest: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sentences of lengths from `shortest` to LENGTH, (T, B), and their lengths (B)."""
    lengths = torch.randint(shortest, LENGTH + 1, (count,))
    place = torch.arange(LENGTH)[:, None]
    symbols = torch.where(place < lengths - 1, torch.randint(3, words, (LENGTH, count)), PAD)
    symbols[lengths - 1, torch.arange(count)] = EOS
    return symbols.to(device), lengths.to(device)


class Training(_Measured):
    """One batch of 64 pairs, some 800 target symbols: their likelihood, and the gradients of all weights."""

    own = ("dmbench, attention",)
    params = (list(SIZES), list(MODELS), ["cpu", "cuda"])
    param_names = ("size", "implementation", "device")
    headline = (("192 units, 3.8k words",),)

    def setup(self, size, implementation, device):
        self.device = device_or_skip(device)
        sizes = SIZES[size]
        net = MODELS[implementation](sizes).to(self.device)
        source, lengths = _sentences(64, sizes.source, LENGTH - 5, self.device)
        target, _ = _sentences(64, sizes.target, LENGTH - 5, self.device)
        self.run = lambda: torch.autograd.grad(net(source, lengths, target).sum(), list(net.parameters()))


class Beam(_Measured):
    """100 sentences at once, 15 steps: no translation ends before, since EOS is unlikely."""

    own = ("dmbench, attention",)
    params = ([1, 5], list(MODELS), ["cpu", "cuda"])
    param_names = ("beam", "implementation", "device")
    headline = ((5,),)

    def setup(self, beam, implementation, device):
        self.device = device_or_skip(device)
        sizes = SIZES["192 units, 3.8k words"]
        net = MODELS[implementation](sizes).to(self.device).eval()
        source, lengths = _sentences(100, sizes.source, LENGTH - 5, self.device)
        self.run = lambda: beam_search(net, source, lengths, beam, LENGTH)
