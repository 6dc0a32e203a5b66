"""An encoder-decoder of torch's own layers: torch.nn.GRU reads and writes; c is fed to every step and to the output."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from dmbench.models.rnn_encoder_decoder import Sizes

PAD = 0


class TorchEncoderDecoder(nn.Module):
    """As a user would write it: torch's units, whose reset comes after the product, and a linear output."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.source = nn.Embedding(sizes.source, sizes.embedding, padding_idx=PAD)
        self.target = nn.Embedding(sizes.target, sizes.embedding, padding_idx=PAD)
        self.encoder = nn.GRU(sizes.embedding, sizes.hidden)
        self.decoder = nn.GRU(sizes.embedding + sizes.hidden, sizes.hidden)
        self.dropped = nn.Dropout(sizes.dropout)
        self.output = nn.Sequential(
            nn.Linear(2 * sizes.hidden + sizes.embedding, sizes.rank), nn.Linear(sizes.rank, sizes.target)
        )

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Return c twice: the decoder's first state is c."""
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropped(self.source(source)), lengths.cpu(), enforce_sorted=False
        )
        c = self.encoder(packed)[1][0]
        return c, c

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Return log p of each target symbol (T, B), 0 where there is PAD."""
        _, c = self.encode(source, lengths)
        e = self.dropped(self.target(torch.cat([torch.full_like(target[:1], PAD), target[:-1]])))
        every = c.expand(len(target), -1, -1)
        states, _ = self.decoder(torch.cat([e, every], -1), c[None])
        there = target != PAD
        logits = self.output(self.dropped(torch.cat([states, every, e], -1)[there]))
        log_p: Tensor = logits.new_zeros(target.shape)
        log_p[there] = -cross_entropy(logits, target[there], reduction="none")
        return log_p

    def step(self, y_tm1: Tensor, memory: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return log p of all symbols (B, K), and the state after, with c."""
        state, c = memory
        e = self.target(y_tm1)
        _, after = self.decoder(torch.cat([e, c], -1)[None], state[None].contiguous())
        return log_softmax(self.output(torch.cat([after[0], c, e], -1)), -1), (after[0], c)


PEERS = {"torch.nn": {"model": TorchEncoderDecoder}}
