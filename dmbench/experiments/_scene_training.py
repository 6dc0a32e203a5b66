"""How networks train on generated scenes: first a CNN that names what is where, then a network that reads its features.

The CNN stands where the papers have one that was trained on ImageNet, and is fixed afterwards as theirs is at first. It
learns, for each colour, whether there is no object, a rectangle or a circle, and its centre. Scenes hang on the seed;
those of the test set are the same for all seeds.

Shapes: N scenes, F features, C = 6 colours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dmbench.datasets.scenes import Object, Scenes, draw, make_scenes, network_input
from dmbench.datasets.sort_of_clevr import COLOURS
from dmbench.experiments._scaled_mnist_training import generator
from dmbench.experiments._training import Loop
from dmbench.harness.experiment import Context
from dmbench.models.parts.scene_cnn import FEATURES, scene_cnn

TEST_SEED = 1_000_000_007  # no run has it
CLASSES = 3  # none, rectangle, circle
CLIP = 5.0  # norm of all gradients together, at most


@dataclass(frozen=True)
class Recipe:
    """How a network trains: Adam, its rate falling linearly to zero; `cnn_updates` of the CNN before it."""

    updates: int
    batch: int
    rate: float
    scenes: int = 10_000
    test: int = 1_000
    cnn_updates: int = 500
    cnn_batch: int = 64
    cnn_rate: float = 2e-3


class Pictured:
    """Scenes, what is in each, and their pictures as networks take them."""

    def __init__(self, count: int, seed: int) -> None:
        self.scenes: Scenes = make_scenes(count, seed)
        self.pixels = draw(self.scenes)
        self.objects: list[list[Object]] = [self.scenes.objects(i) for i in range(count)]

    def pictures(self, which: slice | Tensor, device: torch.device) -> Tensor:
        """Return some pictures, (n, 3, S, S), float32."""
        return network_input(self.pixels[which].to(device))

    def targets(self) -> tuple[Tensor, Tensor]:
        """Return by colour what is there, (N, C), of CLASSES, and its centre from -1 to 1, (N, C, 2)."""
        scenes = self.scenes
        what = torch.zeros(len(scenes.counts), len(COLOURS), dtype=torch.int64)
        where = torch.zeros(*what.shape, 2)
        for place in range(scenes.colours.shape[1]):
            rows = (scenes.counts > place).nonzero()[:, 0]
            colours = scenes.colours[rows, place]
            what[rows, colours] = 1 + scenes.shapes[rows, place]
            where[rows, colours] = (2 * scenes.centres[rows, place] + 1) / scenes.size - 1
        return what, where


def split(ctx: Context, recipe: Recipe) -> tuple[Pictured, Pictured]:
    """Return the scenes to train on, of the context's seed, and those to test on."""
    return Pictured(recipe.scenes, ctx.seed or 0), Pictured(recipe.test, TEST_SEED)


def trained_cnn(ctx: Context, recipe: Recipe, data: Pictured) -> nn.Module:
    """Train the CNN to name what is where; return it without its last layer, fixed.

    It takes seconds, and is done anew where a killed run goes on: it hangs on the seed alone.
    """
    chance = generator(ctx.seed or 0, "cnn")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=chance)))
        net = scene_cnn().to(ctx.device)
        head = nn.Linear(FEATURES, len(COLOURS) * (CLASSES + 2)).to(ctx.device)
    what, where = (part.to(ctx.device) for part in data.targets())
    parameters = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, recipe.cnn_rate)
    for update in range(recipe.cnn_updates):
        optimiser.param_groups[0]["lr"] = recipe.cnn_rate * (1 - update / recipe.cnn_updates)
        chosen = torch.randint(recipe.scenes, (recipe.cnn_batch,), generator=chance)
        found = head(net(data.pictures(chosen, ctx.device))).view(-1, len(COLOURS), CLASSES + 2)
        named, placed = found.split((CLASSES, 2), -1)
        there = what[chosen] > 0
        off = (placed - where[chosen]).square().sum(-1)[there].mean()
        loss = cross_entropy(named.flatten(0, 1), what[chosen].flatten()) + 5 * off
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval().requires_grad_(False)


class Eyes(nn.Module):
    """A CNN and what its features are on the scenes that it was trained on: pictures to features of mean 0, std 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, cnn: nn.Module, units: int = FEATURES) -> None:
        super().__init__()
        self.cnn = cnn
        self.register_buffer("mean", torch.zeros(units))
        self.register_buffer("std", torch.ones(units))

    @torch.no_grad()
    def forward(self, data: Pictured, device: torch.device, batch: int = 500) -> Tensor:
        """Return the features of all pictures, (N, F)."""
        starts = range(0, len(data.objects), batch)
        found = torch.cat([self.cnn(data.pictures(slice(start, start + batch), device)) for start in starts])
        return (found - self.mean) / self.std

    def adapt(self, data: Pictured, device: torch.device) -> None:
        """Take mean and std of these scenes; a feature that is constant there hardly counts."""
        found = self(data, device)
        self.mean, self.std = found.mean(0), found.std(0) + 1e-3


def seen(ctx: Context, recipe: Recipe, data: Pictured, test: Pictured) -> tuple[Eyes, Tensor, Tensor]:
    """Train a CNN on scenes; return it with the features of these and of the test scenes, (N, F) each."""
    eyes = Eyes(trained_cnn(ctx, recipe, data)).to(ctx.device)
    eyes.adapt(data, ctx.device)
    return eyes, eyes(data, ctx.device), eyes(test, ctx.device)


def keep(ctx: Context, name: str, **nets: nn.Module | None) -> None:
    """Write networks' weights, in half precision, to the results folder; those that there are."""
    weights = {
        f"{which}.{key}": value.detach().half().cpu().contiguous()
        for which, net in nets.items()
        if net is not None
        for key, value in net.state_dict().items()
    }
    ctx.keep(f"{name}_seed{ctx.seed or 0}.safetensors", save(weights))


def restore(path: Path, **nets: nn.Module) -> None:
    """Put kept weights back into networks of the same sizes."""
    weights = load_file(path)
    for which, net in nets.items():
        own = {key.removeprefix(f"{which}."): value for key, value in weights.items() if key.startswith(f"{which}.")}
        net.load_state_dict({key: value.float() for key, value in own.items()})
        net.eval()


def train(
    ctx: Context,
    recipe: Recipe,
    net: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    evaluate: Callable[[], Mapping[str, float]],
    every: int,
) -> None:
    """Train a network in place, then leave it in evaluation mode.

    loss: draws a batch by a generator of the update, and returns a scalar, nats.
    evaluate: the points of the curve, every so many updates, in evaluation mode.
    """
    ctx.note(**vars(recipe), optimiser="Adam", parameters=sum(p.numel() for p in net.parameters()))
    optimiser = torch.optim.Adam(net.parameters(), recipe.rate)

    def step(update: int) -> dict[str, Tensor]:
        net.train()
        optimiser.param_groups[0]["lr"] = recipe.rate * (1 - update / recipe.updates)
        value = loss(generator(ctx.seed or 0, f"batch {update}"))
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimiser.step()
        return {"train_loss": value}

    def measured() -> Mapping[str, float]:
        net.eval()
        return evaluate()

    loop = Loop(ctx, recipe.updates, {"net": net, "optimiser": optimiser}, save_every=1000)
    loop.run(step, evaluate=measured, evaluate_every=every)
    net.eval()
