"""The input's part of a recurrent layer, also for inputs that are one-hot and given by the place of their one.

A product with one-hot rows picks columns of the matrix: copying them costs a fifth of the product on a CPU, forward and
backward, and the one-hot rows are never made.

Shapes: T time steps, B batch, I inputs, R rows of the matrix (gates times hidden size).
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, one_hot

from dmbench.layers.kernels.product import product


def is_place(x: Tensor) -> bool:
    """Whether x gives the places of ones: (T, B), int64, instead of inputs (T, B, I)."""
    return x.ndim == 2 and x.dtype == torch.int64


def project(x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    """Return x @ w.T + bias, (T, B, R), with a graph. x: (T, B, I), or places (T, B). w: (R, I)."""
    if not is_place(x):
        return linear(x, w, bias)
    if bias is None or x.numel() < w.shape[1]:  # fewer additions than to all of w
        rows = embedding(x, w.T)
        return rows if bias is None else rows + bias
    return embedding(x, w.T + bias)


def project_without_graph(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    """Return what `project` does, faster on a CPU, without a graph, in memory of its own."""
    rows = (w.T + bias).index_select(0, x.flatten()) if is_place(x) else product(x.flatten(0, 1), w, bias)
    return rows.view(*x.shape[:2], len(w))


def gradient_of_w(d: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """Map the gradient of what `project` returns, d (T B, R), to that of w (R, I)."""
    if not is_place(x):
        return d.T @ x.flatten(0, 1)
    if d.device.type == "cpu":
        return d.new_zeros(w.shape[::-1]).index_add_(0, x.flatten(), d).T
    # Additions to one row in any order, as a GPU's, would not give the same bits twice.
    return d.T @ one_hot(x.flatten(), w.shape[1]).to(d.dtype)
