"""Relation networks: a function of all pairs of objects, summed, and a function of the sum.

Source: Santoro et al. (2017), A simple neural network module for relational reasoning, arXiv:1706.01427, sections 4 and
5; sizes by the supplement. `RelationNetwork` takes objects as they are, such as states; the others make them of pixels
or of sentences. `PixelPerceptron` is the paper's baseline.

Shapes: N questions, Q bits of a question, S pixels a side, K sentences of L words.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmbench.models.parts.relation_module import RelationNetwork as RelationNetwork
from dmbench.models.parts.relation_module import perceptron
from dmbench.models.parts.relation_objects import Cells, Sentences


class PixelRelationNetwork(nn.Module):
    """A CNN whose cells are the objects, each with its place in the map, and a relation network: CNN+RN.

    Defaults are those for sort-of-CLEVR: 75 x 75 pixels become 5 x 5 = 25 objects, and 625 pairs.

    Args:
        question_size: Q, bits of an encoded question. outputs: answers.
        kernels: of the convolutions. g, f, dropout, rows: as in `RelationNetwork`.
    """

    def __init__(
        self,
        question_size: int = 11,
        outputs: int = 10,
        *,
        kernels: Sequence[int] = (32, 64, 128, 256),
        g: Sequence[int] = (2000,) * 4,
        f: Sequence[int] = (2000, 1000, 500, 100),
        dropout: float = 0.0,
        rows: int | None = None,
    ) -> None:
        super().__init__()
        self.cells = Cells(kernels)
        self.relation = RelationNetwork(
            kernels[-1] + 2, question_size, g=g, f=f, outputs=outputs, dropout=dropout, rows=rows
        )

    def forward(self, images: Tensor, question: Tensor) -> Tensor:
        """Map images (N, 3, S, S) in [0, 1] and questions (N, Q) to logits (N, outputs)."""
        logits: Tensor = self.relation(self.cells.objects(images), question)
        return logits


class PixelPerceptron(nn.Module):
    """CNN+MLP, the paper's baseline: the same CNN, and one perceptron of g's and f's layers on its whole map.

    Args: as in `PixelRelationNetwork`. size: S, since the first layer reads all cells.
    """

    def __init__(
        self,
        question_size: int = 11,
        outputs: int = 10,
        *,
        size: int = 75,
        kernels: Sequence[int] = (32, 64, 128, 256),
        g: Sequence[int] = (2000,) * 4,
        f: Sequence[int] = (2000, 1000, 500, 100),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.cells = Cells(kernels)
        inputs = kernels[-1] * self.cells.side(size) ** 2 + question_size
        self.perceptron = perceptron((inputs, *g, *f, outputs), dropout)

    def forward(self, images: Tensor, question: Tensor) -> Tensor:
        """Map images (N, 3, S, S) in [0, 1] and questions (N, Q) to logits (N, outputs)."""
        logits: Tensor = self.perceptron(torch.cat([self.cells(images).flatten(1), question], 1))
        return logits


class StoryRelationNetwork(nn.Module):
    """For bAbI: sentences of a story are objects, each the last state of an LSTM with its place before the question.

    Differs from the paper, which does not say: 1. Words enter by a lookup table, as wide as the LSTM.
    2. The label of a sentence's place, how many sentences before the question it is, is appended one-hot to its object.

    Args:
        words: in the vocabulary, without padding, whose number is 0. answers: outputs.
        units: of the two LSTMs. facts: the most sentences of a story. g, f, rows: as in `RelationNetwork`.
    """

    def __init__(
        self,
        words: int,
        answers: int,
        *,
        units: int = 32,
        facts: int = 20,
        g: Sequence[int] = (256,) * 4,
        f: Sequence[int] = (256, 512),
        rows: int | None = None,
    ) -> None:
        super().__init__()
        self.facts = facts
        self.sentences = Sentences(words, units)
        self.question = Sentences(words, units)
        self.relation = RelationNetwork(units + facts, units, g=g, f=f, outputs=answers, rows=rows)

    def forward(self, facts: Tensor, question: Tensor) -> Tensor:
        """Answer: logits (N, answers).

        Args:
            facts: (N, K, L), int64, numbers of words, a sentence padded behind with 0 and a story with empty ones.
            question: (N, L'), likewise.

        Raises:
            ValueError: a story is longer than the network's, or has no sentence; a word's number is out of range.
        """
        present = facts[:, :, 0] != 0
        places = present.sum(1, keepdim=True) - 1 - torch.arange(facts.shape[1], device=facts.device)
        if facts.shape[1] > self.facts:
            raise ValueError(f"a story has {facts.shape[1]} sentences: take its last {self.facts}, or a larger network")
        label = nn.functional.one_hot(places.clamp(min=0), self.facts)
        objects = torch.cat([self.sentences(facts), label.to(self.sentences.table.weight.dtype)], 2)
        logits: Tensor = self.relation(objects, self.question(question), present)
        return logits
