"""What optimisers share whose update of a weight needs no other weight: the loop, weight decay, refusals."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Closure = Callable[[], Any]


class Elementwise(torch.optim.Optimizer):
    """An optimiser that is given by its `update` of one weight.

    Args:
        params: weights, or groups of them with options of their own, as torch.optim takes them.
        lr: learning rate, 0 or more. weight_decay: this times the weight is added to its gradient (L2), 0 or more.
        maximize: go up instead of down. options: the optimiser's own, each a name in every group.

    Raises: ValueError: lr or weight_decay is negative or not finite.
    """

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float, maximize: bool, **options: Any) -> None:
        not_negative(lr=lr, weight_decay=weight_decay)
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "maximize": maximize, **options})

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change the weight `w` in place by its gradient `g`; `state` is the weight's own and starts empty."""
        raise NotImplementedError

    def decay(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        """Return the gradient with weight decay in it; or shrink the weight in place, and return it as it is."""
        return g.add(w, alpha=group["weight_decay"])

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Make one update of every weight that has a gradient; return what the closure does.

        Raises: FloatingPointError: a gradient is not finite; then no weight is changed.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        refuse_what_is_not_finite(self.param_groups)
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                g = -w.grad if group["maximize"] else w.grad
                if group["weight_decay"]:
                    g = self.decay(w, g, group)
                self.update(w, g, self.state[w], group)
        return loss


def refuse_what_is_not_finite(groups: list[dict[str, Any]]) -> None:
    """Raise FloatingPointError where a gradient holds NaN or an infinity, before it spoils weights and state."""
    for number, group in enumerate(groups):
        for index, w in enumerate(group["params"]):
            if w.grad is not None and not bool(torch.isfinite(w.grad).all()):
                raise FloatingPointError(
                    f"the gradient of weight {index} of group {number}, shape {tuple(w.shape)}, is not finite: "
                    "nothing was updated; clip gradients, or lower the learning rate"
                )


def not_negative(**options: float) -> None:
    """Raise ValueError unless every option is a number, finite and 0 or more."""
    for name, value in options.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be 0 or more, and finite: {value}")


def share(**options: float) -> None:
    """Raise ValueError unless every option lies in [0, 1)."""
    for name, value in options.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be at least 0 and below 1: {value}")
