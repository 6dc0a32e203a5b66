"""Text as symbols: War and Peace and tiny Shakespeare, vocabularies, and the parts that models learn and are judged on.

Sources: both texts and the split are those of Karpathy's char-rnn (2015), and so of Karpathy, Johnson and Li (2015),
arXiv:1506.02078, section 4.1. A symbol is a byte: War and Peace has 3,258,246 of them, 87 unlike ones; in UTF-8 they
are 3,258,227 characters, 84 unlike ones.

Shapes: N symbols, B streams that are read side by side, T time steps; a part is (T + 1, B), int64: row t + 1 is the
target of row t.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

WAR_AND_PEACE = 3_258_246  # bytes; copies that are about carry other text after them
SHAKESPEARE = 1_115_394


class Parts(NamedTuple):
    """What a model learns from, what chooses among models, and what judges the one chosen."""

    train: Tensor
    validation: Tensor
    test: Tensor


class Vocabulary:
    """The unlike symbols of a text, in order of their bytes, and their codes from 0.

    Args:
        symbols: any text; each of its bytes becomes a symbol once. A str is taken as UTF-8.

    Raises:
        ValueError: the text is empty.
    """

    def __init__(self, symbols: bytes | str) -> None:
        present = sorted(set(_bytes(symbols)))
        if not present:
            raise ValueError("an empty text has no symbols")
        self.symbols = bytes(present)
        self._codes = torch.full((256,), -1)
        self._codes[present] = torch.arange(len(present))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: bytes | str) -> Tensor:
        """Return the codes of a text, (N), int64.

        Raises:
            ValueError: the text is empty, or holds a symbol that is not in the vocabulary.
        """
        content = _bytes(text)
        if not content:
            raise ValueError("there is nothing to encode: the text is empty")
        codes = self._codes[torch.frombuffer(bytearray(content), dtype=torch.uint8).long()]
        if codes.min() < 0:
            place = int((codes < 0).nonzero()[0])
            raise ValueError(
                f"symbol {content[place : place + 1]!r} at byte {place} is none of the vocabulary's {len(self)}: "
                "build it from all of the text, or leave the symbol out"
            )
        return codes

    def decode(self, codes: Tensor) -> bytes:
        """Return the text of codes (N).

        Raises:
            ValueError: a code is not in the vocabulary.
        """
        known = bytes(self.symbols)
        if codes.numel() and not 0 <= codes.min() <= codes.max() < len(self):
            raise ValueError(f"codes count from 0 to {len(self) - 1}: {int(codes.min())} to {int(codes.max())}")
        return bytes(known[code] for code in codes.tolist())


def read_war_and_peace(files: Mapping[str, Path]) -> bytes:
    """Return the text that the paper trains on: the first 3,258,246 bytes of the one file.

    Raises:
        ValueError: it is not one file, or a shorter one.
    """
    return _read(files, WAR_AND_PEACE)


def read_shakespeare(files: Mapping[str, Path]) -> bytes:
    """Return tiny Shakespeare, 1,115,394 bytes. Raises: ValueError: it is not one file, or a shorter one."""
    return _read(files, SHAKESPEARE)


def split_streams(
    codes: Tensor, streams: int = 100, steps: int = 100, shares: tuple[float, float] = (0.8, 0.1)
) -> Parts:
    """Cut the text into streams of one length, and every stream into three parts: char-rnn's split, and the paper's.

    Each part so holds passages from all over the text. That the paper splits so shows in its n-gram losses, which
    come out to the last digit with these parts (`joined`), and 0.04 nats higher with the text's last tenth as the test.

    Args:
        codes: (N). streams: B. steps: the parts' T are multiples of it; what is left over at the end is not used.
        shares: of the training and validation parts, rounded down to `steps`; the test part is the rest.

    Raises:
        ValueError: a count is not positive, shares leave nothing, or the text is too short for all three parts.
    """
    if min(streams, steps) < 1:
        raise ValueError(f"need at least 1 stream and 1 step: {streams}, {steps}")
    _check_shares(shares)
    chunks = (len(codes) - 1) // (streams * steps)
    ends = [int(chunks * shares[0]), int(chunks * shares[0]) + int(chunks * shares[1]), chunks]
    if min(ends[0], ends[1] - ends[0], ends[2] - ends[1]) < 1:
        raise ValueError(f"{len(codes)} symbols are too few for three parts of {streams} streams by {steps} steps")
    length = chunks * steps
    # A stream's last target is the next stream's first symbol.
    rows = codes[: streams * length + 1].unfold(0, length + 1, length).T
    starts = [0, *ends[:-1]]
    return Parts(*(rows[a * steps : b * steps + 1].contiguous() for a, b in zip(starts, ends, strict=True)))


def split_text(codes: Tensor, shares: tuple[float, float] = (0.8, 0.1)) -> Parts:
    """Cut the text in three as it runs, each part one stream, (T + 1, 1); the targets are whole and do not overlap.

    Raises:
        ValueError: shares leave nothing, or the text is too short.
    """
    _check_shares(shares)
    n = len(codes) - 1
    ends = [int(n * shares[0]), int(n * shares[0]) + int(n * shares[1]), n]
    if min(ends[0], ends[1] - ends[0], ends[2] - ends[1]) < 1:
        raise ValueError(f"{len(codes)} symbols are too few for three parts")
    return Parts(*(codes[a : b + 1, None] for a, b in zip([0, *ends[:-1]], ends, strict=True)))


def joined(part: Tensor) -> Tensor:
    """Return a part's streams as one text, (T B), stream after stream; the last row, a target alone, is left out."""
    return part[:-1].T.reshape(-1)


def chunks(part: Tensor, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Give inputs and targets, (up to `steps`, B) each, in the order of time.

    Raises:
        ValueError: steps is not positive, or the part holds no target.
    """
    if steps < 1 or part.ndim != 2 or len(part) < 2:
        raise ValueError(f"need at least 1 step and a part (T + 1, B) of two rows: {steps}, {tuple(part.shape)}")
    for start in range(0, len(part) - 1, steps):
        end = min(start + steps, len(part) - 1)
        yield part[start:end], part[start + 1 : end + 1]


def _check_shares(shares: tuple[float, float]) -> None:
    if min(shares) <= 0 or sum(shares) >= 1:
        raise ValueError(f"shares of training and validation must be above 0 and leave some for the test: {shares}")


def _read(files: Mapping[str, Path], size: int) -> bytes:
    if len(files) != 1:
        raise ValueError(f"need one file: {', '.join(files) or 'none'}")
    path = next(iter(files.values()))
    content = path.read_bytes()[:size]
    if len(content) < size:
        raise ValueError(f"{path}: {len(content)} bytes, of {size}; fetch it anew")
    return content


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text
