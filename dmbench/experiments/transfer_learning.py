"""Transfer learning: from MNIST's digits 0 to 4 to 5 to 9 with few labels; what freezing leaves alone; rates."""

import copy
from typing import Any

import torch
from torch import nn

from dmbench.experiments._digits_training import Digits, Training, error, read_digits, seeded
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.regularizers.transfer_learning import Frozen, layered_rates, replace_head

SPLIT = 5  # digits below are task A, the others B
LABELS = 10  # of each digit of B
BASE = {"updates": 900, "batch": 100, "rate": 0.05}
FEW = {"updates": 300, "batch": LABELS * SPLIT, "rate": 0.05}


def check_frozen(build: Any) -> None:
    """Raise ContractError unless training around the body leaves its statistics and weights alone."""
    body = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = copy.deepcopy(body.state_dict())
    net = nn.Sequential(build(body), nn.Linear(3, 1)).train()
    net(torch.randn(4, 2)).sum().backward()
    if any(p.grad is not None for p in body.parameters()):
        raise ContractError("a frozen weight has a gradient")
    if any(not torch.equal(value, before[key]) for key, value in body.state_dict().items()):
        raise ContractError("running statistics moved in training")


FROZEN = Subject(
    name="frozen",
    default=Frozen,
    contract="MyFrozen(body) is a torch.nn.Module that gives body's features, and whose training changes nothing of it",
    check=check_frozen,
)


@experiment("random_gain", "tuned_gain", tier="slow", artifacts=("mnist",), subjects=(FROZEN,), seeds=5)
def digits(ctx: Context) -> dict[str, float]:
    """Train on 0 to 4, then on 10 of each of 5 to 9: transferred or random features, frozen or not."""
    ctx.note(base=str(BASE), few=str(FEW), labels=LABELS, optimiser="SGD, momentum 0.9, rates fall linearly")
    train, test = (task(read_digits(ctx, part), upper) for part, upper in (("train", False), ("test", True)))
    few = some(ctx, task(read_digits(ctx, "train"), True), LABELS)
    training = Training(ctx, train, total=BASE["updates"] + 4 * FEW["updates"])  # type: ignore[arg-type]
    base = network().to(ctx.device)
    fit(training, "base", base, base.parameters(), BASE)
    random = network().to(ctx.device)
    training.train = few
    nets, freeze = {}, ctx.subject("frozen")
    for name, start, frozen in (
        ("transferred", base, True),
        ("random", random, True),
        ("tuned", base, False),
        ("scratch", random, False),
    ):
        net = copy.deepcopy(start)
        replace_head(net, "head", SPLIT).to(ctx.device)
        if frozen:
            net.body = freeze(net.body)
        layers = [*([] if frozen else net.body), net.head]
        fit(training, name, net, layered_rates(layers, FEW["rate"]) if name == "tuned" else net.parameters(), FEW)
        nets[name] = error(net, test)
    return {"random_gain": nets["random"] - nets["transferred"], "tuned_gain": nets["scratch"] - nets["tuned"]}


def network() -> Any:
    """Return a small convolutional network: `body`, three layers to 64 features, and `head`, of five outputs."""
    body = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 5), nn.MaxPool2d(2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 16, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(256, 64), nn.ReLU()),
    )
    net = nn.Sequential()
    net.add_module("body", body)
    net.add_module("head", nn.Linear(64, SPLIT))
    return net


def fit(training: Training, name: str, net: nn.Module, params: Any, recipe: dict[str, Any]) -> None:
    """Train by SGD; groups keep the ratios of their rates while all fall to zero."""
    optimiser = torch.optim.SGD([p for p in params if isinstance(p, dict) or p.requires_grad], recipe["rate"], 0.9)
    rates = [group["lr"] for group in optimiser.param_groups]

    def fall(done: int) -> None:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - done / recipe["updates"])

    training.phase(name, net, optimiser, recipe["updates"], batch=recipe["batch"], after=fall)


def task(digits: Digits, upper: bool) -> Digits:
    """Return the digits of task B, labelled 0 to 4, or of A."""
    chosen = (digits.labels >= SPLIT) == upper
    return Digits(digits.images[chosen], digits.labels[chosen] - SPLIT * upper)


def some(ctx: Context, digits: Digits, labels: int) -> Digits:
    """Return so many of each digit, drawn by the seed."""
    order = torch.randperm(len(digits.labels), generator=seeded(ctx, "few")).to(ctx.device)
    chosen = torch.cat([order[digits.labels[order] == digit][:labels] for digit in range(SPLIT)])
    return Digits(digits.images[chosen], digits.labels[chosen])


@experiment("frozen_change", "frozen_trainable", tier="quick", subjects=(FROZEN,))
def frozen(ctx: Context) -> dict[str, float]:
    """Train a head on frozen features with batch normalisation for 20 updates; count what moved, and what may."""
    body = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5)).double()
    before = copy.deepcopy(body.state_dict())
    net = nn.Sequential(ctx.subject("frozen")(body), nn.Linear(32, 10).double()).train()
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, 0.9, weight_decay=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        net(3 + torch.randn(16, 64, dtype=torch.float64)).square().sum().backward()
        optimiser.step()
    moved = sum(int((value != before[key]).sum()) for key, value in body.state_dict().items())
    return {"frozen_change": moved, "frozen_trainable": sum(p.numel() for p in net.parameters() if p.requires_grad)}


@experiment("layer_rates", tier="quick")
def rates(ctx: Context) -> dict[str, list[float]]:
    """Give four layers rates by Howard and Ruder's rule."""
    return {"layer_rates": [group["lr"] for group in layered_rates([nn.Linear(1, 1) for _ in range(4)], 0.01)]}
