"""LeNet: parameters, connections and operations by layer, and the squashing function."""

from typing import Any

import torch
from torch import nn

from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.lenet import LeNet5, LeNet5Caffe, LeNet300, layer_table, operations
from dmbench.models.parts.lenet_layers import squash


def network(name: str, default: Any, side: int) -> Subject:
    """Return the part that `--impl name=module:Class` replaces."""

    def check(build: Any) -> None:
        """Raise ContractError unless it maps digits to ten values each."""
        net = build()
        if not isinstance(net, nn.Module):
            raise ContractError(f"made a {type(net).__name__}, not a torch.nn.Module")
        with torch.no_grad():
            found = tuple(net(torch.zeros(2, 1, side, side)).shape)
        if found != (2, 10):
            raise ContractError(f"returned shape {found} for two digits, not (2, 10)")

    return Subject(
        name=name,
        default=default,
        contract=f"MyNet() is a torch.nn.Module that maps float32 (N, 1, {side}, {side}) to (N, 10)",
        check=check,
    )


NETWORKS = {
    "lenet300": network("lenet300", LeNet300, 28),
    "lenet5_caffe": network("lenet5_caffe", LeNet5Caffe, 28),
    "lenet5": network("lenet5", LeNet5, 32),
}


@experiment("lenet300_parameters", tier="quick", subjects=(NETWORKS["lenet300"],))
def lenet300_parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of LeNet-300-100, thousands."""
    return {"lenet300_parameters": parameters(ctx, "lenet300") / 1000}


@experiment("lenet5_caffe_parameters", tier="quick", subjects=(NETWORKS["lenet5_caffe"],))
def lenet5_caffe_parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters of Caffe's LeNet-5, thousands."""
    return {"lenet5_caffe_parameters": parameters(ctx, "lenet5_caffe") / 1000}


@experiment("lenet5_parameters", tier="quick", subjects=(NETWORKS["lenet5"],))
def lenet5_parameters(ctx: Context) -> dict[str, float]:
    """Count the trainable parameters of LeNet-5 of 1998."""
    return {"lenet5_parameters": parameters(ctx, "lenet5")}


@experiment(
    "{net}_layer_weights",
    "{net}_layer_operations",
    "{net}_operations",
    tier="quick",
    over={"net": ("lenet300", "lenet5_caffe")},
)
def han(ctx: Context, net: str) -> dict[str, float | list[float]]:
    """Count weights and operations by layer as Han et al. do, thousands."""
    rows = layer_table(NETWORKS[net].default())
    return {
        f"{net}_layer_weights": [row.weights / 1000 for row in rows],
        f"{net}_layer_operations": [operations(row) / 1000 for row in rows],
        f"{net}_operations": sum(map(operations, rows)) / 1000,
    }


@experiment("lenet5_layer_parameters", "lenet5_layer_connections", "lenet5_connections", tier="quick")
def lecun(ctx: Context) -> dict[str, float | list[float]]:
    """Count trainable parameters and connections by layer as LeCun et al. do."""
    rows = layer_table(LeNet5(), 32)
    return {
        "lenet5_layer_parameters": [row.parameters for row in rows],
        "lenet5_layer_connections": [row.connections for row in rows],
        "lenet5_connections": sum(row.connections for row in rows),
    }


@experiment("squash_at_one", tier="quick")
def squashing(ctx: Context) -> dict[str, float]:
    """Evaluate the squashing function at 1."""
    return {"squash_at_one": float(squash(torch.ones(1, dtype=torch.float64)))}


def parameters(ctx: Context, name: str) -> int:
    """Count what the subject trains."""
    return sum(p.numel() for p in ctx.subject(name)().parameters())
