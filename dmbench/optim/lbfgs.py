"""L-BFGS: a quasi-Newton direction from the last few steps and changes of the gradient.

Source: Nocedal and Wright (2006), Numerical Optimization, 2nd ed.: Algorithm 7.4 (two-loop recursion), 3.5 and 3.6
(line search for the strong Wolfe conditions, here with bisection). Symbols: w weights as one vector, g its gradient,
s, y the last steps and changes of g, H0 = (s . y) / (y . y) the first guess of the inverse Hessian, d direction, t step
along it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from dmbench.optim.parts.elementwise import not_negative, refuse_what_is_not_finite

C1, C2 = 1e-4, 0.9  # sufficient decrease and curvature, of Nocedal and Wright for quasi-Newton methods
EVALUATIONS = 25  # of one line search
CURVED = 1e-10  # least s . y of a pair that is kept


class LBFGS(torch.optim.Optimizer):
    """Minimise by L-BFGS: `step(closure)` makes up to `max_iter` iterations on the same data.

    Args:
        params: weights, in one group.
        lr: step along the direction where there is no line search; the first one is at most lr / |g|_1.
        max_iter: iterations a call. max_eval: closures a call, after which no iteration begins; None: a quarter more
            than max_iter. history_size: pairs (s, y) kept.
        tolerance_grad: end when no gradient is larger. tolerance_change: end when no weight, or the loss, moves more.
        line_search_fn: None, or "strong_wolfe": search from t = lr.

    Raises: ValueError: an option is out of range, or there are several groups.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        not_negative(lr=lr, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change)
        if max_iter < 1 or history_size < 1:
            raise ValueError(f"need at least one iteration and one pair: {max_iter}, {history_size}")
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn must be None or strong_wolfe: {line_search_fn}")
        most = max_iter * 5 // 4 if max_eval is None else max_eval
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": most,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        options |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, options)
        if len(self.param_groups) != 1:
            raise ValueError(f"L-BFGS takes one group of weights: {len(self.param_groups)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimise; return the closure's first answer. It clears gradients, and returns the loss after its backward.

        Raises: FloatingPointError: a gradient is not finite; the weights are those where it was.
        """
        group = self.param_groups[0]
        weights = group["params"]
        state = self.state[weights[0]]

        calls = 0

        def evaluate(w: Tensor) -> tuple[float, Tensor]:
            nonlocal calls
            calls += 1
            vector_to_parameters(w, weights)
            with torch.enable_grad():
                loss = closure()
            refuse_what_is_not_finite(self.param_groups)
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in weights]
            return float(loss.detach() if isinstance(loss, Tensor) else loss), torch.cat([g.reshape(-1) for g in grads])

        w = parameters_to_vector(weights).clone()
        first, g = evaluate(w)
        loss = first
        for left in reversed(range(group["max_iter"])):
            if float(g.abs().max()) <= group["tolerance_grad"] or calls >= group["max_eval"] > 1:
                break
            d = self._direction(g, state, group)
            slope, before = float(g @ d), loss
            if slope > -group["tolerance_change"]:
                break
            t = group["lr"] * (min(1.0, 1.0 / float(g.abs().sum())) if state["iterations"] == 1 else 1.0)
            if group["line_search_fn"]:
                t, loss, g = strong_wolfe(evaluate, w, d, t, loss, slope)
            elif left:
                loss, g = evaluate(w + t * d)  # after the last iteration the next call does it
            state["s"], w = t * d, w + t * d
            small = float((t * d).abs().max()) <= group["tolerance_change"]
            if small or (left and abs(loss - before) < group["tolerance_change"]):
                break
        vector_to_parameters(w, weights)
        return first

    def _direction(self, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """Return -H g by the two-loop recursion (Algorithm 7.4), after remembering the last step."""
        if not state:
            state.update(iterations=0, pairs=[], scale=1.0)
        state["iterations"] += 1
        if "s" in state:
            s, y = state["s"], g - state["previous"]
            if float(s @ y) > CURVED:
                state["pairs"] = [*state["pairs"], (s, y)][-group["history_size"] :]
                state["scale"] = float(s @ y) / float(y @ y)  # H0, Eq. 7.20
        state["previous"] = g
        q, alphas = g.neg(), []
        for s, y in reversed(state["pairs"]):
            alphas.append(float(s @ q) / float(s @ y))
            q = q - alphas[-1] * y
        r = q.mul(state["scale"])
        for (s, y), alpha in zip(state["pairs"], reversed(alphas), strict=True):
            r.add_(s, alpha=alpha - float(y @ r) / float(s @ y))
        return r


def strong_wolfe(
    evaluate: Callable[[Tensor], tuple[float, Tensor]], w: Tensor, d: Tensor, t: float, loss: float, slope: float
) -> tuple[float, float, Tensor]:
    """Return a step along d that meets the strong Wolfe conditions, or the best one tried; its loss and gradient.

    evaluate: the loss and gradient at weights. t: the first step to try. loss, slope: at w; slope < 0.
    """
    low, high, low_loss = 0.0, float("inf"), loss
    best: tuple[float, float, Tensor] | None = None
    for _ in range(EVALUATIONS):
        value, g = evaluate(w + t * d)
        if best is None or value < best[1]:
            best = (t, value, g)
        rise = float(g @ d)
        if value > loss + C1 * t * slope or (low > 0 and value >= low_loss):
            high = t
        elif abs(rise) <= -C2 * slope:
            return t, value, g
        elif rise >= 0:
            high = t
        else:
            low, low_loss = t, value
        t = 2 * t if high == float("inf") else (low + high) / 2
    return best or (t, *evaluate(w + t * d))
