"""Preprocessing as CS231n's notes write it in numpy: the singular value decomposition of the covariance."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def numpy_whitening(x: Tensor, kind: str = "zca", eps: float = 1e-5) -> Callable[[Tensor], Tensor]:
    """Whiten in numpy; an axis without variance is divided by sqrt(eps)."""
    rows = x.flatten(1).cpu().numpy()
    mean = rows.mean(0)
    axes, variances, _ = np.linalg.svd((rows - mean).T @ (rows - mean) / len(rows))

    def whiten(y: Tensor) -> Tensor:
        turned = (y.flatten(1).cpu().numpy() - mean) @ axes / np.sqrt(variances + eps)
        return torch.from_numpy(turned @ axes.T if kind == "zca" else turned).to(y).view(y.shape)

    return whiten


PEERS = {"numpy": {"fit_whitening": numpy_whitening}}
