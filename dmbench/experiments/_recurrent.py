"""What the recurrent stems share: the contract of a layer, and how far one is from torch's with the same weights."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject

Build = Callable[..., Any]
TIME, BATCH, INPUT, HIDDEN = 20, 4, 12, 16


def subject(name: str, default: Build, peer: Build, state: str) -> Subject:
    """Return the part that `--impl name=module:attribute` replaces.

    default, peer: our layer and torch's. state: how its state is given and returned, in words.
    """

    def check(build: Any) -> None:
        """Raise ContractError unless the layer takes torch's weights and returns what torch's does, in shape."""
        net, theirs = build(3, 5), peer(3, 5)
        fill(net, list(theirs.parameters()))
        for given, wanted in zip(run(net, 2, 4, 3), run(theirs, 2, 4, 3), strict=True):
            if given.shape != wanted.shape or not torch.isfinite(given).all():
                raise ContractError(f"returned shape {tuple(given.shape)}, not {tuple(wanted.shape)}, or no numbers")

    return Subject(
        name=name,
        default=default,
        contract=f"Layer(I, H) is a torch.nn.Module with the parameters of {peer.__module__}.{peer.__qualname__} in "
        f"their order; layer(x, state) maps x (T, B, I) and {state} to y (T, B, H) and the state after",
        check=check,
    )


def fill(net: nn.Module, weights: Sequence[Tensor]) -> None:
    """Copy weights into the parameters of a layer, in order; ContractError where counts or shapes differ."""
    mine = list(net.parameters())
    have, need = ([tuple(t.shape) for t in tensors] for tensors in (mine, weights))
    if have != need:
        raise ContractError(f"its parameters have shapes {have}, not {need}")
    with torch.no_grad():
        for parameter, weight in zip(mine, weights, strict=True):
            parameter.copy_(weight)


def run(net: Any, steps: int, batch: int, width: int) -> list[Tensor]:
    """Run a layer from the zero state; return y and the tensors of the state after."""
    with torch.no_grad():
        y, state = net(torch.rand(steps, batch, width), None)
    return [y, *states(state)]


def states(state: Any) -> list[Tensor]:
    """Return a state's tensors, of which there are one or two."""
    return [state] if isinstance(state, Tensor) else list(state)


def difference(ctx: Context, name: str, peer: Build, dtype: torch.dtype, tensors: int) -> float:
    """Measure how far the subject is from torch's layer: outputs, states and all gradients.

    tensors: how many the state has. For each tensor the largest difference over the largest value; the worst counts.
    Random weights, inputs and states; the gradients are those of a random projection of the outputs and states.
    """
    ctx.note(peer=f"{peer.__module__}.{peer.__qualname__}", dtype=str(dtype), sizes=[TIME, BATCH, INPUT, HIDDEN])
    theirs = peer(INPUT, HIDDEN).to(ctx.device, dtype)
    net = ctx.subject(name)(INPUT, HIDDEN).to(ctx.device, dtype)
    fill(net, list(theirs.parameters()))
    x = torch.randn(TIME, BATCH, INPUT).to(ctx.device, dtype)
    before = [torch.randn(1, BATCH, HIDDEN).to(ctx.device, dtype) for _ in range(tensors)]
    up = [torch.randn(TIME, BATCH, HIDDEN).to(ctx.device, dtype), *(torch.randn_like(one) for one in before)]
    pairs = zip(results(net, x, before, up), results(theirs, x, before, up), strict=True)
    return max(float((mine - his).abs().max() / his.abs().max()) for mine, his in pairs)


def results(net: Any, x: Tensor, before: list[Tensor], upstream: list[Tensor]) -> list[Tensor]:
    """Return a layer's outputs, states after, and gradients of x, the states before, and its parameters."""
    leaves = [one.clone().requires_grad_() for one in (x, *before)]
    y, after = net(leaves[0], leaves[1] if len(before) == 1 else tuple(leaves[1:]))
    outputs = [y, *states(after)]
    gradients = torch.autograd.grad(outputs, [*leaves, *net.parameters()], upstream)
    return [one.detach() for one in (*outputs, *gradients)]


def parameters_with_one_bias(net: nn.Module) -> int:
    """Count parameters; torch's two bias vectors of a direction, which only occur as their sum, count as one."""
    sizes = [parameter.numel() for parameter in net.parameters()]
    return sum(size for index, size in enumerate(sizes) if index % 4 != 3)
