"""Training for super-resolution: patches of pictures, a loop that resumes bit for bit, a learning curve.

Shapes: P patches; patches are (P, 1, side, side), float32, in [0, 1].
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from dmbench.datasets.pictures import modcrop, read_picture, to_8_bits
from dmbench.experiments._super_resolution import Enhance, degrade, evaluate, luma
from dmbench.harness.experiment import Context
from dmbench.optim.gradient_clipping import clip_adjustable_


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: patches, optimiser, schedule.

    side, stride: of the patches, pixels. flips: add the eight rotations and reflections. updates, drop_every,
    evaluate_every: counted in optimiser updates; the learning rate is divided by ten every drop_every. theta: bound
    of the adjustable gradient clipping, or None. last_layer_rate: learning rate of the last layer, if it has its own.
    """

    updates: int
    batch: int
    learning_rate: float
    evaluate_every: int
    optimiser: str = "sgd"
    side: int = 33
    stride: int = 14
    flips: bool = False
    momentum: float = 0.9
    weight_decay: float = 0.0
    last_layer_rate: float | None = None
    drop_every: int | None = None
    theta: float | None = None


def train(
    ctx: Context,
    net: nn.Module,
    test: Callable[[], Enhance],
    recipe: Recipe,
    *,
    pictures: Sequence[str],
    scales: Sequence[int],
) -> dict[str, float]:
    """Train `net` on patches at all scales; return the PSNR on Set5 of what `test` makes of it, and of bicubic.

    The result's keys are psnr_x3, bicubic_x3 and so on. An interrupted run goes on from its last evaluation, with the
    same numbers as if it had not been interrupted.
    """
    ctx.note(training=list(pictures), scales=list(scales), **vars(recipe))
    net.to(ctx.device)
    inputs, truths = (patch.to(ctx.device) for patch in patches(ctx, recipe, pictures, scales))
    optimiser = make_optimiser(net, recipe)
    random = torch.Generator().manual_seed(ctx.seed or 0)
    bicubic = scores(ctx, "bicubic", lambda y: y, scales)
    first, seconds, measured = 0, 0.0, dict[str, float]()
    if state := ctx.load():
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        random.set_state(state["random"])
        first, seconds, measured = state["update"], state["seconds"], state["measured"]
    start = time.process_time()
    for update in range(first, recipe.updates):
        set_rates(optimiser, recipe, update)
        chosen = torch.randint(len(inputs), (recipe.batch,), generator=random).to(ctx.device)
        step(net, optimiser, inputs[chosen], truths[chosen], recipe)
        done = update + 1
        if done % recipe.evaluate_every == 0 or done == recipe.updates:
            seconds += time.process_time() - start
            measured = scores(ctx, "psnr", test(), scales)
            ctx.point(update=done, cpu_seconds=round(seconds, 1), **measured, **bicubic)
            ctx.save(
                {
                    "net": net.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "random": random.get_state(),
                    "update": done,
                    "seconds": seconds,
                    "measured": measured,
                }
            )
            start = time.process_time()
        if done % 50 == 0:
            ctx.progress(done, recipe.updates)
    return measured | bicubic


def scores(ctx: Context, name: str, enhance: Enhance, scales: Sequence[int]) -> dict[str, float]:
    """Measure PSNR on Set5 at each scale, as `name_x3` and so on."""
    return {f"{name}_x{scale}": evaluate(ctx, "set5", scale, enhance, ("psnr",))["psnr"] for scale in scales}


def step(net: nn.Module, optimiser: torch.optim.Optimizer, y: Tensor, truth: Tensor, recipe: Recipe) -> None:
    """Make one update on the mean squared error; a smaller output is compared with the middle of the truth."""
    output = net(y)
    cut = (truth.shape[-1] - output.shape[-1]) // 2
    middle = truth[..., cut : truth.shape[-2] - cut, cut : truth.shape[-1] - cut]
    optimiser.zero_grad()
    mse_loss(output, middle).backward()  # type: ignore[no-untyped-call]
    if recipe.theta is not None:
        clip_adjustable_(net.parameters(), recipe.theta, optimiser.param_groups[0]["lr"])
    optimiser.step()


def patches(ctx: Context, recipe: Recipe, pictures: Sequence[str], scales: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Cut enlarged and true patches from the pictures of several artifacts, at each scale; both (P, 1, side, side)."""
    resize = ctx.subject("bicubic")
    paths = [path for artifact in pictures for path in ctx.files(artifact).values()]
    lumas = [luma(to_8_bits(read_picture(path)), ctx.subject("ycbcr")) for path in paths]
    inputs, truths = [], []
    for plane, scale in itertools.product(lumas, scales):
        truth = modcrop(plane, scale).double() / 255
        if min(truth.shape) < recipe.side:
            continue
        for turned in turns(truth) if recipe.flips else [truth]:
            truths.append(cut(turned, recipe))
            inputs.append(cut(degrade(resize, turned, scale), recipe))
    return torch.cat(inputs), torch.cat(truths)


def cut(plane: Tensor, recipe: Recipe) -> Tensor:
    """Cut a plane (H, W) into overlapping patches (P, 1, side, side), float32."""
    tiles = plane.float().unfold(0, recipe.side, recipe.stride).unfold(1, recipe.side, recipe.stride)
    return tiles.reshape(-1, 1, recipe.side, recipe.side)


def turns(plane: Tensor) -> list[Tensor]:
    """Return the eight rotations and reflections of a plane (H, W)."""
    return [side.rot90(quarter) for side in (plane, plane.flip(1)) for quarter in range(4)]


def make_optimiser(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the optimiser, with a group of its own for the last layer (its filters and biases)."""
    parameters = list(net.parameters())
    groups = [
        {"params": parameters[:-2], "factor": 1.0},
        {
            "params": parameters[-2:],
            "factor": (recipe.last_layer_rate or recipe.learning_rate) / recipe.learning_rate,
        },
    ]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            groups,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
    raise ValueError(f"optimiser must be adam or sgd: {recipe.optimiser}")


def set_rates(optimiser: torch.optim.Optimizer, recipe: Recipe, update: int) -> None:
    """Set the learning rates that the schedule has at an update, counted from 0."""
    drops = update // recipe.drop_every if recipe.drop_every else 0
    for group in optimiser.param_groups:
        group["lr"] = recipe.learning_rate * group["factor"] * 0.1**drops


def inference(net: nn.Module, device: torch.device) -> Enhance:
    """Return the network as a function of luma planes on the CPU."""

    def enhance(y: Tensor) -> Tensor:
        with torch.inference_mode():
            return net(y.float().to(device)).cpu()  # type: ignore[no-any-return]

    return enhance
