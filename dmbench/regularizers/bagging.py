"""Bagging: models of one kind, each trained on its own bootstrap sample, whose predictions are averaged.

Source: Breiman (1996), Bagging Predictors, Machine Learning 24, 123-140; the error of averages: Goodfellow, Bengio and
Courville (2016), Deep Learning, section 7.11, Eq. 7.50. A bootstrap sample draws n of n cases with replacement, and
leaves (1 - 1/n)^n of them out, about 36.8 %.

Shapes: k models, N examples, C classes.
"""

import torch
from torch import Tensor, nn

SLACK = 1e-3  # by which float16's probabilities of a thousand classes may miss 1 in their sum


def bootstrap(count: int, size: int | None = None, *, generator: torch.Generator | None = None) -> Tensor:
    """Draw a bootstrap sample.

    Args:
        count: n, the cases to draw from, at least 1.
        size: how many are drawn, at least 1; None: n.
        generator: on the CPU; None: torch's own.

    Returns:
        Numbers of cases, (size), int64, from 0 to n - 1, in no order, some of them several times.

    Raises:
        ValueError: count or size is below 1.
    """
    size = count if size is None else size
    if count < 1 or size < 1:
        raise ValueError(f"need at least one case to draw from, and one to draw: {count}, {size}")
    return torch.randint(count, (size,), generator=generator)


def distinct_share(count: int, size: int | None = None) -> float:
    """Return the expected share of cases that a bootstrap sample holds at least once: 1 - (1 - 1/n)^size.

    Args, Raises: as `bootstrap`.
    """
    size = count if size is None else size
    if count < 1 or size < 1:
        raise ValueError(f"need at least one case to draw from, and one to draw: {count}, {size}")
    return float(1 - (1 - 1 / count) ** size)


def average(probabilities: Tensor) -> Tensor:
    """Return the mean of k models' probabilities.

    Args:
        probabilities: (k, ..., C), from 0 to 1, that sum to 1 over C.

    Returns:
        (..., C), which sum to 1.

    Raises:
        ValueError: there is no model, or a value is no probability, or they sum to something else.
    """
    if probabilities.ndim < 2 or not probabilities.numel():
        raise ValueError(f"need probabilities (k, ..., C) of at least one model: {tuple(probabilities.shape)}")
    outside = ~((probabilities >= 0) & (probabilities <= 1))
    if outside.any():
        raise ValueError(f"need probabilities from 0 to 1, not scores: {float(probabilities[outside][0]):g}")
    sums = probabilities.sum(-1)
    if (sums - 1).abs().max() > SLACK:
        raise ValueError(f"need probabilities that sum to 1: {float(sums.flatten()[(sums - 1).abs().argmax()]):g}")
    return probabilities.mean(0)


def vote(predictions: Tensor, classes: int) -> Tensor:
    """Return the class that most models name (Breiman, section 1); of several the first.

    Args:
        predictions: (k, N), int64, from 0 to classes - 1. classes: C.

    Returns:
        (N), int64.

    Raises:
        ValueError: there is no model, or a prediction is no class.
    """
    if predictions.ndim != 2 or not len(predictions):
        raise ValueError(f"need predictions (k, N) of at least one model: {tuple(predictions.shape)}")
    if predictions.numel() and not 0 <= int(predictions.min()) <= int(predictions.max()) < classes:
        raise ValueError(f"need classes 0 to {classes - 1}: {int(predictions.min())} to {int(predictions.max())}")
    return torch.stack([(predictions == one).sum(0) for one in range(classes)]).argmax(0)


def expected_error(variance: float, covariance: float, models: int) -> float:
    """Return the expected squared error of an average of k models: v / k + (k - 1) / k c (Eq. 7.50).

    Args:
        variance: v, of one model's error, at least 0. covariance: c, of two models' errors. models: k, at least 1.

    Raises:
        ValueError: k is below 1, v is negative, or no k errors have such a covariance: -v / (k - 1) <= c <= v.
    """
    if models < 1 or not variance >= 0:
        raise ValueError(f"need at least one model, and a variance of at least 0: {models}, {variance}")
    if not covariance <= variance or (models > 1 and variance + (models - 1) * covariance < -1e-12 * variance):
        raise ValueError(f"no {models} errors of variance {variance} have a covariance of {covariance}")
    return variance / models + (models - 1) / models * covariance


class Ensemble(nn.Module):
    """k classifiers as one: the mean of their probabilities.

    Args: models: at least one; each maps to scores (..., C).

    Raises: ValueError: there is no model.
    """

    def __init__(self, models: list[nn.Module]) -> None:
        super().__init__()
        if not models:
            raise ValueError("need at least one model: []")
        self.models = nn.ModuleList(models)

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities (..., C)."""
        return average(torch.stack([model(x).softmax(-1) for model in self.models]))
