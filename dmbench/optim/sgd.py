"""Stochastic gradient descent: plain, with momentum, and with Nesterov's momentum.

Sources: Polyak (1964); Nesterov (1983), in the form of Sutskever, Martens, Dahl and Hinton (2013), "On the importance
of initialization and momentum in deep learning", Eqs. 1 to 4. Symbols: w weight, g gradient, v velocity, mu momentum.

The velocity holds gradients, and the learning rate multiplies it where it is used:

    v = mu v + (1 - dampening) g,    w = w - lr v    (momentum)    or    w = w - lr (g + mu v)    (Nesterov)

Differs from the paper: 1. there the rate is inside, v = mu v - lr g, w = w + v. With a constant rate the weights are
the same; when the rate changes, here it scales all of the velocity at once, there only what comes after. 2. Nesterov's
gradient is taken there at w + mu v. Here w stands for that point, so that a gradient where the weights are is enough.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from dmbench.optim.parts.elementwise import Elementwise, not_negative


class SGD(Elementwise):
    """Go down the gradient, or down a running sum of gradients.

    Args:
        params, lr, weight_decay, maximize: as `Elementwise`.
        momentum: mu, 0 or more; below 1, or the velocity grows without end.
        dampening: what a gradient lacks when it joins the velocity; the first one joins whole.
        nesterov: look ahead by one step of the velocity; needs momentum and no dampening.

    Raises: ValueError: an option is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        not_negative(momentum=momentum)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(f"Nesterov's needs momentum above 0 and no dampening: {momentum}, {dampening}")
        options = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov}
        super().__init__(params, lr, weight_decay, maximize, **options)

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        mu = group["momentum"]
        if mu:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = g.clone()
            else:
                state["momentum_buffer"].mul_(mu).add_(g, alpha=1 - group["dampening"])
            v = state["momentum_buffer"]
            g = g + mu * v if group["nesterov"] else v
        w.add_(g, alpha=-group["lr"])
