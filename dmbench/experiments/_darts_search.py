"""A small search by DARTS on Fashion-MNIST: weights by one half of its training pictures, alpha by the other.

Sources: Liu, Simonyan and Yang (2019), arXiv:1806.09055, Algorithm 1 and section A.1.1; on NAS-Bench-201's cell: Dong
and Yang (2020), arXiv:2001.00326, whose DARTS-V1 (first order) and DARTS-V2 end on CIFAR-10 with six skip connections.

Shapes: N pictures (N, 1, S, S), in [0, 1]; alpha (E, K); T points of the curve.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from math import cos, pi
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from dmbench.experiments._digits_training import Digits, read_digits
from dmbench.experiments._scaled_mnist_training import order
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.nas.darts import SuperNet, strongest
from dmbench.nas.parts.cell_201 import OPERATIONS, spell

DATA = "fashion_mnist"
HALVES = ("weights", "alpha")
Gradient = Callable[..., Tensor]


@dataclass(frozen=True)
class Recipe:
    """How the search goes: SGD on weights, its rate falling by a cosine to zero, and Adam on alpha, in turn.

    second: whether alpha looks a step of training ahead. updates: of alpha, and as many of the weights. cells: of each
    of three stages. path: updates of alpha in the paper, 50 passes, times their rate 3e-4; ours go as far. clip: of the
    norm of the weights' gradients. side: of pictures. watched: pictures of a point of the curve. judged: at the end.
    """

    second: bool = False
    updates: int = 200
    channels: int = 4
    cells: int = 5
    side: int = 8
    batch: int = 64
    rate: float = 0.025
    momentum: float = 0.9
    decay: float = 3e-4
    clip: float = 5.0
    path: float = 50 * 391 * 3e-4
    alpha_betas: tuple[float, float] = (0.5, 0.999)
    alpha_decay: float = 1e-3
    evaluate_every: int = 10
    watched: int = 500
    judged: int = 5000

    def rate_at(self, update: int) -> float:
        """Return the learning rate of the weights at an update, from 0."""
        return self.rate * (1 + cos(pi * update / self.updates)) / 2


class Trace:
    """Alpha at each point of the curve."""

    def __init__(self) -> None:
        self.alphas: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        """Return them."""
        return {"alphas": list(self.alphas)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.alphas = list(state["alphas"])


class Found(NamedTuple):
    """What a search came to: alpha, and the super-network's accuracy, %, on pictures that alpha was trained with."""

    alpha: Tensor
    accuracy: float


def searched(ctx: Context, name: str, recipe: Recipe, gradient: Gradient, cell: Callable[[int], nn.Module]) -> Found:
    """Search; the cell found is noted, and alpha at all points (T, E, K) kept as alphas_<name>_seed<seed>.safetensors.

    gradient: as `architecture_gradient`. cell: as `MixedCell`.
    """
    ctx.note(**asdict(recipe), data=DATA, optimisers="SGD for weights, Adam for alpha")
    halves = read_halves(ctx, recipe.side)
    net = SuperNet(channels=recipe.channels, cells=recipe.cells, inputs=1, cell=cell).to(ctx.device)
    weights = net.weights()
    optimiser = torch.optim.SGD(weights, recipe.rate, recipe.momentum, weight_decay=recipe.decay, foreach=True)
    of_alpha = torch.optim.Adam(
        [net.alpha], recipe.path / recipe.updates, recipe.alpha_betas, weight_decay=recipe.alpha_decay
    )
    trace = Trace()

    def step(update: int) -> Mapping[str, Tensor]:
        train, validation = (partial(_loss, net, _batch(ctx, halves, half, update, recipe.batch)) for half in HALVES)
        rate = recipe.rate_at(update)
        net.alpha.grad = gradient(train, validation, weights, net.alpha, rate if recipe.second else 0.0)
        of_alpha.step()
        loss = train()
        for value, found in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            value.grad = found
        nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        return {"train_loss": loss}

    def evaluate() -> Mapping[str, float]:
        trace.alphas.append(net.alpha.detach().cpu().clone())
        return {**of_skips(net.alpha), "accuracy": accuracy(net, halves["alpha"].first(recipe.watched))}

    parts = {"net": net, "weights": optimiser, "alpha": of_alpha, "trace": trace}
    Loop(ctx, recipe.updates, parts, save_every=40).run(step, evaluate=evaluate, evaluate_every=recipe.evaluate_every)
    ctx.keep(f"alphas_{name}_seed{ctx.seed or 0}.safetensors", save({"alphas": torch.stack(trace.alphas)}))
    ctx.note(cell=spell(strongest(net.alpha)))
    return Found(net.alpha.detach().cpu(), accuracy(net, halves["alpha"].first(recipe.judged)))


def of_skips(alpha: Tensor) -> dict[str, float]:
    """Return `skips`, how many edges of the cell that alpha gives skip, and `skip_weight`, the mean share of skips."""
    return {
        "skips": float(strongest(alpha).count("skip_connect")),
        "skip_weight": float(alpha.detach().softmax(-1)[:, OPERATIONS.index("skip_connect")].mean()),
    }


@torch.no_grad()
def accuracy(net: nn.Module, pictures: Digits, batch: int = 500) -> float:
    """Return the share of pictures that a network gets right, %, normalised batch by batch as in the search."""
    right = 0
    for start in range(0, len(pictures.labels), batch):
        part = Digits(pictures.images[start:][:batch], pictures.labels[start:][:batch])
        right += int((net(part.images).argmax(1) == part.labels).sum())
    return 100 * right / len(pictures.labels)


def read_halves(ctx: Context, side: int) -> dict[str, Digits]:
    """Return the training pictures in two halves, drawn by the seed, averaged to `side` by `side`."""
    whole = read_digits(ctx, "train", DATA)
    images = adaptive_avg_pool2d(whole.images, side)
    drawn = order(len(images), ctx.seed or 0, "halves").to(images.device)
    return {
        name: Digits(images[chosen], whole.labels[chosen])
        for name, chosen in zip(HALVES, drawn.tensor_split(2), strict=True)
    }


def _loss(net: nn.Module, batch: Digits) -> Tensor:
    return cross_entropy(net(batch.images), batch.labels)


def _batch(ctx: Context, halves: Mapping[str, Digits], name: str, update: int, size: int) -> Digits:
    images, labels = halves[name]
    epoch, step = divmod(update, len(labels) // size)
    chosen = order(len(labels), ctx.seed or 0, f"{name} {epoch}")[step * size :][:size].to(labels.device)
    return Digits(images[chosen], labels[chosen])
