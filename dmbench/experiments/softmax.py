"""Softmax and its losses: worked examples of lecture notes, the gradient p - q, and how far they are from torch's."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dmbench.experiments._losses import C, difference, given, subject
from dmbench.harness.experiment import Context, experiment

# Scores of cat, car and frog for three pictures (CS231n's slides), and those of the notes' comparison.
SLIDE = ((3.2, 5.1, -1.7), (1.3, 4.9, 2.0), (2.2, 2.5, -3.1))
COMPARED = (-2.85, 0.86, 0.28)


SOFTMAX = subject("softmax", "scores", dim=1)
LOG_SOFTMAX = subject("log_softmax", "scores", dim=1)
CROSS_ENTROPY = subject("cross_entropy", "classes", label_smoothing=0.0)
BINARY = subject("binary_cross_entropy", "probabilities")
BINARY_LOGITS = subject("binary_cross_entropy_with_logits", "values")
HINGE = subject("hinge", "classes", margin=1.0)
SQUARED = subject("squared_error", "values")


@experiment(
    "probability_notes", "probabilities_notes", "probabilities_halved", "probabilities_slide", "probabilities_large",
    tier="quick", subjects=(SOFTMAX,),
)  # fmt: skip
def probabilities(ctx: Context) -> dict[str, float | list[float]]:
    """Take the softmax of the scores that notes and slides do."""

    def of(*scores: float) -> list[float]:
        return ctx.subject("softmax")(row(ctx, scores), dim=1)[0].tolist()  # type: ignore[no-any-return]

    first, *others = of(1, -2, 0)
    return {
        "probability_notes": first,
        "probabilities_notes": others,
        "probabilities_halved": of(0.5, -1, 0),
        "probabilities_slide": of(*SLIDE[0]),
        "probabilities_large": of(123, 456, 789),
    }


@experiment(
    "loss_slide", "loss_slide_log10", "loss_compared", "loss_untrained", "loss_large",
    tier="quick", subjects=(CROSS_ENTROPY,),
)  # fmt: skip
def examples(ctx: Context) -> dict[str, float]:
    """Measure the cross-entropy of the scores that notes and slides do."""

    def of(scores: Sequence[float], right: int) -> float:
        return float(ctx.subject("cross_entropy")(row(ctx, scores), torch.tensor([right], device=ctx.device)))

    slide = of(SLIDE[0], 0)
    return {
        "loss_slide": slide,
        "loss_slide_log10": slide / math.log(10),
        "loss_compared": of(COMPARED, 2),
        "loss_untrained": of([0.0] * 10, 3),
        "loss_large": of((123, 456, 789), 0),
    }


@experiment(
    "hinge_notes", "hinge_slide", "hinge_slide_mean", "hinge_compared", "hinge_untrained",
    tier="quick", subjects=(HINGE,),
)  # fmt: skip
def hinges(ctx: Context) -> dict[str, float | list[float]]:
    """Measure the hinge loss of the scores that notes and slides do."""
    loss = ctx.subject("hinge")

    def of(scores: Sequence[float], right: int, margin: float = 1.0) -> float:
        return float(loss(row(ctx, scores), torch.tensor([right], device=ctx.device), margin=margin))

    pictures = torch.tensor(SLIDE, dtype=torch.float64, device=ctx.device)
    return {
        "hinge_notes": of((13, -7, 11), 0, margin=10.0),
        "hinge_slide": [of(scores, right) for right, scores in enumerate(SLIDE)],
        "hinge_slide_mean": float(loss(pictures, torch.arange(3, device=ctx.device), margin=1.0)),
        "hinge_compared": of(COMPARED, 2),
        "hinge_untrained": of([0.0] * 10, 3),
    }


@experiment("shift_invariance", tier="quick", subjects=(SOFTMAX,))
def shift(ctx: Context) -> dict[str, float]:
    """Add 1,000 to all scores, and compare the probabilities."""
    (x,) = given("scores", torch.float64)
    plain, moved = (ctx.subject("softmax")(one.to(ctx.device), dim=1) for one in (x, x + 1000))
    return {"shift_invariance": float((plain - moved).abs().max())}


@experiment("gradient", "smoothed_gradient", tier="quick", subjects=(CROSS_ENTROPY,))
def gradients(ctx: Context) -> dict[str, float]:
    """Compare the gradient of the summed loss with p - q, for classes, and with labels smoothed by 0.1."""
    scores, classes = (one.to(ctx.device) for one in given("classes", torch.float64))
    p = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    q = (classes[:, None] == torch.arange(C, device=ctx.device)).to(p)
    measured = {}
    for key, epsilon in (("gradient", 0.0), ("smoothed_gradient", 0.1)):
        leaf = scores.clone().requires_grad_()
        loss = ctx.subject("cross_entropy")(leaf, classes, label_smoothing=epsilon, reduction="sum")
        exact = p - ((1 - epsilon) * q + epsilon / C)
        measured[key] = float((torch.autograd.grad(loss, leaf)[0] - exact).abs().max())
    return measured


@experiment("smoothing_floor", tier="quick", subjects=(CROSS_ENTROPY,))
def floor(ctx: Context) -> dict[str, float]:
    """Give a network of 1,000 classes that predicts the smoothed labels their loss."""
    q = torch.full((1, 1000), 0.1 / 1000, dtype=torch.float64, device=ctx.device)
    q[0, 7] += 0.9
    right = torch.tensor([7], device=ctx.device)
    return {"smoothing_floor": float(ctx.subject("cross_entropy")(q.log(), right, label_smoothing=0.1))}


@experiment("logits_difference", tier="quick", subjects=(BINARY, BINARY_LOGITS))
def logits(ctx: Context) -> dict[str, float]:
    """Compare binary cross-entropy of scores with that of their probabilities."""
    x, q = (one.to(ctx.device) for one in given("values", torch.float64))
    both = ctx.subject("binary_cross_entropy_with_logits")(x, q), ctx.subject("binary_cross_entropy")(x.sigmoid(), q)
    return {"logits_difference": float((both[0] - both[1]).abs())}


@experiment("difference_softmax", tier="quick", subjects=(SOFTMAX,))
def softmax_float64(ctx: Context) -> dict[str, float]:
    """Compare softmax with torch's in float64, result and gradient."""
    return {"difference_softmax": difference(ctx, "softmax", "scores", torch.float64, dim=1)}


@experiment("difference_log_softmax", tier="quick", subjects=(LOG_SOFTMAX,))
def log_softmax_float64(ctx: Context) -> dict[str, float]:
    """Compare log-softmax with torch's in float64, result and gradient."""
    return {"difference_log_softmax": difference(ctx, "log_softmax", "scores", torch.float64, dim=1)}


@experiment("difference_{kind}", tier="quick", subjects=(CROSS_ENTROPY,), over={"kind": ("classes", "distributions")})
def cross_entropy_float64(ctx: Context, kind: str) -> dict[str, float]:
    """Compare cross-entropy with torch's in float64, result and gradients, with labels smoothed by 0.1 and without."""
    found = [difference(ctx, "cross_entropy", kind, torch.float64, label_smoothing=epsilon) for epsilon in (0.0, 0.1)]
    return {f"difference_{kind}": max(found)}


@experiment("difference_weights", "difference_ignored", tier="quick", subjects=(CROSS_ENTROPY,))
def weighted_float64(ctx: Context) -> dict[str, float]:
    """Compare cross-entropy with torch's in float64 where classes have weights, and where one of them is ignored."""
    weight = torch.linspace(0, 2, C, dtype=torch.float64, device=ctx.device)

    def worst(kinds: Sequence[str], **options: Any) -> float:
        return max(
            difference(ctx, "cross_entropy", kind, torch.float64, label_smoothing=epsilon, weight=weight, **options)
            for kind in kinds
            for epsilon in (0.0, 0.1)
        )

    return {
        "difference_weights": worst(("classes", "distributions")),
        "difference_ignored": worst(("classes",), ignore_index=1),
    }


@experiment("weighted_mean", tier="quick", subjects=(CROSS_ENTROPY,))
def weighted_mean(ctx: Context) -> dict[str, float]:
    """Give two undecided examples of three classes weights of 1 and 3, and a third that is ignored."""
    scores = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, math.log(2)], [9.0, 0.0, 0.0]], dtype=torch.float64)
    weight = torch.tensor([1.0, 7.0, 3.0], dtype=torch.float64, device=ctx.device)
    target = torch.tensor([0, 2, -100], device=ctx.device)
    loss = ctx.subject("cross_entropy")(scores.to(ctx.device), target, weight=weight, ignore_index=-100)
    return {"weighted_mean": float(loss)}


@experiment("difference_float32", tier="quick", subjects=(CROSS_ENTROPY,))
def cross_entropy_float32(ctx: Context) -> dict[str, float]:
    """Compare cross-entropy with torch's in float32, result and gradient."""
    return {"difference_float32": difference(ctx, "cross_entropy", "classes", torch.float32)}


@experiment("difference_binary", tier="quick", subjects=(BINARY,))
def binary_float64(ctx: Context) -> dict[str, float]:
    """Compare binary cross-entropy with torch's in float64, result and gradients."""
    return {"difference_binary": difference(ctx, "binary_cross_entropy", "probabilities", torch.float64)}


@experiment("difference_logits", tier="quick", subjects=(BINARY_LOGITS,))
def logits_float64(ctx: Context) -> dict[str, float]:
    """Compare binary cross-entropy of scores with torch's in float64, result and gradients."""
    return {"difference_logits": difference(ctx, "binary_cross_entropy_with_logits", "values", torch.float64)}


@experiment("difference_hinge", tier="quick", subjects=(HINGE,))
def hinge_float64(ctx: Context) -> dict[str, float]:
    """Compare the hinge loss with torch's in float64, result and gradient."""
    return {"difference_hinge": difference(ctx, "hinge", "classes", torch.float64, margin=1.5)}


@experiment("difference_squared", tier="quick", subjects=(SQUARED,))
def squared_float64(ctx: Context) -> dict[str, float]:
    """Compare the squared error with torch's in float64, result and gradients."""
    return {"difference_squared": difference(ctx, "squared_error", "values", torch.float64)}


def row(ctx: Context, scores: Sequence[float]) -> Tensor:
    """Return the scores of one example."""
    return torch.tensor([scores], dtype=torch.float64, device=ctx.device)
