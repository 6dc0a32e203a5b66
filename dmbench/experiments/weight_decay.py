"""Weight decay: closed forms of L2 and L1, L2 against decoupled decay under SGD and Adam, and what is left out."""

from typing import Any

import torch
from torch import Tensor, nn

from dmbench.experiments._optimisers import waves
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.optim.adam import Adam
from dmbench.optim.sgd import SGD
from dmbench.regularizers.weight_decay import (
    decay_groups,
    l1_minimum,
    l2_minimum,
    l2_penalty,
    shrink,
    slopes,
    soft_threshold,
)

ALPHA, LR, STEPS = 0.3, 0.05, 50


def check_shrink(shrinking: Any) -> None:
    """Raise ContractError unless a weight of 2 becomes 1.6 at lr 0.5 and alpha 0.4."""
    weight = torch.tensor([2.0])
    shrinking([weight], 0.5, 0.4)
    if abs(weight.item() - 1.6) > 1e-6:
        raise ContractError(f"turned a weight of 2 into {weight.item():g}, not 1.6, at lr 0.5 and alpha 0.4")


SHRINK = Subject(
    name="shrink",
    default=shrink,
    contract="shrink(weights, lr, alpha) multiplies a list of weights in place by 1 - lr * alpha",
    check=check_shrink,
)


@experiment("l2_shrinking", tier="quick")
def along_eigenvectors(ctx: Context) -> dict[str, list[float]]:
    """Go down a rotated quadratic with an L2 penalty of 1; read the minimum along the Hessian's eigenvectors."""
    curvatures = torch.tensor([10.0, 1.0, 0.1], dtype=torch.float64)
    axes, hessian, best = quadratic(curvatures)
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], 0.15)
    for _ in range(300):
        optimiser.zero_grad()
        (0.5 * (w - best) @ hessian @ (w - best) + l2_penalty([w], 1.0)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {"l2_shrinking": ((w.detach() @ axes) / (best @ axes)).tolist()}


@experiment("l2_minimum", tier="quick")
def minimum_of_l2(ctx: Context) -> dict[str, list[float]]:
    """Solve for the same minimum."""
    axes, hessian, best = quadratic(torch.tensor([10.0, 1.0, 0.1], dtype=torch.float64))
    return {"l2_minimum": ((l2_minimum(hessian, best, 1.0) @ axes) / (best @ axes)).tolist()}


@experiment("l1_threshold", "l1_minimum", tier="quick")
def sparse(ctx: Context) -> dict[str, list[float]]:
    """Find the minimum of a quadratic with a diagonal Hessian and L1: by soft thresholding after each step, solved."""
    curvatures, best = (torch.tensor(v, dtype=torch.float64) for v in ([1.0, 2.0, 4.0], [0.5, 1.0, -1.0]))
    w = torch.ones(3, dtype=torch.float64)
    for _ in range(400):
        w -= 0.1 * curvatures * (w - best)
        soft_threshold([w], 0.1, 1.0)
    return {"l1_threshold": w.tolist(), "l1_minimum": l1_minimum(curvatures, best, 1.0).tolist()}


@experiment("sgd_equal", "sgd_penalty", tier="quick", subjects=(SHRINK,))
def same_for_sgd(ctx: Context) -> dict[str, float]:
    """Walk 50 steps of plain SGD by its own weight decay, by a penalty in the loss, and by shrinking beforehand."""
    begin = 2 * torch.randn(5, dtype=torch.float64)
    own = walk(SGD, begin, weight_decay=ALPHA)
    return {
        "sgd_equal": float((walk(SGD, begin, shrinking=ctx.subject("shrink")) - own).abs().max()),
        "sgd_penalty": float((walk(SGD, begin, penalty=ALPHA) - own).abs().max()),
    }


@experiment("adam_l2_step", "adam_decoupled_step", tier="quick", subjects=(SHRINK,))
def not_for_adam(ctx: Context) -> dict[str, float]:
    """Decay a weight of 2 by 0.4 where the loss has no slope: Adam's first step with each, in learning rates."""
    found = {}
    for name in ("adam_l2_step", "adam_decoupled_step"):
        w = torch.full((1,), 2.0, dtype=torch.float64, requires_grad=True)
        optimiser = Adam([w], lr=0.1, eps=0.0 if name == "adam_l2_step" else 1e-8)
        w.grad = torch.zeros_like(w)
        if name == "adam_l2_step":
            l2_penalty([w], 0.4).backward()  # type: ignore[no-untyped-call]
        else:
            ctx.subject("shrink")([w], 0.1, 0.4)
        optimiser.step()
        found[name] = (2.0 - w.item()) / 0.1
    return found


@experiment("difference_adamw", "difference_sgd", tier="quick", subjects=(SHRINK,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare shrinking before Adam with torch.optim.AdamW, and before plain SGD with torch.optim.SGD's decay."""
    begin = 2 * torch.randn(5, dtype=torch.float64)
    return {
        f"difference_{name}": float(
            (walk(mine, begin, shrinking=ctx.subject("shrink")) - walk(theirs, begin, weight_decay=ALPHA)).abs().max()
        )
        for name, mine, theirs in (("adamw", Adam, torch.optim.AdamW), ("sgd", SGD, torch.optim.SGD))
    }


@experiment("slope_decayed", "slope_exempt", "weights_with_decay", tier="quick")
def slope(ctx: Context) -> dict[str, float]:
    """Decay a PReLU's slope, and leave it out, where the loss has no slope: what is left of 0.25 after 100 updates."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.PReLU(8), nn.Flatten(), nn.Linear(8, 10)).double()
    found = {}
    for name, groups in (("slope_decayed", list(net.parameters())), ("slope_exempt", decay_groups(net, 0.1, slopes))):
        optimiser = torch.optim.SGD(groups, 0.1, weight_decay=0.1)
        for _ in range(100):
            for weight in net.parameters():
                weight.grad = torch.zeros_like(weight)
            optimiser.step()
        activation: Any = net[2]
        found[name] = float(activation.weight.detach().mean())
        with torch.no_grad():
            activation.weight.fill_(0.25)
    weights = decay_groups(net, 0.1)[0]["params"]
    return {**found, "weights_with_decay": sum(weight.numel() for weight in weights)}


def quadratic(curvatures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return eigenvectors in columns, a Hessian with them, and a minimum."""
    count = len(curvatures)
    axes = torch.linalg.qr(torch.randn(count, count, dtype=curvatures.dtype)).Q
    return axes, axes @ torch.diag(curvatures) @ axes.T, axes @ (1 + torch.rand(count, dtype=curvatures.dtype))


def walk(build: Any, begin: Tensor, shrinking: Any = None, penalty: float = 0.0, **options: float) -> Tensor:
    """Return where an optimiser is after each step of a walk on a smooth surface, (STEPS, K)."""
    w = begin.clone().requires_grad_()
    optimiser, path = build([w], lr=LR, **options), []
    for _ in range(STEPS):
        optimiser.zero_grad()
        (waves(w) + l2_penalty([w], penalty)).backward()  # type: ignore[no-untyped-call]
        if shrinking is not None:
            shrinking([w], LR, ALPHA)
        optimiser.step()
        path.append(w.detach().clone())
    return torch.stack(path)
