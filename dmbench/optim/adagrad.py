"""AdaGrad: each weight's rate falls with the gradients it has seen.

Source: Duchi, Hazan and Singer (2011), JMLR 12, 2121-2159: the diagonal form of Figure 1, composite mirror descent with
no regulariser. Symbols: w weight, g gradient, s sum of squared gradients.

    s = s + g^2,    w = w - lr g / (sqrt(s) + eps)
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dmbench.optim.parts.elementwise import Elementwise, not_negative


class Adagrad(Elementwise):
    """Divide the gradient by the root of the sum of all squared gradients so far.

    Args:
        params, lr, weight_decay, maximize: as `Elementwise`.
        lr_decay: the rate of update t (from 1) is lr / (1 + (t - 1) lr_decay); not the paper's.
        initial_accumulator_value: what s starts with. eps: added to the root; the paper's delta.

    Raises: ValueError: an option is negative.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        not_negative(lr_decay=lr_decay, initial_accumulator_value=initial_accumulator_value, eps=eps)
        options = {"lr_decay": lr_decay, "initial_accumulator_value": initial_accumulator_value, "eps": eps}
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["step"], state["sum"] = 0, torch.full_like(w, group["initial_accumulator_value"])
        rate = group["lr"] / (1 + state["step"] * group["lr_decay"])
        state["step"] += 1
        state["sum"].addcmul_(g, g)
        w.addcdiv_(g, state["sum"].sqrt().add_(group["eps"]), value=-rate)
