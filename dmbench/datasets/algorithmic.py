"""Tasks for networks with memory: copy, repeat copy, associative recall, dynamic n-grams, priority sort.

Source: Graves, Wayne and Danihelka (2014), Neural Turing Machines, arXiv:1410.5401, section 4. Every batch is drawn
anew from torch's generator, or from the one given, on the CPU.

Shapes: T time steps, B sequences of a batch, I inputs, O outputs; L vectors of D bits each; all float32.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

ORDER = 6  # of the n-grams: five bits are the context of the sixth


class Batch(NamedTuple):
    """x (T, B, I); targets (T, B, O) in {0, 1}; counted (T, B) in {0, 1}: at which time steps an answer is judged."""

    x: Tensor
    targets: Tensor
    counted: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return it on a device."""
        return Batch(*(part.to(device) for part in self))


def copy(
    length: int, batch: int, *, bits: int = 8, locations: int | None = None, generator: Generator | None = None
) -> Batch:
    """Draw sequences to be copied: L vectors, a delimiter on an input of its own, then L answers without input.

    Args:
        length: L; 1 to 20 in the paper's training. bits: D; I = D + 1, O = D.
        locations: of the memory, if it shall be checked that each vector can have one.

    Raises: ValueError: a size below 1, or more vectors than locations.
    """
    _positive(length=length, batch=batch, bits=bits)
    if locations is not None and length > locations:
        raise ValueError(f"need at most {locations} vectors, one for each location of the memory: {length}")
    vectors = _bits(generator, length, batch, bits)
    x = torch.zeros(2 * length + 1, batch, bits + 1)
    x[:length, :, :bits], x[length, :, bits] = vectors, 1
    return _answered(x, vectors)


def repeat_copy(length: int, repeats: int, batch: int, *, bits: int = 8, generator: Generator | None = None) -> Batch:
    """Draw sequences to be copied several times, and an end marker after the last.

    L vectors, then a delimiter with, on a further input, the number of repeats, so normalised that it has mean 0 and
    variance 1 over 1 to 10.

    Args:
        length, repeats: 1 to 10 each in the paper's training. bits: D; I = D + 2, O = D + 1, the last the end marker.

    Raises: ValueError: a size below 1.
    """
    _positive(length=length, repeats=repeats, batch=batch, bits=bits)
    vectors = _bits(generator, length, batch, bits)
    answers = torch.zeros(repeats * length + 1, batch, bits + 1)
    answers[:-1, :, :bits], answers[-1, :, bits] = vectors.repeat(repeats, 1, 1), 1
    x = torch.zeros(length + 1 + len(answers), batch, bits + 2)
    x[:length, :, :bits], x[length, :, bits] = vectors, 1
    x[length, :, bits + 1] = (repeats - 5.5) / 8.25**0.5
    return _answered(x, answers)


def associative_recall(
    items: int, batch: int, *, length: int = 3, bits: int = 6, generator: Generator | None = None
) -> Batch:
    """Draw lists of items and ask, by one of them, for the one that follows it.

    Each item is L vectors after a delimiter; the query stands between two delimiters of another input.

    Args:
        items: 2 to 6 in the paper's training. length: L, 3 there. bits: D; I = D + 2, O = D.

    Raises: ValueError: fewer than 2 items, or another size below 1.
    """
    _positive(length=length, batch=batch, bits=bits)
    if items < 2:
        raise ValueError(f"need at least 2 items, as the last one is not asked about: {items}")
    vectors = _bits(generator, items, length, batch, bits)
    asked = torch.randint(items - 1, (batch,), generator=generator)
    each = torch.arange(batch)
    listed = torch.zeros(items, length + 1, batch, bits + 2)
    listed[:, 0, :, bits], listed[:, 1:, :, :bits] = 1, vectors
    query = torch.zeros(length + 2, batch, bits + 2)
    query[[0, -1], :, bits + 1] = 1
    query[1:-1, :, :bits] = vectors[asked, :, each].transpose(0, 1)
    x = torch.cat([listed.flatten(0, 1), query, torch.zeros(length, batch, bits + 2)])
    return _answered(x, vectors[asked + 1, :, each].transpose(0, 1))


def dynamic_ngrams(batch: int, *, length: int = 200, generator: Generator | None = None) -> Batch:
    """Draw bits of random 6-grams: each sequence has 32 probabilities of a one, one for each five bits before it.

    They are drawn from Beta(1/2, 1/2). The input is a bit and the answer the next one, from the sixth on; I = O = 1.

    Raises: ValueError: fewer than 6 bits, or no sequence.
    """
    _positive(batch=batch)
    if length < ORDER:
        raise ValueError(f"need at least {ORDER} bits: {length}")
    contexts = 2 ** (ORDER - 1)
    # sin^2 of a uniform angle has the density of Beta(1/2, 1/2).
    p_one = torch.sin(torch.rand(batch, contexts, generator=generator) * (torch.pi / 2)) ** 2
    drawn = torch.rand(length, batch, generator=generator)
    bits = torch.zeros(length, batch)
    for t in range(length):
        p = p_one.gather(1, context(bits, t)[:, None])[:, 0] if t >= ORDER - 1 else 0.5
        bits[t] = (drawn[t] < p).float()
    counted = torch.zeros(length - 1, batch)
    counted[ORDER - 2 :] = 1
    return Batch(bits[:-1, :, None], bits[1:, :, None], counted)


def priority_sort(
    batch: int, *, vectors: int = 20, sorted_vectors: int = 16, bits: int = 8, generator: Generator | None = None
) -> Batch:
    """Draw vectors with priorities, uniform in [-1, 1]; the answers are those of the highest, in falling order.

    A priority is on an input of its own, as is the delimiter after the last vector. I = D + 2, O = D.

    Raises: ValueError: a size below 1, or more vectors to be returned than there are.
    """
    _positive(batch=batch, vectors=vectors, sorted_vectors=sorted_vectors, bits=bits)
    if sorted_vectors > vectors:
        raise ValueError(f"need sorted_vectors of at most {vectors}, the number of vectors: {sorted_vectors}")
    drawn = _bits(generator, vectors, batch, bits)
    priorities = torch.rand(vectors, batch, generator=generator) * 2 - 1
    order = priorities.argsort(0, descending=True)[:sorted_vectors]
    x = torch.zeros(vectors + 1 + sorted_vectors, batch, bits + 2)
    x[:vectors, :, :bits], x[:vectors, :, bits], x[vectors, :, bits + 1] = drawn, priorities, 1
    return _answered(x, drawn.gather(0, order[..., None].expand(-1, -1, bits)))


def optimal_ngrams(bits: Tensor) -> Tensor:
    """Return the best guess at each bit from the sixth on, (T - 5, B) for bits (T, B): (N1 + 1/2) / (N0 + N1 + 1).

    N1 and N0: how many ones and zeros followed the same five bits before (section 4.4).

    Raises: ValueError: fewer than 6 bits.
    """
    if len(bits) < ORDER:
        raise ValueError(f"need at least {ORDER} bits: {len(bits)}")
    counts = torch.zeros(bits.shape[1], 2 ** (ORDER - 1), 2, dtype=torch.float64)
    each, guesses = torch.arange(bits.shape[1]), []
    for t in range(ORDER - 1, len(bits)):
        seen = context(bits, t)
        zeros, ones = counts[each, seen].unbind(-1)
        guesses.append((ones + 0.5) / (zeros + ones + 1))
        counts[each, seen, bits[t].long()] += 1
    return torch.stack(guesses)


def context(bits: Tensor, t: int) -> Tensor:
    """Return which of 32 contexts the five bits before time step t make, (B,)."""
    places = 2 ** torch.arange(ORDER - 1)
    return (bits[t - ORDER + 1 : t].long() * places[:, None]).sum(0)


def together(batches: Sequence[Batch]) -> Batch:
    """Join batches of different lengths into one; shorter ones are padded at the end, where nothing is counted.

    Raises: ValueError: no batch, or numbers of inputs or outputs that differ.
    """
    sizes = {(batch.x.shape[2], batch.targets.shape[2]) for batch in batches}
    if len(sizes) != 1:
        raise ValueError(f"need batches of one task, with as many inputs and outputs: {sorted(sizes)}")
    longest = max(len(batch.x) for batch in batches)
    padded = [
        Batch(*(pad(part, [0, 0] * (part.ndim - 1) + [0, longest - len(part)]) for part in batch)) for batch in batches
    ]
    return Batch(*(torch.cat(parts, 1) for parts in zip(*padded, strict=True)))


def _answered(x: Tensor, answers: Tensor) -> Batch:
    """Return the batch whose answers are due at its last time steps."""
    before = len(x) - len(answers)
    targets = torch.cat([answers.new_zeros(before, *answers.shape[1:]), answers])
    counted = torch.cat([torch.zeros(before), torch.ones(len(answers))])
    return Batch(x, targets, counted[:, None].repeat(1, x.shape[1]))


def _bits(generator: Generator | None, *shape: int) -> Tensor:
    return torch.randint(2, shape, generator=generator).float()


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"need {name} of at least 1: {size}")
