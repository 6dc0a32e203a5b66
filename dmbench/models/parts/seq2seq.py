"""What models share that translate word by word: sizes, embeddings, the output, likelihoods, checks of what comes in.

Source: Cho et al. (2014), arXiv:1406.1078; the equations stand in `models.rnn_encoder_decoder`. Symbols are those of
`datasets.parallel_text`: PAD fills up; its embedding is zero, so that it stands for y_0 as well.

Shapes: S source and T target symbols, EOS included; B sentences; K target vocabulary; H hidden; E embedding; M maxout
units; N any symbols.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from dmbench.datasets.parallel_text import PAD
from dmbench.layers.dropout import dropout
from dmbench.layers.linear import Linear
from dmbench.layers.maxout import MaxoutLinear, maxout

Memory = tuple[Tensor, ...]  # what a decoder carries from step to step, the state first; each (B, ...)


@dataclass(frozen=True)
class Sizes:
    """Of a model; the defaults are the paper's (section 4.1.1).

    source, target: symbols of the two vocabularies, PAD, EOS and UNK among them. rank: of the output's matrix G_l G_r.
    dropout: probability, of embeddings and maxout units; the paper has none. std: of the weights that begin as
    Gaussian noise; recurrent ones begin orthogonal.

    Raises: ValueError: a size is below 1, or dropout or std out of range.
    """

    source: int = 15_000
    target: int = 15_000
    embedding: int = 100
    hidden: int = 1000
    maxout: int = 500
    rank: int = 100
    dropout: float = 0.0
    std: float = 0.01

    def __post_init__(self) -> None:
        for name in ("source", "target", "embedding", "hidden", "maxout", "rank"):
            if getattr(self, name) < 1:
                raise ValueError(f"need {name} of at least 1: {getattr(self, name)}")
        if not 0 <= self.dropout < 1 or not self.std > 0:
            raise ValueError(f"need dropout in [0, 1) and std above 0: {self.dropout}, {self.std}")


class Seq2Seq(nn.Module):
    """What encoder-decoders share: embeddings, the output, likelihoods. A subclass says how it encodes and advances.

    code: the width of what `advance` gives to the output beside the state, c or its like.
    """

    def __init__(self, sizes: Sizes, code: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.source = nn.Embedding(sizes.source, sizes.embedding, padding_idx=PAD)
        self.target = nn.Embedding(sizes.target, sizes.embedding, padding_idx=PAD)
        self.w = Linear(sizes.embedding, 3 * sizes.hidden)  # W of r, z and the new state, one below the other
        self.units = MaxoutLinear(sizes.hidden + sizes.embedding, sizes.maxout, 2)  # O_h and O_y
        self.o_c = Linear(code, 2 * sizes.maxout, bias=False)
        self.g_r = Linear(sizes.maxout, sizes.rank, bias=False)
        self.g_l = Linear(sizes.rank, sizes.target)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Read sentences, source (S, B) of these lengths (B); return what the decoder begins with."""
        raise NotImplementedError

    def advance(self, x: Tensor, memory: Memory) -> tuple[Memory, Tensor]:
        """Make one step of the decoder.

        Args: x: (B, 3H), W e(y_tm1). memory: before the step.

        Returns: the memory after it, whose first tensor is the state (B, H), and O_c c of it (B, 2M).
        """
        raise NotImplementedError

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Return log p of each target symbol given those before it and the source, nats, (T, B); 0 where there is PAD.

        Args: source: (S, B), PAD after the end. lengths: (B), of the source sentences. target: (T, B), PAD after EOS.

        Raises: ValueError: a shape or a length does not fit, or a symbol is not in its vocabulary.
        """
        self.check(target, "target")
        memory = self.encode(source, lengths)
        if target.shape[1] != source.shape[1]:
            raise ValueError(f"need as many targets as sources, {source.shape[1]}: {target.shape[1]}")
        y_tm1 = torch.cat([torch.full_like(target[:1], PAD), target[:-1]])
        e = self.dropped(self.target(y_tm1))
        states, codes = [], []
        for x in self.w(e).unbind():
            memory, code = self.advance(x, memory)
            states.append(memory[0])
            codes.append(code)
        there = target != PAD  # the output, most of the work, is computed for these alone
        logits = self.output(torch.stack(states)[there], e[there], torch.stack(codes)[there])
        log_p = logits.new_zeros(target.shape)
        log_p[there] = -cross_entropy(logits, target[there], reduction="none")
        return log_p

    def step(self, y_tm1: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return log p of all symbols (B, K) after the symbol y_tm1 (B), PAD for none, and the memory after it."""
        e = self.target(y_tm1)
        memory, code = self.advance(self.w(e), memory)
        return log_softmax(self.output(memory[0], e, code), dim=-1), memory

    def score(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Return log p(target | source) of pairs of sentences or phrases (B), nats; the feature of section 3.1."""
        log_p: Tensor = self(source, lengths, target)
        return log_p.sum(0)

    def output(self, state: Tensor, e: Tensor, code: Tensor) -> Tensor:
        """Map states (N, H), embeddings (N, E) and O_c c (N, 2M) to logits (N, K)."""
        m = maxout(self.units.linear(torch.cat([state, e], dim=-1)) + code, 2)
        logits: Tensor = self.g_l(self.g_r(self.dropped(m)))
        return logits

    def dropped(self, x: Tensor) -> Tensor:
        """Drop values in training."""
        return dropout(x, self.sizes.dropout, self.training) if self.sizes.dropout else x

    def read(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Return the embeddings of checked sentences, (S, B, E)."""
        self.check(source, "source")
        if lengths.shape != source.shape[1:] or lengths.is_floating_point():
            raise ValueError(f"need {source.shape[1]} whole lengths: {lengths.dtype} {tuple(lengths.shape)}")
        if bool((lengths < 1).any()) or bool((lengths > len(source)).any()):
            worst = int(lengths.min()) if bool((lengths < 1).any()) else int(lengths.max())
            raise ValueError(f"need lengths of 1, EOS alone, to {len(source)}: {worst}")
        return self.dropped(self.source(source))

    def check(self, symbols: Tensor, side: str) -> None:
        """Raise ValueError unless symbols (., B) are of the vocabulary of a side, "source" or "target"."""
        known = getattr(self.sizes, side)
        if symbols.ndim != 2 or 0 in symbols.shape or symbols.dtype != torch.int64:
            raise ValueError(f"need {side} (symbols, sentences), int64, none empty: {symbols.dtype} {symbols.shape}")
        low, high = symbols.aminmax()
        if int(low) < 0 or int(high) >= known:
            wrong = int(low) if int(low) < 0 else int(high)
            raise ValueError(f"symbol {wrong} is not in the {side} vocabulary of {known:,}: encode unseen words as UNK")

    def begin(self) -> None:
        """Draw weights as the paper does: Gaussian noise, orthogonal recurrent matrices; biases are zero."""
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                nn.init.zeros_(parameter)
            elif name.endswith("weight_hh_l0") or name.startswith("u."):
                for square in parameter.detach().split(self.sizes.hidden):  # type: ignore[no-untyped-call]
                    nn.init.orthogonal_(square)
            else:
                nn.init.normal_(parameter, std=self.sizes.std)
        with torch.no_grad():
            self.source.weight[PAD] = self.target.weight[PAD] = 0
