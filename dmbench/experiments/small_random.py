"""Small random numbers: their deviation, and how activations collapse through ten layers of a lecture's example."""

import torch

from dmbench.experiments import _initialisations as shared
from dmbench.harness.experiment import Context, experiment
from dmbench.init.small_random import small_random_

FILL = shared.subject("small_random", small_random_, ", std=0.01", 0.01)


@experiment("deviation", tier="quick", subjects=(FILL,))
def drawn(ctx: Context) -> dict[str, float]:
    """Draw AlexNet's last hidden layer, 4096 x 4096, and take its standard deviation."""
    weight = torch.empty(4096, 4096, device=ctx.device)
    ctx.subject("small_random")(weight)
    return {"deviation": float(weight.std())}


@experiment(
    "lecture_std_1", "lecture_std_5", "lecture_std_10", "decay", tier="quick", subjects=(FILL,), seeds=shared.SEEDS
)
def lecture(ctx: Context) -> dict[str, float]:
    """Send 1,000 normal inputs through ten tanh layers of 500 units drawn from N(0, 0.01^2)."""
    found = shared.lecture_deviations(ctx, ctx.subject("small_random"), torch.tanh)
    return {
        "lecture_std_1": found[0],
        "lecture_std_5": found[4],
        "lecture_std_10": found[9],
        "decay": (found[9] / found[4]) ** (1 / 5),
    }


@experiment("difference_torch", tier="quick", subjects=(FILL,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare with torch.nn.init.normal_ from the same random state."""
    return {
        "difference_torch": shared.difference(ctx.subject("small_random"), lambda w: torch.nn.init.normal_(w, std=0.01))
    }
