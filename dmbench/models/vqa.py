"""Visual question answering: an LSTM's state after the question, times features of the picture, to one of K answers.

Source: Antol et al. (2015), VQA: Visual Question Answering, arXiv:1505.00468, section 4.2, "deeper LSTM Q + norm I" and
its baselines: words of 300 values squashed by tanh; two LSTM layers of 512 units, whose last cells and outputs, 2,048
values, go through a layer of 1,024 with tanh; features of unit length (I) through another; their product through an MLP
with two layers of 1,000 units, tanh and dropout of 0.5. Without features it is "deeper LSTM Q", with one layer
"LSTM Q". The most popular answer, "yes", is the prior: `most_popular`.

The authors' later script (GT-Vision-Lab/VQA_LSTM_CNN) differs from the paper: words of 200 values, no MLP (`mlp=()`),
and dropout of what the layers before the product read.

Shapes: B questions, T words of the longest one, F features of a picture, K answers.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from dmbench.layers.dropout import dropout
from dmbench.layers.linear import Linear
from dmbench.layers.lstm import LSTM
from dmbench.models.parts.unequal import run_unequal


class VQA(nn.Module):
    """Questions, with pictures or without, to scores of the answers.

    Args:
        words, answers: how many there are. features: F; 0: the question alone is read.
        encoder: a module from pictures (B, ...) to features (B, F); None: features are given.
        normalised: divide features by their length, "norm I".
        embedding, hidden, layers, common, mlp: widths, of words, of an LSTM layer, how many of those, of what is
            multiplied, and of the layers before the scores.
        p: of dropping a unit of the MLP in training, in [0, 1).
        layer: builds an LSTM layer from (inputs, units); torch.nn.LSTM would do.

    Raises:
        ValueError: a size is below 1, or there is an encoder without features.
    """

    def __init__(
        self,
        words: int,
        answers: int,
        *,
        features: int = 4096,
        encoder: nn.Module | None = None,
        normalised: bool = True,
        embedding: int = 300,
        hidden: int = 512,
        layers: int = 2,
        common: int = 1024,
        mlp: Sequence[int] = (1000, 1000),
        p: float = 0.5,
        layer: Callable[[int, int], Any] = LSTM,
    ) -> None:
        super().__init__()
        sizes = (words, answers, embedding, hidden, layers, common, *mlp)
        if min(sizes) < 1 or features < 0 or (encoder is not None and not features):
            raise ValueError(f"need sizes of at least 1, and features for an encoder: {sizes}, {features} features")
        self.p, self.normalised, self.encoder = p, normalised, encoder
        self.embedding = nn.Embedding(words, embedding)
        self.lstms = nn.ModuleList(layer(embedding if i == 0 else hidden, hidden) for i in range(layers))
        self.question = Linear(2 * hidden * layers, common)
        self.picture = Linear(features, common) if features else None
        widths = (common, *mlp)
        self.mlp = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.scores = Linear(widths[-1], answers)

    def forward(self, questions: Tensor, lengths: Tensor, pictures: Tensor | None = None) -> Tensor:
        """Return scores (B, K).

        Args:
            questions: (B, T), numbers of words, padded. lengths: (B), words of each, at least 1.
            pictures: (B, ...) for the encoder, or features (B, F); None where the network has no features.

        Raises:
            ValueError: pictures are missing, too many or not read, or lengths are out of range.
        """
        if (pictures is None) != (self.picture is None):
            raise ValueError("need pictures" if pictures is None else "this network reads no pictures: features is 0")
        if pictures is not None and len(pictures) != len(questions):
            raise ValueError(f"need a picture for each of {len(questions)} questions: {len(pictures)}")
        x = torch.tanh(self.embedding(questions.T))
        states: list[Tensor] = []
        for lstm in self.lstms:
            x, state = run_unequal(lstm, x, lengths)
            states += state
        fused = torch.tanh(self.question(torch.cat(states, 1)))
        if pictures is not None and self.picture is not None:
            features = pictures if self.encoder is None else self.encoder(pictures)
            fused = fused * torch.tanh(self.picture(normalize(features) if self.normalised else features))
        for layer in self.mlp:
            fused = dropout(torch.tanh(layer(fused)), self.p, self.training)
        scores: Tensor = self.scores(fused)
        return scores


def most_popular(answers: Sequence[str], groups: Sequence[str] | None = None) -> dict[str, str]:
    """Return the most popular answer of each group of questions: the prior, and the prior per type of question.

    Args:
        answers: one for each question. groups: the group of each; None: all are in the group "".

    Of equally popular answers the first by alphabet.

    Raises:
        ValueError: there are no answers, or the groups are not as many.
    """
    groups = [""] * len(answers) if groups is None else groups
    if not answers or len(groups) != len(answers):
        raise ValueError(f"need answers, and a group for each: {len(answers)} answers, {len(groups)} groups")
    counts: dict[str, Counter[str]] = {}
    for answer, group in zip(answers, groups, strict=True):
        counts.setdefault(group, Counter())[answer] += 1
    return {group: min(count, key=lambda answer: (-count[answer], answer)) for group, count in counts.items()}
