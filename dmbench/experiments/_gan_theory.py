"""The game played on a table: the discriminator's best response to discrete distributions; quantiles as samples."""

from collections.abc import Callable

import torch
from torch import Tensor


def best_table(loss: Callable[..., Tensor], p: Tensor, g: Tensor) -> tuple[float, Tensor]:
    """Return the largest V that a table of scores reaches on counts (K) of outcomes, and D of each outcome."""
    table = torch.zeros(len(p), dtype=torch.float64, requires_grad=True)
    outcomes = torch.arange(len(p))
    real, fake = outcomes.repeat_interleave(p), outcomes.repeat_interleave(g)
    optimiser = torch.optim.LBFGS(
        [table], max_iter=200, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        found = loss(table[real], table[fake])
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return -float(closure().detach()), table.detach().sigmoid()


def quantiles(count: int) -> Tensor:
    """Return quantiles (N, 1) of the standard normal distribution, evenly spaced in probability, float64."""
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    found: Tensor = torch.special.ndtri(places)[:, None]
    return found
