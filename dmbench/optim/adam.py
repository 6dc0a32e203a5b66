"""Adam: running means of the gradient and its square, both corrected for their start at zero.

Sources: Kingma and Ba (2015), arXiv:1412.6980, Algorithm 1; amsgrad: Reddi et al. (2018), Algorithm 2, here with the
correction; decoupled decay: Loshchilov and Hutter (2019), arXiv:1711.05101, Algorithm 2. Symbols: w weight, g gradient,
m, v first and second moment, t number of updates.

    m = beta1 m + (1 - beta1) g,    v = beta2 v + (1 - beta2) g^2
    w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dmbench.optim.parts.elementwise import Elementwise, not_negative, share


class Adam(Elementwise):
    """Divide the running mean of the gradient by the root of that of its square.

    Args:
        params, lr, weight_decay, maximize: as `Elementwise`.
        betas: how much of the two running means stays, each in [0, 1). eps: added to the root, after the correction.
        amsgrad: divide by the largest v so far. decoupled_weight_decay: shrink the weight by lr weight_decay instead of
            adding to the gradient (AdamW).

    Raises: ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        share(beta1=betas[0], beta2=betas[1])
        not_negative(eps=eps)
        options = {"betas": betas, "eps": eps, "amsgrad": amsgrad, "decoupled": decoupled_weight_decay}
        super().__init__(params, lr, weight_decay, maximize, **options)

    def decay(self, w: Tensor, g: Tensor, group: dict[str, Any]) -> Tensor:
        if not group["decoupled"]:
            return super().decay(w, g, group)
        w.mul_(1 - group["lr"] * group["weight_decay"])
        return g

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state["step"], state["exp_avg"], state["exp_avg_sq"] = 0, torch.zeros_like(w), torch.zeros_like(w)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = torch.zeros_like(w)
        state["step"] += 1
        m = state["exp_avg"].lerp_(g, 1 - beta1)
        v = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if group["amsgrad"]:
            v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        root = (v / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        w.addcdiv_(m, root, value=-group["lr"] / (1 - beta1 ** state["step"]))
