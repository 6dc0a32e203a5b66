"""What the optimisers' stems share: the contract of one, walks on a surface, and how far two of them are apart."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from dmbench.experiments._surfaces import valley
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject

Options = Mapping[str, Any]
STEPS = 50


def subject(name: str, default: Any, peer: Any) -> Subject:
    """Return the part that `--impl name=module:Class` replaces."""

    def check(build: Any) -> None:
        """Raise ContractError unless one step goes down, and by as much as torch's does to within a half."""
        moved = [float(walk(one, bowl, torch.ones(2), 1, {})[-1, 0] - 1) for one in (build, peer)]
        if not 0.5 <= moved[0] / moved[1] <= 2:
            raise ContractError(f"a first step moved by {moved[0]:g}, where torch's moves by {moved[1]:g}")

    return Subject(
        name=name,
        default=default,
        contract=f"{peer.__name__}(params, **options) as torch.optim's: step() or step(closure) updates the weights",
        check=check,
    )


def bowl(w: Tensor) -> Tensor:
    """Half of the squared length."""
    return 0.5 * (w * w).sum()


def waves(w: Tensor) -> Tensor:
    """A smooth surface with curvature of both signs, in which every weight has to do with its neighbours."""
    return (0.3 * w**2).sum() + w.cos().sum() + 0.1 * (w[:-1] * w[1:]).sum()


def walk(build: Any, loss: Callable[[Tensor], Tensor], begin: Tensor, steps: int, options: Options) -> Tensor:
    """Return where an optimiser is after each step, (steps, weights)."""
    w = begin.clone().requires_grad_()
    optimiser = build([w], **options)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(w)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    path = []
    for _ in range(steps):
        optimiser.step(closure)
        path.append(w.detach().clone())
    return torch.stack(path)


def unlike_coordinates(build: Any, options: Options) -> float:
    """Return how far the coordinates of a walk down the ill-conditioned valley come apart in 50 steps, from (1, 1).

    No distance at all where an optimiser's steps are the same for a gradient and for a multiple of it.
    """
    path = walk(build, valley, torch.ones(2, dtype=torch.float64), STEPS, options)
    return float((path[:, 0] - path[:, 1]).abs().max())


def combinations(**options: Iterable[Any]) -> list[dict[str, Any]]:
    """Return every combination of the options' values."""
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]


def difference(ctx: Context, name: str, peer: Any, options: Iterable[Options]) -> float:
    """Measure how far the subject is from torch's optimiser after any of 50 steps, with any of the options."""
    ctx.note(steps=STEPS, weights=5, dtype="torch.float64")
    begin = 2 * torch.randn(5, dtype=torch.float64)
    worst = 0.0
    for one in options:
        paths = [walk(build, waves, begin, STEPS, one) for build in (ctx.subject(name), peer)]
        worst = max(worst, float((paths[0] - paths[1]).abs().max()))
    return worst
