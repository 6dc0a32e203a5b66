"""Attention, an extension of the RNN encoder-decoder: the decoder looks at the source anew at every step.

Source: Bahdanau, Cho, Bengio (2014), Neural Machine Translation by Jointly Learning to Align and Translate,
arXiv:1409.0473, section 3 and its appendix; the equations were written down from memory. Two recurrent networks read
the source, one from each end; their states at symbol j, side by side, are its annotation h_j. At step i of the decoder

    e_ij = v . tanh(W_a g_im1 + U_a h_j)      a_i = softmax of e_i over the sentence      c_i = sum over j of a_ij h_j
    g_i = z * g_im1 + (1 - z) * tanh(W e(y_im1) + U (r * g_im1) + C c_i)      g_0 = tanh(W_s h_1, the backward half)

Differs from the paper: 1. z is 1 where the state is kept, as in `rnn_encoder_decoder`; there it is 1 - z. 2. The
output sees g_i, as in its Eq. 4. 3. The output's matrix is a product of two, as in `rnn_encoder_decoder`.

Shapes: as in `seq2seq`; the alignment has H units.
"""

import torch
from torch import Tensor

from dmbench.layers.gru import GRU
from dmbench.layers.linear import Linear
from dmbench.models.parts.seq2seq import Memory, Seq2Seq, Sizes


class AttentionEncoderDecoder(Seq2Seq):
    """The RNN encoder-decoder with a c of its own for every step, a mean of annotations weighted by attention."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes, code=2 * sizes.hidden)
        hidden = sizes.hidden
        self.forwards, self.backwards = (GRU(sizes.embedding, hidden, reset_after=False) for _ in range(2))
        self.w_s = Linear(hidden, hidden)
        self.w_a, self.u_a = Linear(hidden, hidden, bias=False), Linear(2 * hidden, hidden)
        self.v_a = Linear(hidden, 1, bias=False)
        self.u = Linear(hidden, 3 * hidden, bias=False)  # U of r, z and the new state
        self.c = Linear(2 * hidden, 3 * hidden, bias=False)  # C likewise
        self.begin()

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Return g_0 (B, H), annotations (B, S, 2H), U_a of them (B, S, H), and whether each is there (B, S)."""
        x = self.read(source, lengths)
        turned = turns(lengths, len(x))
        forwards, _ = self.forwards(x)
        backwards = _taken(self.backwards(_taken(x, turned))[0], turned)
        annotations = torch.cat([forwards, backwards], dim=-1).transpose(0, 1).contiguous()
        there = torch.arange(len(x), device=x.device) < lengths[:, None]
        return torch.tanh(self.w_s(backwards[0])), annotations, self.u_a(annotations), there

    def attention(self, memory: Memory) -> Tensor:
        """Return the weights a_i (B, S) of the step that comes next: 0 after a sentence's end, with a sum of 1."""
        g_tm1, _, projected, there = memory
        energy = self.v_a(torch.tanh(self.w_a(g_tm1)[:, None] + projected))[..., 0]
        weights: Tensor = energy.masked_fill(~there, -torch.inf).softmax(dim=-1)
        return weights

    def advance(self, x: Tensor, memory: Memory) -> tuple[Memory, Tensor]:
        """Make one step of the decoder."""
        g_tm1, annotations, *rest = memory
        c = torch.einsum("bs,bsh->bh", self.attention(memory), annotations)
        width = g_tm1.shape[-1]
        x_r, x_z, x_n = (x + self.c(c)).chunk(3, dim=-1)
        u = self.u.weight
        r, z = torch.sigmoid(torch.cat([x_r, x_z], dim=-1) + g_tm1 @ u[: 2 * width].T).chunk(2, dim=-1)
        g = z * g_tm1 + (1 - z) * torch.tanh(x_n + (r * g_tm1) @ u[2 * width :].T)
        return (g, annotations, *rest), self.o_c(c)


def turns(lengths: Tensor, steps: int) -> Tensor:
    """Return the places (steps, B) that turn each sentence round by itself and leave what is after its end."""
    place = torch.arange(steps, device=lengths.device)[:, None]
    return torch.where(place < lengths, lengths - 1 - place, place)


def _taken(x: Tensor, places: Tensor) -> Tensor:
    return x.gather(0, places[..., None].expand(-1, -1, x.shape[-1]))
