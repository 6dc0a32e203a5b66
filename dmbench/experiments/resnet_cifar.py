"""ResNets for CIFAR-10: sizes of the paper's table, somebody's weights on the test set, and training from scratch."""

from typing import Any

import torch
from torch import Tensor, nn

from dmbench.datasets.cifar10 import read_cifar10, read_first_100
from dmbench.experiments._digits_training import Digits, Training, error, plain_loss
from dmbench.harness.errors import ContractError
from dmbench.harness.experiment import Context, Subject, experiment
from dmbench.models.resnet_cifar import ResNetCifar, init_as_paper, read_authors_weights
from dmbench.regularizers.data_augmentation import average_views, flip, random_crop

DEPTHS = (20, 32, 44, 56, 110, 1202)
WITH_WEIGHTS = (20, 32, 44, 56)
# What the weights were trained on: ImageNet's mean and deviation, as their repository's trainer.py has it.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def check_network(build: Any) -> None:
    """Raise ContractError unless build(20) gives ten scores a picture and takes the weights of ResNet-20."""
    net = build(20)
    fill(net, values(ResNetCifar(20)))
    scores = net.eval()(torch.rand(2, 3, 32, 32))
    if not isinstance(scores, Tensor) or scores.shape != (2, 10):
        raise ContractError(f"returned {tuple(getattr(scores, 'shape', ()))}, not shape (2, 10)")


NETWORK = Subject(
    name="resnet",
    default=ResNetCifar,
    contract="MyNet(depth) is a torch.nn.Module that maps float32 (N, 3, 32, 32) to scores (N, 10), and whose "
    "floating-point parameters and running statistics, in order, are those of dmbench.models.resnet_cifar",
    check=check_network,
)


def values(net: nn.Module) -> list[Tensor]:
    """Return parameters and running statistics in order, without the counts of batches."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]


def fill(net: nn.Module, weights: list[Tensor]) -> None:
    """Copy weights into a network, in order.

    Raises:
        ContractError: the counts or shapes differ.
    """
    have, need = ([tuple(t.shape) for t in tensors] for tensors in (values(net), weights))
    if have != need:
        odd = next((p for p in zip(have, need, strict=False) if p[0] != p[1]), (len(have), len(need)))
        raise ContractError(f"its state does not take the authors' weights, in order: {odd[0]} is not {odd[1]}")
    with torch.no_grad():
        for mine, weight in zip(values(net), weights, strict=True):
            mine.copy_(weight)


@experiment("layers_{depth}", "params_{depth}", tier="quick", subjects=(NETWORK,), over={"depth": DEPTHS})
def size(ctx: Context, depth: int) -> dict[str, float]:
    """Count weighted layers, and parameters in millions."""
    with torch.device("meta"):  # nothing is computed
        net = ctx.subject("resnet")(depth)
    layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules())
    return {f"layers_{depth}": layers, f"params_{depth}": parameters(net) / 1e6}


@experiment("map_sizes", "stage_layers", "filters", tier="quick")
def stages(ctx: Context) -> dict[str, list[float]]:
    """Follow a picture through our ResNet-20: map size, layers and filters of each stage."""
    net, seen = ResNetCifar(20), list[Tensor]()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda module, given, y: seen.append(y))
    net(torch.zeros(1, 3, 32, 32))
    sides = sorted({y.shape[-1] for y in seen}, reverse=True)
    found = [[y for y in seen if y.shape[-1] == side] for side in sides]
    return {
        "map_sizes": [float(side) for side in sides],
        "stage_layers": [len(stage) for stage in found],
        "filters": [stage[-1].shape[1] for stage in found],
    }


@experiment("shortcut_parameters", tier="quick")
def shortcut_parameters(ctx: Context) -> dict[str, float]:
    """Count the parameters that our ResNet-56 has more than its plain counterpart."""
    return {"shortcut_parameters": parameters(ResNetCifar(56)) - parameters(ResNetCifar(56, shortcuts=False))}


@experiment(
    "right_{depth}",
    "logits_{depth}",
    "right_{depth}_two_views",
    tier="quick",
    artifacts=("cifar10_test_first100", "cifar10_resnet{depth}"),
    subjects=(NETWORK,),
    over={"depth": WITH_WEIGHTS},
)
def first_100(ctx: Context, depth: int) -> dict[str, float | list[float]]:
    """Watch the weights on the first 100 test pictures: right answers, also of two views, and one logit vector."""
    images, labels = read_first_100(ctx.files("cifar10_test_first100"))
    x, labels = normalised(images).to(ctx.device), labels.to(ctx.device)
    net = with_weights(ctx, depth)
    with torch.no_grad():
        scores = net(x)
        both = average_views(net, torch.stack([x, x.flip(3)], 1))
    return {
        f"right_{depth}": int((scores.argmax(1) == labels).sum()),
        f"logits_{depth}": scores[0].tolist(),
        f"right_{depth}_two_views": int((both.argmax(1) == labels).sum()),
    }


@experiment(
    "error_{depth}",
    "weights_error_{depth}",
    tier="slow",
    artifacts=("cifar10", "cifar10_resnet{depth}"),
    subjects=(NETWORK,),
    over={"depth": WITH_WEIGHTS},
)
def test_set(ctx: Context, depth: int) -> dict[str, float]:
    """Measure somebody's weights on all 10,000 test pictures, against the paper and against their own author."""
    images, labels = read_cifar10(ctx.files("cifar10"), "test")
    net = with_weights(ctx, depth)
    wrong = 0
    with torch.no_grad():
        for start in range(0, len(labels), 250):
            part = slice(start, start + 250)
            found = net(normalised(images[part]).to(ctx.device)).argmax(1).cpu()
            wrong += int((found != labels[part]).sum())
            ctx.progress(start + len(found), len(labels))
    return dict.fromkeys((f"error_{depth}", f"weights_error_{depth}"), 100 * wrong / len(labels))


def with_weights(ctx: Context, depth: int) -> nn.Module:
    """Return the network with the weights of akamaster/pytorch_resnet_cifar10, for inference."""
    (path,) = ctx.files(f"cifar10_resnet{depth}").values()
    net: nn.Module = ctx.subject("resnet")(depth)
    fill(net, [tensor for tensor in read_authors_weights(path).values() if tensor.is_floating_point()])
    ctx.note(weights="akamaster/pytorch_resnet_cifar10", normalised="by ImageNet's mean and deviation")
    return net.to(ctx.device).eval()


def normalised(images: Tensor) -> Tensor:
    """Return uint8 pictures (N, 3, 32, 32) as what the weights expect, float32."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def parameters(net: nn.Module) -> int:
    """Count learned values."""
    return sum(p.numel() for p in net.parameters())


# Section 4.2: batches of 128, rate 0.1, a tenth of it at 32,000 and 48,000 updates, 64,000 in all, momentum 0.9, weight
# decay 0.0001, the mean picture subtracted, 4 pixels padded, a crop of 32 of the picture or its reflection.
UPDATES, DROPS, BATCH, RATE = 64_000, (32_000, 48_000), 128, 0.1
WARM_UP, WARM_RATE = 400, 0.01  # of 110 layers, until the training error is below 80 %: about 400 updates


@experiment(
    "trained_error_{depth}",
    tier="full",
    artifacts=("cifar10",),
    subjects=(NETWORK,),
    seeds=5,
    gpu=True,
    over={"depth": (20, 32, 44, 56, 110)},
)
def trained(ctx: Context, depth: int) -> dict[str, float]:
    """Train from scratch by the paper's recipe on the 50,000 training pictures; the error after the last update."""
    net = init_as_paper(ctx.subject("resnet")(depth)).to(ctx.device)
    ctx.note(updates=UPDATES, batch=BATCH, rate=RATE, drops=list(DROPS), weight_decay=1e-4, momentum=0.9)
    (images, labels), tests = (read_cifar10(ctx.files("cifar10"), part) for part in ("train", "test"))
    mean = (images.double().mean(0) / 255).float()
    train, test = (
        Digits((x.float() / 255 - mean).to(ctx.device), y.to(ctx.device)) for x, y in ((images, labels), tests)
    )
    optimiser = torch.optim.SGD(net.parameters(), RATE, momentum=0.9, weight_decay=1e-4)
    Training(ctx, train, UPDATES).phase(
        "train",
        net,
        optimiser,
        UPDATES,
        batch=BATCH,
        rate=lambda update: rate(depth, update),
        loss=lambda net, x, y: plain_loss(net, flip(random_crop(x, 32, padding=4)), y),
        evaluate=lambda: {"test_error": error(net, test)},
        evaluate_every=2000,
    )
    return {f"trained_error_{depth}": error(net, test)}


def rate(depth: int, update: int) -> float:
    """Return the learning rate at an update, from 0."""
    if depth >= 110 and update < WARM_UP:
        return WARM_RATE
    return RATE * 0.1 ** sum(update >= drop for drop in DROPS)
