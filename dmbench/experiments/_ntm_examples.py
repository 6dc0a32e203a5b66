"""Worked examples of the neural Turing machine: one head on one memory, and n-grams by the integral."""

from math import lgamma, log, pi

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dmbench.datasets.algorithmic import context
from dmbench.harness.experiment import Context


def located(
    ctx: Context,
    w_tm1: Tensor,
    memory: Tensor | None = None,
    k: Tensor | None = None,
    beta: float = 1.0,
    g: float = 0.0,
    s: Tensor | None = None,
    gamma: float = 1.0,
) -> Tensor:
    """Return one head's next weighting (N,); by default one that ignores content and does not move."""
    memory = torch.eye(len(w_tm1), 3) if memory is None else memory
    k = torch.ones(memory.shape[1]) if k is None else k
    s = torch.tensor([0.0, 1.0, 0.0]) if s is None else s
    scalars = [torch.tensor([[[value]]]) for value in (beta, g, gamma)]
    found: Tensor = ctx.subject("address")(
        memory[None], w_tm1[None, None], k[None, None], *scalars[:2], s[None, None], scalars[2]
    )
    return found[0, 0]


def on(location: int, locations: int = 8) -> Tensor:
    return one_hot(torch.tensor(location), locations).float()


def log_evidence(bits: Tensor) -> float:
    """Return the log probability of the bits (T,) from the sixth on, the 32 unknown probabilities integrated out."""
    total = 0.0
    before = [int(context(bits[:, None], t)) for t in range(5, len(bits))]
    for which in set(before):
        followed = [float(bit) for seen, bit in zip(before, bits[5:], strict=True) if seen == which]
        ones, zeros = sum(followed), len(followed) - sum(followed)
        total += lgamma(ones + 0.5) + lgamma(zeros + 0.5) - lgamma(ones + zeros + 1) - log(pi)
    return total
