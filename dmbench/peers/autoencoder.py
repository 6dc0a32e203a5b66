"""Principal components by torch's singular value decomposition."""

import torch
from torch import Tensor


def torch_svd(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the mean and the first right singular vectors of what is left."""
    mean = x.mean(0)
    _, _, vectors = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, vectors[:count]


PEERS = {"torch.linalg.svd": {"components": torch_svd}}
