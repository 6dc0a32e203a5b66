"""What a relation network takes for objects: the cells of a CNN's map, and the sentences of a story.

Source: Santoro et al. (2017), arXiv:1706.01427, section 4.

Shapes: N samples, S pixels a side, M cells a side, C kernels of the last layer, K sentences of L words, U units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.lstm import LSTM

WINDOW, STRIDE, PADDING = 3, 2, 1  # the paper names kernels, not their sizes: so 75 pixels become 5 cells, 128 become 8


class Cells(nn.Module):
    """Convolutions that halve the sides, each with batch normalisation and ReLU. kernels: of each."""

    def __init__(self, kernels: Sequence[int]) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for before, after in zip((3, *kernels[:-1]), kernels, strict=True):
            parts += [nn.Conv2d(before, after, WINDOW, STRIDE, PADDING, bias=False), BatchNorm2d(after), nn.ReLU()]
        self.net = nn.Sequential(*parts)
        self.depth = len(kernels)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, S, S) to (N, C, M, M)."""
        found: Tensor = self.net(images)
        return found

    def side(self, size: int) -> int:
        """Return M for images of S pixels a side."""
        for _ in range(self.depth):
            size = (size + 2 * PADDING - WINDOW) // STRIDE + 1
        return size

    def objects(self, images: Tensor) -> Tensor:
        """Map images (N, 3, S, S) to objects (N, M^2, C + 2): a cell's values, then its x and y from -1 to 1."""
        found = self(images)
        side = found.shape[-1]
        places = torch.linspace(-1, 1, side, dtype=found.dtype, device=found.device) if side > 1 else found.new_zeros(1)
        y, x = torch.meshgrid(places, places, indexing="ij")
        tags = torch.stack([x, y]).expand(len(found), -1, -1, -1)
        return torch.cat([found, tags], 1).flatten(2).transpose(1, 2)


class Sentences(nn.Module):
    """A lookup table and an LSTM, whose state after the last word stands for the sentence.

    Args:
        words: in the vocabulary, without padding, whose number is 0. units: U, of the table and the LSTM.
    """

    def __init__(self, words: int, units: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words + 1, units, padding_idx=0)
        self.lstm = LSTM(units, units)

    def forward(self, sentences: Tensor) -> Tensor:
        """Map sentences (..., L), int64, padded behind with 0, to (..., U); an empty sentence to zeros.

        Equal sentences are computed once.

        Raises:
            ValueError: no word at all, or a number out of range.
        """
        flat = sentences.flatten(0, -2)
        if flat.numel() == 0 or int(flat.min()) < 0 or int(flat.max()) >= self.table.num_embeddings:
            found = f"{int(flat.min())} to {int(flat.max())}" if flat.numel() else "none"
            raise ValueError(f"need numbers of words from 0 to {self.table.num_embeddings - 1}: {found}")
        unlike, which = flat.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
        y, _ = self.lstm(self.table(unlike.T.contiguous()))
        y = torch.cat([y.new_zeros(1, *y.shape[1:]), y])  # the state before the first word is that of an empty one
        lengths = (unlike != 0).sum(1)
        last = y[lengths, torch.arange(len(unlike), device=y.device)]
        return last[which].view(*sentences.shape[:-1], -1)
