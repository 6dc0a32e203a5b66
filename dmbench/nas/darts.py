"""Differentiable architecture search: all operations at once, mixed by weights that gradients can move.

Source: Liu, Simonyan and Yang (2019), DARTS: Differentiable Architecture Search, arXiv:1806.09055. Equation 2, on each
edge, with a its row of alpha:

    o(x) = sum_k softmax(a)_k o_k(x)

Sections 2.2 and 2.3: alpha goes down the validation loss at the weights that one more step of training would give,
w' = w - rate dL_train(w, alpha)/dw (equation 6), whose gradient is (equation 7)

    dL_val(w', alpha)/dalpha - rate d2L_train(w, alpha)/dalpha dw * dL_val(w', alpha)/dw'

First order is rate 0. The product of the second term is a finite difference in the paper (equation 8), with a step of
0.01 over the norm of dL_val/dw'; `exact` takes it by a second differentiation.
Section 2.4: the discrete cell keeps the strongest operations, zero left out.

Shapes: E edges, K operations; alpha (E, K).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dmbench.layers.batch_norm import BatchNorm2d
from dmbench.layers.conv2d import Conv2d
from dmbench.layers.linear import Linear
from dmbench.layers.relu import ReLU
from dmbench.nas.parts.cell_201 import EDGES, OPERATIONS, Average, Reduction
from dmbench.nas.parts.mixed_cell import MixedCell, mixture, without_statistics

__all__ = ["MixedCell", "SuperNet", "architecture_gradient", "mixture", "strongest"]

Loss = Callable[[], Tensor]


class SuperNet(nn.Module):
    """The network of all cells of NAS-Bench-201 at once; all its cells share one alpha, (6, 5), zeros at first.

    Normalisations go by the batch's own statistics, in evaluation too.
    cells: of each of three stages. channels: of the first, doubled twice. inputs: of the pictures.
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 16,
        cells: int = 5,
        inputs: int = 3,
        cell: Callable[[int], nn.Module] = MixedCell,
    ) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(len(EDGES), len(OPERATIONS)))
        self.stem = nn.Sequential(Conv2d(inputs, channels, 3, padding=1, bias=False), BatchNorm2d(channels))
        self.layers = nn.ModuleList()
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                self.layers.append(Reduction(width // 2, width))
            self.layers.extend(cell(width) for _ in range(cells))
        last = 4 * channels
        self.head = nn.Sequential(BatchNorm2d(last), ReLU(), Average(), Linear(last, classes))
        without_statistics(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, C, H, W), H and W multiples of four, to scores (N, K)."""
        weights = self.alpha.softmax(-1)
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x) if isinstance(layer, Reduction) else layer(x, weights)
        return self.head(x)  # type: ignore[no-any-return]

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters but alpha."""
        return [value for name, value in self.named_parameters() if name != "alpha"]


def architecture_gradient(
    train: Loss,
    validation: Loss,
    weights: Sequence[Tensor],
    alpha: Tensor,
    rate: float = 0.0,
    *,
    exact: bool = False,
) -> Tensor:
    """Return the gradient that alpha follows, equation 7.

    Args:
        train, validation: return the losses at the present weights and alpha, scalars.
        weights: leaves that require gradients; they are moved for the while, and put back.
        alpha: a leaf that requires gradients.
        rate: of the step of training that is looked ahead; 0: first order.
        exact: second derivatives by differentiation, where all operations have them; else equation 8.

    Raises:
        ValueError: the rate is negative or no number. FloatingPointError: the gradient is infinite or NaN.
    """
    if not 0 <= rate < float("inf"):
        raise ValueError(f"need a rate of at least 0: {rate}")
    before = [value.detach().clone() for value in weights]
    if rate:
        ahead = torch.autograd.grad(train(), weights)
        _move(weights, ahead, -rate)
    try:
        found, *by_weights = torch.autograd.grad(validation(), [alpha, *weights] if rate else [alpha])
    finally:
        _put(weights, before)
    if rate:
        found = found - rate * (_exact if exact else _difference)(train, weights, alpha, by_weights, before)
    if not found.isfinite().all():
        raise FloatingPointError("the gradient of alpha is not finite: lower the rates, or look at the losses")
    return found


def strongest(alpha: Tensor, names: Sequence[str] = OPERATIONS) -> list[str]:
    """Return the operation of each edge that has the largest weight, "none" left out; of equals the first.

    alpha: (E, K), or its softmax.

    Raises:
        ValueError: K is not the number of names, or a weight is NaN.
    """
    if alpha.ndim != 2 or alpha.shape[1] != len(names):
        raise ValueError(f"need alpha of shape (edges, {len(names)}): {tuple(alpha.shape)}")
    if alpha.isnan().any():
        raise ValueError("alpha holds NaN: the search has diverged")
    kept = [place for place, name in enumerate(names) if name != "none"]
    return [names[kept[place]] for place in alpha.detach()[:, kept].argmax(1).tolist()]


def _exact(
    train: Loss, weights: Sequence[Tensor], alpha: Tensor, vector: Sequence[Tensor], before: Sequence[Tensor]
) -> Tensor:
    gradients = torch.autograd.grad(train(), weights, create_graph=True)
    inner = torch.stack([(g * v).sum() for g, v in zip(gradients, vector, strict=True)]).sum()
    return torch.autograd.grad(inner, alpha)[0]


def _difference(
    train: Loss, weights: Sequence[Tensor], alpha: Tensor, vector: Sequence[Tensor], before: Sequence[Tensor]
) -> Tensor:
    """Return (dL_train(w + step v)/dalpha - dL_train(w - step v)/dalpha) / (2 step)."""
    norm = float(torch.stack([value.square().sum() for value in vector]).sum().sqrt())
    if norm == 0:
        return torch.zeros_like(alpha)
    step = 0.01 / norm
    sides = []
    try:
        for sign in (1, -1):
            _put(weights, before)
            _move(weights, vector, sign * step)
            sides.append(torch.autograd.grad(train(), alpha)[0])
    finally:
        _put(weights, before)
    return (sides[0] - sides[1]) / (2 * step)


@torch.no_grad()
def _move(weights: Sequence[Tensor], direction: Sequence[Tensor], step: float) -> None:
    for value, along in zip(weights, direction, strict=True):
        value.add_(along, alpha=step)


@torch.no_grad()
def _put(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for value, before in zip(weights, values, strict=True):
        value.copy_(before)
