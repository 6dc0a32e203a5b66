"""How well sequences of bits are answered: cost in bits, and bits that are wrong.

Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines, arXiv:1410.5401, section 4: cost in bits.

Shapes: T time steps, B sequences, O outputs. scores (T, B, O), before the logistic function; targets (T, B, O) in
{0, 1}; counted (T, B) in {0, 1}, at which time steps an answer is judged.
"""

from math import log

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def bits_per_sequence(scores: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Return the cross-entropy of each sequence, (B,), summed over time steps and outputs, in bits.

    Raises: ValueError: shapes that do not fit, or nothing is counted.
    """
    _check(scores, targets, counted)
    nats = binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(-1)
    return (nats * counted).sum(0) / log(2)


def wrong_bits(scores: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Return how many answers of each sequence are wrong, (B,), when probabilities are rounded to 0 or 1.

    Raises: ValueError: shapes that do not fit, or nothing is counted.
    """
    _check(scores, targets, counted)
    wrong = ((scores > 0) != (targets > 0.5)).sum(-1)
    return (wrong * counted).sum(0)


def _check(scores: Tensor, targets: Tensor, counted: Tensor) -> None:
    if scores.ndim != 3 or scores.shape != targets.shape or scores.shape[:2] != counted.shape:
        shapes = ", ".join(str(tuple(part.shape)) for part in (scores, targets, counted))
        raise ValueError(f"need scores and targets (T, B, O) of one shape and counted (T, B): {shapes}")
    if not counted.any():
        raise ValueError(f"no time step of {len(counted)} is counted")
