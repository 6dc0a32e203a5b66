"""What the stems of plain functions share: the contract of one, and how far it is from torch's."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject

Call = Callable[..., Tensor]
Case = tuple[Sequence[Sequence[int]], dict[str, Any]]  # shapes of the tensors, keyword arguments


def subject(name: str, default: Call, peer: Call, case: Case) -> Subject:
    """Return the part that `--impl name=module:function` replaces; `case` is the tiny input it is tried on."""
    shapes, options = case

    def check(function: Any) -> None:
        """Raise ContractError unless the function returns a tensor of the shape that torch's does."""
        tensors = [torch.rand(*shape) for shape in shapes]
        given, wanted = function(*tensors, **options), peer(*tensors, **options)
        if not isinstance(given, Tensor) or given.shape != wanted.shape:
            raise ContractError(f"returned {tuple(getattr(given, 'shape', ()))}, not shape {tuple(wanted.shape)}")

    return Subject(
        name=name,
        default=default,
        contract=f"called as torch.nn.functional.{peer.__name__} is, it returns what that returns; differentiable",
        check=check,
    )


def difference(ctx: Context, name: str, peer: Call, dtype: torch.dtype, case: Case) -> float:
    """Measure how far the subject is from torch's function, in its result and all gradients.

    Normal inputs; the gradients are those of a random projection of the result. For each tensor the largest
    difference over the largest value; the worst counts.
    """
    shapes, options = case
    ctx.note(dtype=str(dtype), shapes=[list(shape) for shape in shapes], options=options)
    tensors = [torch.randn(*shape).to(ctx.device, dtype).requires_grad_() for shape in shapes]
    theirs = peer(*tensors, **options)
    mine = ctx.subject(name)(*tensors, **options)
    upstream = torch.randn_like(theirs)
    pairs = [
        (mine, theirs),
        *zip(*(torch.autograd.grad(y, tensors, upstream) for y in (mine, theirs)), strict=True),
    ]
    return max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in pairs)
