"""Pruning: LeNets trained, cut to the paper's densities and retrained on MNIST; closed forms; torch's own masks."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.prune import l1_unstructured

from dmbench.experiments._pruning_training import LENET5, LENET300, trained
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.lenet import LeNet5Caffe, LeNet300, layer_table, operations
from dmbench.regularizers.pruning import Pruner, by_quality, by_ratio, dropout_after

RESULTS = ("reference_error", "pruned_error", "loss", "densities", "weights", "compression")
# Columns Act% and Weights% of the tables of section 4.1.
ACTIVE = {"lenet300": (38, 65, 100), "lenet5": (82, 72, 55, 100)}
KEPT = {"lenet300": (8, 9, 26), "lenet5": (66, 12, 8, 19)}


def check_mask(mask: Any) -> None:
    """Raise ContractError unless mask(weight, ratio) cuts the smallest half."""
    found = mask(torch.tensor([[3.0, -1.0], [0.5, -4.0]]), 0.5)
    if not isinstance(found, Tensor) or found.bool().tolist() != [[True, False], [False, True]]:
        raise ContractError(f"cut other weights than the smallest half of (3, -1, 0.5, -4): {found}")


def check_pruner(build: Any) -> None:
    """Raise ContractError unless a cut weight is zero, and still is after an update."""
    weight = torch.nn.Parameter(torch.tensor([3.0, 1.0]))
    pruner = build({"w": weight})
    pruner.prune({"w": 0.5})
    optimiser = torch.optim.SGD([weight], lr=0.1)
    pruner.hold(optimiser)
    if weight[1] != 0 or weight[0] == 0:
        raise ContractError(f"prune(ratios) left {weight.tolist()} of (3, 1), half of which was to be cut")
    weight.grad = torch.ones(2)
    optimiser.step()
    if weight[1] != 0:
        raise ContractError(f"a weight that was cut is {weight[1].item()} after an update")


MASK = Subject(
    name="mask",
    default=by_ratio,
    contract="mask(weight, ratio) returns a mask that is false for the smallest round(ratio * n) weights",
    check=check_mask,
)
PRUNER = Subject(
    name="pruner",
    default=Pruner,
    contract="p = MyPruner(weights by name); p.prune({name: ratio}) cuts, p.hold(optimiser) keeps what is cut at zero",
    check=check_pruner,
)


@experiment(*(f"lenet300_{key}" for key in RESULTS), tier="slow", artifacts=("mnist",), subjects=(PRUNER,), seeds=5)
def lenet300(ctx: Context) -> dict[str, float | list[float]]:
    """Train LeNet-300-100, prune it to a twelfth in three rounds, and retrain."""
    return {f"lenet300_{key}": value for key, value in trained(ctx, LeNet300(), LENET300, "lenet300").items()}


@experiment(*(f"lenet5_{key}" for key in RESULTS), tier="slow", artifacts=("mnist",), subjects=(PRUNER,), seeds=5)
def lenet5(ctx: Context) -> dict[str, float | list[float]]:
    """Train Caffe's LeNet-5, prune it to a twelfth in two rounds, and retrain."""
    return {f"lenet5_{key}": value for key, value in trained(ctx, LeNet5Caffe(), LENET5, "lenet5").items()}


@experiment("{net}_weights_of_table", "{net}_operations_of_table", tier="quick", over={"net": tuple(KEPT)})
def tables(ctx: Context, net: str) -> dict[str, float]:
    """Compute the totals of the tables of section 4.1 from their columns Weights% and Act%."""
    rows = layer_table(LeNet300() if net == "lenet300" else LeNet5Caffe())
    inputs = (100, *ACTIVE[net][:-1])  # a layer needs the products of what is active before it
    left = sum(row.weights * kept / 100 for row, kept in zip(rows, KEPT[net], strict=True))
    needed = sum(operations(row) * k / 100 * a / 100 for row, k, a in zip(rows, KEPT[net], inputs, strict=True))
    return {
        f"{net}_weights_of_table": left / 1000,
        f"{net}_operations_of_table": 100 * needed / sum(map(operations, rows)),
    }


@experiment("dropout_after_pruning", tier="quick")
def dropout(ctx: Context) -> dict[str, float]:
    """Adjust a dropout rate of a half after a layer lost three quarters of its connections."""
    return {"dropout_after_pruning": dropout_after(0.5, 400, 100)}


@experiment("kept_at_one_deviation", tier="quick")
def normal_layer(ctx: Context) -> dict[str, float]:
    """Prune a layer, whose weights are the quantiles of a normal distribution, at a quality parameter of 1."""
    places = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    weight = 0.01 * math.sqrt(2) * torch.erfinv(2 * places - 1)
    return {"kept_at_one_deviation": float(by_quality(weight, 1.0).double().mean())}


@experiment("revived", tier="quick", subjects=(PRUNER,))
def revived(ctx: Context) -> dict[str, float]:
    """Count cut weights that are not zero after any of 50 updates, with momentum and decay, by several optimisers.

    The optimisers have made ten updates before the cut, so that their momenta point away from zero.
    """
    rules: tuple[tuple[Any, dict[str, float]], ...] = (
        (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
        (torch.optim.Adam, {"lr": 0.05, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"lr": 0.05}),
        (torch.optim.RMSprop, {"lr": 0.05, "momentum": 0.9}),
    )
    alive = 0
    for rule, options in rules:
        weight = torch.nn.Parameter(torch.randn(20, 30, dtype=torch.float64))
        aim = torch.randn(20, 30, dtype=torch.float64)
        optimiser = rule([weight], **options)
        pruner, cut = ctx.subject("pruner")({"w": weight}), None
        for update in range(60):
            if update == 10:
                pruner.prune({"w": 0.9})
                pruner.hold(optimiser)
                cut = weight.detach() == 0
            optimiser.zero_grad()
            (weight - aim).square().sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if cut is not None:
                alive += int(weight[cut].count_nonzero())
    return {"revived": alive}


@experiment("difference_torch", tier="quick", subjects=(MASK,))
def torchs(ctx: Context) -> dict[str, float]:
    """Compare masks with those of torch.nn.utils.prune.l1_unstructured."""
    differing = 0
    for ratio in (0.0, 0.1, 0.5, 0.92, 0.99):
        layer = torch.nn.Linear(784, 300)
        mine = ctx.subject("mask")(layer.weight, ratio)
        l1_unstructured(layer, "weight", amount=ratio)  # type: ignore[no-untyped-call]
        differing += int((layer.get_buffer("weight_mask").bool() != mine.bool()).sum())
    return {"difference_torch": differing}
