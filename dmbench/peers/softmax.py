"""Softmax and its losses by torch, and cross-entropy by torch.compile of ours."""

from typing import Any

from torch import Tensor
from torch.nn import functional

from dmbench.layers.softmax import cross_entropy
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(cross_entropy)


def torch_nn_hinge(scores: Tensor, target: Tensor, **options: Any) -> Tensor:
    """Multiply torch's loss, which divides by the number of classes, by it."""
    return functional.multi_margin_loss(scores, target, **options) * scores.shape[-1]


PEERS: dict[str, dict[str, Any]] = {
    "torch.nn": {
        "softmax": functional.softmax,
        "log_softmax": functional.log_softmax,
        "cross_entropy": functional.cross_entropy,
        "binary_cross_entropy": functional.binary_cross_entropy,
        "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
        "hinge": torch_nn_hinge,
        "squared_error": functional.mse_loss,
    },
    "torch.compile": {"cross_entropy": compiled},
}
