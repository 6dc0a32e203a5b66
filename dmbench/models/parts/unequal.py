"""A recurrent layer over sequences of unlike lengths: each as if it were alone, none sees padding.

Shapes: T time steps, B sequences, I inputs, H units.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


def run_unequal(layer: Any, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a layer with a state of two tensors (h, c) over sequences, the longest first, those that ended left out.

    Args:
        layer: called with x (T, B, I) and a state; its `hidden_size` is H.
        x: (T, B, I), padded by anything finite. lengths: (B), 1 to T.

    Returns:
        y (T, B, H), zero behind the end, and h and c (B, H) of each at its last step.

    Raises:
        ValueError: lengths are of another shape or out of range.
    """
    steps, batch = x.shape[:2]
    if lengths.shape != (batch,) or batch < 1 or int(lengths.min()) < 1 or int(lengths.max()) > steps:
        raise ValueError(f"need {batch} lengths, each from 1 to {steps}: {lengths.tolist()[:8]}")
    order = lengths.argsort(descending=True, stable=True)
    x, ends = x[:, order], lengths[order].tolist()
    state: tuple[Tensor, ...] = (x.new_zeros(1, batch, layer.hidden_size),) * 2
    outputs, first = [], 0
    for last in sorted(set(ends)):
        alive = sum(end >= last for end in ends)
        y, after = layer(x[first:last, :alive], tuple(part[:, :alive] for part in state))
        outputs.append(pad(y, (0, 0, 0, batch - alive)))
        state = tuple(torch.cat([new, old[:, alive:]], 1) for new, old in zip(after, state, strict=True))
        first = last
    y = pad(torch.cat(outputs), (0, 0, 0, 0, 0, steps - first))
    back = order.argsort()
    return y[:, back], tuple(part[0, back] for part in state)
