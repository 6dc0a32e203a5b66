"""Batch normalisation by torch, whose CUDA path is cuDNN's, and by torch.compile of our equations."""

from functools import partial

from torch import Tensor
from torch.nn.functional import batch_norm as torch_nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from dmbench.layers.batch_norm import batch_norm
from dmbench.peers._compiled import compiled as _compiled

compiled = _compiled(partial(batch_norm, canonical=True))


def torch_nn_fold(
    weight: Tensor,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """Fold as torch.nn.utils.fusion does."""
    return fuse_conv_bn_weights(weight, bias, running_mean, running_var, eps, scale, shift)


PEERS = {"torch.nn": {"batch_norm": torch_nn, "fold": torch_nn_fold}, "torch.compile": {"batch_norm": compiled}}
