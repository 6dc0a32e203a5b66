"""Bagging: how many cases a bootstrap sample holds, the error of averages, and an unstable predictor."""

from collections.abc import Callable

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers.bagging import average, bootstrap, distinct_share, expected_error

CASES, SAMPLES = 60_000, 20  # as many as MNIST has to train on
SETS, SIZE, MODELS = 4000, 50, 100  # of the step function


def check_bootstrap(draw: Callable[[int], Tensor]) -> None:
    """Raise ContractError unless it draws as many cases as there are, with replacement."""
    torch.manual_seed(0)
    drawn = draw(1000)
    if not isinstance(drawn, Tensor) or drawn.shape != (1000,) or drawn.dtype != torch.int64:
        raise ContractError(f"returned {getattr(drawn, 'dtype', type(drawn))}, not 1000 whole numbers")
    if not 0 <= int(drawn.min()) <= int(drawn.max()) < 1000:
        raise ContractError(f"drew cases {int(drawn.min())} to {int(drawn.max())} of 0 to 999")
    if len(set(drawn.tolist())) == 1000:
        raise ContractError("drew each case once: a permutation, with nothing drawn twice")


BOOTSTRAP = Subject(
    name="bootstrap",
    default=bootstrap,
    contract="f(n) draws n of the numbers 0 to n - 1 with replacement, by torch's random state",
    check=check_bootstrap,
)


@experiment("distinct", tier="quick", subjects=(BOOTSTRAP,))
def distinct(ctx: Context) -> dict[str, float]:
    """Measure the share of 60,000 cases that a bootstrap sample holds, mean of 20 samples."""
    shares = [len(set(ctx.subject("bootstrap")(CASES).tolist())) / CASES for _ in range(SAMPLES)]
    return {"distinct": sum(shares) / SAMPLES}


@experiment("distinct_limit", tier="quick")
def distinct_limit(ctx: Context) -> dict[str, float]:
    """Compute the share that is expected of many cases."""
    return {"distinct_limit": distinct_share(10**9)}


@experiment("independent_errors", "identical_errors", "correlated_errors", tier="quick")
def errors(ctx: Context) -> dict[str, float]:
    """Average ten models whose errors have variance 1, and covariance 0, 1 or 0.3; the mean squared error."""
    own, shared = torch.randn(10, 200_000, dtype=torch.float64), torch.randn(200_000, dtype=torch.float64)
    found = {}
    for name, covariance in (("independent", 0.0), ("identical", 1.0), ("correlated", 0.3)):
        each = covariance**0.5 * shared + (1 - covariance) ** 0.5 * own
        found[f"{name}_errors"] = float(each.mean(0).square().mean())
    return found


@experiment("expected_error", tier="quick")
def formula(ctx: Context) -> dict[str, float]:
    """Compute what Eq. 7.50 says of ten models of variance 1 and covariance 0.3."""
    return {"expected_error": expected_error(1.0, 0.3, 10)}


@experiment("step_variance", "bagged_step_variance", tier="quick", subjects=(BOOTSTRAP,))
def step(ctx: Context) -> dict[str, float]:
    """Predict 1 where a sample's mean is above 0, its true value; the variance over samples, alone and bagged."""
    data = torch.randn(SETS, SIZE, dtype=torch.float64)
    chosen = torch.stack([ctx.subject("bootstrap")(SIZE) for _ in range(MODELS)])  # the same places in every sample
    alone = (data.mean(1) > 0).double()
    bagged = torch.stack([(data[:, places].mean(1) > 0).double() for places in chosen]).mean(0)
    return {"step_variance": float(alone.var()), "bagged_step_variance": float(bagged.var())}


@experiment("mean_of_probabilities", tier="quick")
def probabilities(ctx: Context) -> dict[str, list[float]]:
    """Average the probabilities of two models that disagree."""
    given = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]], dtype=torch.float64)
    return {"mean_of_probabilities": average(given).tolist()}
