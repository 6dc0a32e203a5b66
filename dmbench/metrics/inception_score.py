"""The inception score: samples are good if a classifier is sure of each, and finds all classes among them.

Source: Salimans, Goodfellow, Zaremba, Cheung, Radford and Chen (2016), Improved Techniques for Training GANs,
arXiv:1606.03498, section 4; openai/improved-gan, inception_score/model.py, takes the mean over ten parts:
    exp E_x KL(p(y|x) || p(y)),    p(y) = E_x p(y|x)
1 where the classifier says the same of every sample, K where it is sure of each and finds every class as often. The
paper's figures are by an Inception network on ImageNet's classes; by another classifier they cannot be compared.

Shapes: N samples, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Score(NamedTuple):
    """The mean over parts, 1 to K, and the standard deviation between them, as the paper's +-."""

    mean: float
    deviation: float


def inception_score(probabilities: Tensor, parts: int = 10) -> Score:
    """Score a classifier's probabilities.

    Args:
        probabilities: (N, K), of each class by sample: at least 0, summing to 1. A softmax's output, not its input.
        parts: into how many equal parts, in order, samples are divided; at least 1. The fewer samples a part has, the
            lower its score.

    Raises:
        ValueError: no samples, fewer samples than parts, or rows that are no probabilities.
    """
    if probabilities.ndim != 2 or not probabilities.numel():
        raise ValueError(f"need probabilities (N, K) of at least one sample: {tuple(probabilities.shape)}")
    if not 1 <= parts <= len(probabilities):
        raise ValueError(f"need from one part to as many as samples: {parts} parts of {len(probabilities)}")
    p = probabilities.double()
    sums = p.sum(1)
    wrong = (~(p >= 0)).any(1) | ~((sums - 1).abs() <= 1e-3)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"need probabilities that sum to 1, apply softmax first: row {row} sums to {float(sums[row]):g}"
        )
    p = p / sums[:, None]
    scores = torch.stack([_score(part) for part in p.tensor_split(parts)])
    return Score(float(scores.mean()), float(scores.std(correction=0)))


def _score(p: Tensor) -> Tensor:
    marginal = p.mean(0)
    return (torch.xlogy(p, p).sum(1) - torch.xlogy(p, marginal).sum(1)).mean().exp()
