"""What of the neural Turing machine a user may replace, and what each part must do."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmbench.datasets.algorithmic import optimal_ngrams
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Subject
from dmbench.models.ntm import NTM, Memory
from dmbench.models.parts.deep_lstm import DeepLSTM
from dmbench.models.parts.ntm_addressing import address, write

Address = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def check_net(build: Callable[..., nn.Module]) -> None:
    """Raise ContractError unless it maps sequences to scores for each time step."""
    found = build(3, 2, 5, "feedforward", 1, Memory(8, 4))(torch.rand(6, 2, 3))
    scores = found[0] if isinstance(found, tuple) else found
    if not isinstance(found, tuple) or scores.shape != (6, 2, 2):
        shape = tuple(getattr(scores, "shape", ()))
        raise ContractError(f"returned {type(found).__name__} with {shape}, not scores (6, 2, 2) and a state")


def check_address(given: Address) -> None:
    """Raise ContractError unless it returns weightings of the shape of those before."""
    w = given(torch.rand(2, 5, 3), torch.full((2, 1, 5), 0.2), torch.rand(2, 1, 3), *_emitted(2))
    if not isinstance(w, Tensor) or w.shape != (2, 1, 5):
        raise ContractError(f"returned shape {tuple(getattr(w, 'shape', ()))}, not (2, 1, 5)")


def check_write(given: Callable[..., Tensor]) -> None:
    """Raise ContractError unless it returns a memory of the same shape."""
    memory = given(torch.rand(2, 5, 3), torch.rand(2, 1, 5), torch.rand(2, 1, 3), torch.rand(2, 1, 3))
    if not isinstance(memory, Tensor) or memory.shape != (2, 5, 3):
        raise ContractError(f"returned shape {tuple(getattr(memory, 'shape', ()))}, not (2, 5, 3)")


def check_estimator(given: Callable[[Tensor], Tensor]) -> None:
    """Raise ContractError unless it returns a probability for each bit from the sixth on."""
    p = given(torch.zeros(9, 2))
    if p.shape != (4, 2) or not ((p > 0) & (p < 1)).all():
        raise ContractError(f"returned shape {tuple(p.shape)}, not (4, 2), or no probabilities within (0, 1)")


NET = Subject(
    name="ntm",
    default=NTM,
    contract="f(inputs, outputs, hidden, controller, layers, memory) builds a module that maps x (T, B, inputs) to "
    "scores (T, B, outputs), before the logistic function, and a state; memory is a dmbench.models.ntm.Memory",
    check=check_net,
)
BASELINE = Subject(
    name="baseline",
    default=DeepLSTM,
    contract="f(inputs, outputs, hidden, layers) builds a module that maps x (T, B, inputs) to scores (T, B, outputs), "
    "before the logistic function, and a state",
    check=lambda build: check_net(lambda i, o, h, *_: build(i, o, h, 2)),
)
ADDRESS = Subject(
    name="address",
    default=address,
    contract="f(memory (B, N, M), w_tm1 (B, H, N), k (B, H, M), beta, g (B, H, 1), s (B, H, S), gamma (B, H, 1)) "
    "returns the next weightings (B, H, N)",
    check=check_address,
)
WRITE = Subject(
    name="write",
    default=write,
    contract="f(memory (B, N, M), w (B, W, N), e (B, W, M), a (B, W, M)) returns the memory after erasing and adding",
    check=check_write,
)
ESTIMATOR = Subject(
    name="estimator",
    default=optimal_ngrams,
    contract="f(bits (T, B)) returns the probability of a one for each bit from the sixth on, (T - 5, B)",
    check=check_estimator,
)


def _emitted(batch: int) -> tuple[Tensor, ...]:
    """Return beta, g, s and gamma of one head."""
    one = torch.ones(batch, 1, 1)
    return one, one / 2, torch.full((batch, 1, 3), 1 / 3), one
