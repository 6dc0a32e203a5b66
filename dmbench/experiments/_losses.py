"""What the experiments on losses share: what a loss takes, the contract of one, and how far it is from torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject
from dmbench.layers import softmax as losses
from dmbench.peers.softmax import PEERS

TORCH = PEERS["torch.nn"]
N, C = 6, 5  # examples and classes


def subject(name: str, kind: str, **options: Any) -> Subject:
    """Return the part that `--impl name=module:function` replaces. kind: of what it takes, see `given`."""

    def check(function: Callable[..., Any]) -> None:
        """Raise ContractError unless it returns one loss, or the shape that torch's does."""
        inputs = given(kind, torch.float32)
        mine, exact = function(*inputs, **options), TORCH[name](*inputs, **options)
        if not isinstance(mine, Tensor) or mine.shape != exact.shape:
            raise ContractError(f"returned {tuple(getattr(mine, 'shape', ()))}, not shape {tuple(exact.shape)}")

    called = "as torch.nn.functional.multi_margin_loss times the number of classes" if name == "hinge" else "as torch's"
    takes = ", ".join(options) or "reduction"
    return Subject(name, getattr(losses, name), f"f(input, ..., {takes}) returns {called}; differentiable", check)


def given(kind: str, dtype: torch.dtype) -> list[Tensor]:
    """Draw what a function takes: "scores", these with "classes" or "distributions", "probabilities" or "values"."""
    scores = torch.randn(N, C, dtype=torch.float64).to(dtype)
    if kind == "scores":
        return [scores]
    if kind == "classes":
        return [scores, torch.arange(N) % C]
    other = torch.rand(N, C, dtype=torch.float64)
    if kind == "distributions":
        return [scores, (other / other.sum(1, keepdim=True)).to(dtype)]
    return [scores.sigmoid() if kind == "probabilities" else scores, other.to(dtype)]


def difference(ctx: Context, name: str, kind: str, dtype: torch.dtype, **options: Any) -> float:
    """Measure how far the subject is from torch's, in result and all gradients: the worst, over the largest value."""
    inputs = [one.to(ctx.device) for one in given(kind, dtype)]
    wanted = [one.requires_grad_() for one in inputs if one.is_floating_point()]
    found = []
    for function in (ctx.subject(name), TORCH[name]):
        y = function(*inputs, **options)
        upstream = torch.linspace(-1, 1, y.numel()).to(y).view_as(y) if y.ndim else torch.ones_like(y)
        found.append([y, *torch.autograd.grad(y, wanted, upstream)])
    pairs = ((mine.detach(), his.detach()) for mine, his in zip(*found, strict=True))
    return max(float((mine - his).abs().max() / his.abs().max()) for mine, his in pairs)
