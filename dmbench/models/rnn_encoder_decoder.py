"""The RNN encoder-decoder: a recurrent network reads a sentence into a vector c, another writes a translation from c.

Source: Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation, arXiv:1406.1078, sections 2.2 to 3.1 and 4.1.1, and its appendix, whose equations were written down from
memory. * is element by element, s the logistic function:

    encoder   h_t = z * h_tm1 + (1 - z) * tanh(W e(x_t) + U (r * h_tm1)), h_0 = 0        c = tanh(V h_S)
    decoder   g_t = z' * g_tm1 + (1 - z') * tanh(W' e(y_tm1) + r' * (U' g_tm1 + C c)), g_0 = tanh(V' c), e(y_0) = 0
              z' = s(W_z' e(y_tm1) + U_z' g_tm1 + C_z c), r' likewise: c is fed to every step
    output    m = max over pairs of O_h g_t + O_y e(y_tm1) + O_c c        log p(y_t) = log softmax(G_l G_r m)

The reset of the decoder thus multiplies the product U' g_tm1, as torch.nn.GRU's does, with C c beside it as a bias of
each sentence; that of the encoder multiplies the state before the product, as torch's does not.

Shapes: S source symbols, EOS included; B sentences; H hidden; M maxout units.
"""

import torch
from torch import Tensor

from dmbench.layers.gru import GRU
from dmbench.layers.linear import Linear
from dmbench.models.parts.seq2seq import Memory, Seq2Seq
from dmbench.models.parts.seq2seq import Sizes as Sizes  # users take both from here


class RNNEncoderDecoder(Seq2Seq):
    """The paper's model: the whole source sentence is one vector c, which every step of the decoder is fed."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes, code=sizes.hidden)
        hidden = sizes.hidden
        self.encoder = GRU(sizes.embedding, hidden, reset_after=False)
        self.v = Linear(hidden, hidden)
        self.v_decoder = Linear(hidden, hidden)
        self.u = Linear(hidden, 3 * hidden, bias=False)  # U' of r, z and the new state
        self.c = Linear(hidden, 3 * hidden, bias=False)  # C likewise
        self.begin()

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Return g_0 (B, H), C c (B, 3H) and O_c c (B, 2M)."""
        y, _ = self.encoder(self.read(source, lengths))
        last = y[
            lengths - 1, torch.arange(len(lengths), device=y.device)
        ]  # what it reads after the end is not looked at
        c = torch.tanh(self.v(last))
        return torch.tanh(self.v_decoder(c)), self.c(c), self.o_c(c)

    def advance(self, x: Tensor, memory: Memory) -> tuple[Memory, Tensor]:
        """Make one step of the decoder."""
        g_tm1, from_c, code = memory
        x_r, x_z, x_n = x.chunk(3, dim=-1)
        r, z, n = (self.u(g_tm1) + from_c).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + r), torch.sigmoid(x_z + z)
        g = z * g_tm1 + (1 - z) * torch.tanh(x_n + r * n)
        return (g, from_c, code), code
