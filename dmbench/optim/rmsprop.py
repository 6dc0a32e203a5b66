"""RMSProp: the gradient over its running root mean square.

Sources: Tieleman and Hinton (2012), Coursera, lecture 6.5; centred, with momentum: Graves (2013), arXiv:1308.0850,
Eqs. 38 to 41. Symbols: w weight, g gradient, n running mean of g^2, m of g, delta the step.

    n = alpha n + (1 - alpha) g^2,    w = w - lr g / (sqrt(n) + eps)

Differs from Graves: eps stands outside the root, as in torch. The form with eps inside,
which the DQN papers use, is `dmbench.agents.parts.rmsprop`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dmbench.optim.parts.elementwise import Elementwise, not_negative, share


class RMSprop(Elementwise):
    """Divide the gradient by the root of its running mean square.

    Args:
        params, lr, weight_decay, maximize: as `Elementwise`.
        alpha: how much of the running means stays, in [0, 1); 0.9 in the lecture.
        eps: added to the root. momentum: of the divided gradient. centered: subtract the squared running mean first.

    Raises: ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        share(alpha=alpha)
        not_negative(eps=eps, momentum=momentum)
        options = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        alpha, mu = group["alpha"], group["momentum"]
        for name in ("square_avg", *("momentum_buffer",) * bool(mu), *("grad_avg",) * group["centered"]):
            state.setdefault(name, torch.zeros_like(w))
        n = state["square_avg"].mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            m = state["grad_avg"].lerp_(g, 1 - alpha)
            n = n.addcmul(m, m, value=-1)
        root = n.sqrt().add_(group["eps"])
        if mu:
            delta = state["momentum_buffer"].mul_(mu).addcdiv_(g, root)
            w.add_(delta, alpha=-group["lr"])
        else:
            w.addcdiv_(g, root, value=-group["lr"])
