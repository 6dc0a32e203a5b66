"""How a recurrent layer maps sequences: one to many, many to one, and many to many, at once or one after the other.

Sources: Karpathy (2015), The unreasonable effectiveness of recurrent neural networks, its first figure; CS231n, lecture
on recurrent networks. A caption is one to many, a sentence's sentiment many to one, a label for every frame many to
many, a translation many to one and then one to many.

Sequences of a batch may differ in length: what lies beyond a sequence's end is never read, and comes out as 0.

Shapes: T time steps, B batch, I inputs, H hidden size, O outputs; lengths (B), int64, from 1 to T.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.layers.gru import GRU
from dmbench.layers.lstm import LSTM
from dmbench.layers.rnn import RNN

UNITS: dict[str, Callable[[int, int], nn.Module]] = {
    "rnn": RNN,
    "rnn_relu": partial(RNN, nonlinearity="relu"),
    "rnn_identity": partial(RNN, nonlinearity="identity"),
    "lstm": LSTM,
    "gru": GRU,
}


class _Mapping(nn.Module):
    """A recurrent layer and a linear one on its hidden state.

    Args:
        unit: a name in UNITS. inputs, hidden, outputs: I, H and O, at least 1.

    Raises:
        ValueError: there is no such unit, or a size is below 1.
    """

    def __init__(self, unit: str, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}: {unit}")
        if min(inputs, hidden, outputs) < 1:
            raise ValueError(f"need inputs, hidden and outputs of at least 1: {inputs}, {hidden}, {outputs}")
        self.layer = UNITS[unit](inputs, hidden)
        self.scores = nn.Linear(hidden, outputs)


class ManyToMany(_Mapping):
    """An output at every time step, of what was read so far."""

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Tensor:
        """Map x (T, B, I) to (T, B, O), 0 beyond a sequence's end. lengths, state: as in `read`."""
        y, _ = read(self.layer, x, lengths, state)
        out: Tensor = self.scores(y)
        return out if lengths is None else out * _inside(lengths, len(x))[..., None]


class ManyToOne(_Mapping):
    """One output, after the last time step of each sequence."""

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Tensor:
        """Map x (T, B, I) to (B, O). lengths, state: as in `read`."""
        y, _ = read(self.layer, x, lengths, state)
        last = y[-1] if lengths is None else y[lengths - 1, torch.arange(len(lengths), device=y.device)]
        out: Tensor = self.scores(last)
        return out


class OneToMany(_Mapping):
    """A sequence of outputs from one input, or from a state alone.

    Args:
        back: maps the output of a time step (B, O) to the next one's input (B, I); None: later inputs are 0.
    """

    def __init__(
        self, unit: str, inputs: int, hidden: int, outputs: int, back: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__(unit, inputs, hidden, outputs)
        self.back = back

    def forward(self, x: Tensor, steps: int, state: Any = None, given: Tensor | None = None) -> Tensor:
        """Write.

        Args:
            x: (B, I), read at the first time step. steps: T, at least 1. state: before the first; None: zeros.
            given: (T - 1, B, I), read at the later time steps instead of what `back` makes (teacher forcing).

        Returns:
            (T, B, O).

        Raises:
            ValueError: steps is below 1, or what is given is of another length.
        """
        if steps < 1 or (given is not None and len(given) != steps - 1):
            later = "nothing" if given is None else f"{len(given)} later inputs"
            raise ValueError(f"need at least 1 step, and one later input less than steps: {steps}, {later}")
        if self.back is None or given is not None:
            rest = x.new_zeros(steps - 1, *x.shape) if given is None else given
            out: Tensor = self.scores(self.layer(torch.cat([x[None], rest]), state)[0])
            return out
        written = []
        for _ in range(steps):
            h, state = self.layer(x[None], state)
            written.append(self.scores(h[0]))
            x = self.back(written[-1])
        return torch.stack(written)


class SequenceToSequence(nn.Module):
    """Many to one, then one to many: a layer reads, and its last state is the first of the one that writes.

    Args:
        unit, inputs, hidden, outputs: as above, I of what is read. back: as in `OneToMany`, whose inputs are O wide.
    """

    def __init__(
        self, unit: str, inputs: int, hidden: int, outputs: int, back: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.writer = OneToMany(unit, outputs, hidden, outputs, back)
        self.reader = UNITS[unit](inputs, hidden)

    def forward(self, x: Tensor, steps: int, lengths: Tensor | None = None, given: Tensor | None = None) -> Tensor:
        """Map x (T, B, I) to (steps, B, O); the first input of the writer is 0. given: as in `OneToMany`."""
        _, state = read(self.reader, x, lengths)
        first = x.new_zeros(x.shape[1], self.writer.scores.out_features)
        out: Tensor = self.writer(first, steps, state, given)
        return out


def read(layer: nn.Module, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> tuple[Tensor, Any]:
    """Run a layer over sequences that may differ in length, each to its own end.

    Between one end and the next the layer runs over the sequences that still go on, so nothing beyond an end is read.

    Args:
        layer: one direction; layer(x, state) as torch.nn's. x: (T, B, I). lengths: None: all are T long.
        state: before the first time step; None: zeros.

    Returns:
        y (T, B, H), 0 beyond a sequence's end, and the state of each at its own end.

    Raises:
        ValueError: lengths are not B whole numbers from 1 to T, or the layer is bidirectional.
    """
    if lengths is None:
        found: tuple[Tensor, Any] = layer(x, state)
        return found
    _check_lengths(layer, x, lengths)
    order = lengths.argsort(descending=True, stable=True)
    back = order.argsort()
    steps, state = x[:, order], _of(state, order)
    pieces, ended = [], []
    start, going = 0, x.shape[1]
    for end in sorted(set(lengths.tolist())):
        y, state = layer(steps[start:end, :going], state)
        pieces.append(nn.functional.pad(y, (0, 0, 0, x.shape[1] - going)))
        still = int((lengths > end).sum())
        ended.append(_of(state, slice(still, going)))
        state, start, going = _of(state, slice(0, still)), end, still
    y = nn.functional.pad(torch.cat(pieces), (0, 0, 0, 0, 0, len(x) - start))
    ended.reverse()
    if isinstance(ended[0], Tensor):
        return y[:, back], torch.cat(ended, 1)[:, back]
    return y[:, back], tuple(torch.cat(parts, 1)[:, back] for parts in zip(*ended, strict=True))


def _of(state: Any, which: Any) -> Any:
    """Return the state of some sequences; it is (1, B, H), a tuple of such, or None."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state[:, which]
    return tuple(one[:, which] for one in state)


def _inside(lengths: Tensor, steps: int) -> Tensor:
    """Return which time steps lie within their sequences, (T, B)."""
    return torch.arange(steps, device=lengths.device)[:, None] < lengths


def _check_lengths(layer: nn.Module, x: Tensor, lengths: Tensor) -> None:
    if getattr(layer, "bidirectional", False):
        raise ValueError("a bidirectional layer reads from the end: turn each sequence around within its own length")
    if lengths.shape != x.shape[1:2] or lengths.dtype != torch.int64:
        raise ValueError(f"need {x.shape[1]} lengths, int64: {tuple(lengths.shape)}, {lengths.dtype}")
    if lengths.min() < 1 or lengths.max() > len(x):
        raise ValueError(f"lengths go from 1 to {len(x)}, the steps there are: {lengths.tolist()}")
