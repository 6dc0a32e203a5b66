"""RMSProp as the DQN papers have it: the centred form of Graves (2013), arXiv:1308.0850, Eqs. 38 to 41.

torch.optim.RMSprop(centered=True) adds its eps outside the root, which is another rule where gradients are small.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class RMSProp(torch.optim.Optimizer):
    """Divide the gradient by its running standard deviation.

        n = decay n + (1 - decay) g^2,  m = decay m + (1 - decay) g,
        delta = momentum delta - lr g / sqrt(n - m^2 + eps),  w = w + delta

    Args:
        lr: 0.00025 in Mnih et al. (2015), Extended Data Table 1.
        decay: 0.95, there the "squared gradient momentum", and also that of m: the "gradient momentum".
        momentum: 0, as in the code of 2015's authors; Graves has 0.9.
        eps: 0.01, there the "min squared gradient"; it stands inside the root. Graves has 0.0001.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.00025,
        decay: float = 0.95,
        momentum: float = 0.0,
        eps: float = 0.01,
    ) -> None:
        if lr <= 0 or eps <= 0 or not 0 <= decay < 1 or not 0 <= momentum < 1:
            raise ValueError(f"need lr, eps > 0 and 0 <= decay, momentum < 1: {lr}, {eps}, {decay}, {momentum}")
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update of all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            for w in weights:
                if not self.state[w]:
                    self.state[w].update(_start(w, group["momentum"]))
            self._step(weights, [w.grad for w in weights], group)
        return loss

    def _step(self, weights: list[Tensor], g: list[Any], group: dict[str, Any]) -> None:
        n, m = ([self.state[w][name] for w in weights] for name in ("n", "m"))
        decay = group["decay"]
        torch._foreach_mul_(n, decay)
        torch._foreach_addcmul_(n, g, g, 1 - decay)
        torch._foreach_lerp_(m, g, 1 - decay)
        spread = torch._foreach_addcmul(n, m, m, -1)
        torch._foreach_add_(spread, group["eps"])
        torch._foreach_sqrt_(spread)
        if group["momentum"]:
            delta = [self.state[w]["delta"] for w in weights]
            torch._foreach_mul_(delta, group["momentum"])
            torch._foreach_addcdiv_(delta, g, spread, -group["lr"])
            torch._foreach_add_(weights, delta)
        else:
            torch._foreach_addcdiv_(weights, g, spread, -group["lr"])


def _start(weight: Tensor, momentum: float) -> dict[str, Tensor]:
    names = ("n", "m", "delta") if momentum else ("n", "m")
    return {name: torch.zeros_like(weight) for name in names}
